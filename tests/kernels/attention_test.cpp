// Attention of every table against a double-precision loop, and against itself in other company.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/kernels/tables.h"

namespace core {
namespace {

// Keys or values [n][head_dim], rows some odd distance apart.
struct Cache {
  Cache(std::int64_t n, std::int64_t dim, unsigned seed) : w(DType::f32, n, dim, seed) {}
  double at(std::int64_t i, std::int64_t d) const { return w.values[static_cast<std::size_t>(i * w.k + d)]; }
  Weights w;
};

struct Case {
  Case(std::int64_t n, std::int64_t head_dim, std::int64_t count, unsigned seed)
      : dim(head_dim),
        keys(n, head_dim, seed),
        values(n, head_dim, seed + 1),
        q(random_floats(count * head_dim, seed + 2)) {}
  KeyValueView view() { return {keys.w.data(), keys.w.stride, values.w.data(), values.w.stride}; }
  std::int64_t dim;
  Cache keys, values;
  std::vector<float> q;  // [count][dim]
};

// Queries first .. first + n_keys.size() - 1 of c in one call.
std::vector<float> run(const KernelTable& table, Case& c, std::int64_t first,
                       const std::vector<std::int64_t>& n_keys) {
  const auto count = static_cast<std::int64_t>(n_keys.size());
  AlignedBuffer scratch(table.attention_scratch_bytes(c.dim) + 64);
  const std::size_t end = table.attention_scratch_bytes(c.dim);
  for (std::size_t i = 0; i < scratch.size(); ++i)
    scratch.data()[i] = std::byte{0xff};  // not a number, and a canary
  Guarded out(count * (c.dim + 2));
  table.attention({.out = out.data(),
                   .out_stride = c.dim + 2,
                   .q = c.q.data() + first * c.dim,
                   .q_stride = c.dim,
                   .n_keys = n_keys.data(),
                   .count = count},
                  c.view(), c.dim, 1 / std::sqrt(static_cast<float>(c.dim)), scratch.data());
  out.expect_untouched(table.name);
  for (std::size_t i = end; i < scratch.size(); ++i)
    EXPECT_EQ(scratch.data()[i], std::byte{0xff}) << "scratch overrun";
  std::vector<float> result;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < c.dim; ++d) result.push_back(out[i * (c.dim + 2) + d]);
    EXPECT_EQ(out[i * (c.dim + 2) + c.dim], Guarded::kCanary) << table.name;
  }
  return result;
}

std::vector<double> reference(const Case& c, std::int64_t query, std::int64_t n_keys) {
  std::vector<double> scores;
  const float scale = 1 / std::sqrt(static_cast<float>(c.dim));
  for (std::int64_t i = 0; i < n_keys; ++i) {
    double score = 0;
    for (std::int64_t d = 0; d < c.dim; ++d)
      score += c.q[static_cast<std::size_t>(query * c.dim + d)] * c.keys.at(i, d);
    scores.push_back(score * scale);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  std::vector<double> out(static_cast<std::size_t>(c.dim));
  for (std::int64_t i = 0; i < n_keys; ++i) {
    const double e = std::exp(scores[static_cast<std::size_t>(i)] - largest);
    total += e;
    for (std::int64_t d = 0; d < c.dim; ++d) out[static_cast<std::size_t>(d)] += e * c.values.at(i, d);
  }
  for (double& v : out) v /= total;
  return out;
}

TEST(Attention, equals_the_double_precision_loop) {
  for (const KernelTable* table : supported_tables())
    for (const std::int64_t dim : {1, 8, 32, 40, 64, 72, 80, 128, 136}) {
      if (emulated() && dim != 40 && dim != 128) continue;
      std::vector<std::int64_t> n_keys;
      for (const std::int64_t n : {1, 2, 15, 16, 17, 63, 64, 65, 130, 200, 199, 3}) n_keys.push_back(n);
      Case c(200, dim, static_cast<std::int64_t>(n_keys.size()), static_cast<unsigned>(dim));
      const std::vector<float> found = run(*table, c, 0, n_keys);
      for (std::size_t i = 0; i < n_keys.size(); ++i) {
        const std::vector<double> expected = reference(c, static_cast<std::int64_t>(i), n_keys[i]);
        // Scores: dim roundings of sums of dim products below 5 * 5 each, scaled by 1 / sqrt(dim), random
        // in sign: at most eps * dim * 25 in the exponent on both sides; exp 4e-7; sums of n products of
        // values below 5.
        const double eps = std::numeric_limits<float>::epsilon() / 2;
        const double bound = 5 * (2 * eps * static_cast<double>(dim) * 25 + 4e-7 +
                                  2 * eps * (static_cast<double>(n_keys[i]) + 8));
        for (std::int64_t d = 0; d < dim; ++d)
          ASSERT_NEAR(found[i * static_cast<std::size_t>(dim) + static_cast<std::size_t>(d)],
                      expected[static_cast<std::size_t>(d)], bound)
              << table->name << " dim " << dim << " keys " << n_keys[i];
      }
    }
}

TEST(Attention, of_a_query_does_not_depend_on_its_company) {
  for (const KernelTable* table : supported_tables())
    for (const std::int64_t dim : {64, 72}) {
      Case c(150, dim, kAttentionTile, 21);
      std::vector<std::int64_t> n_keys;
      for (std::int64_t i = 0; i < kAttentionTile; ++i) n_keys.push_back(1 + (i * 37) % 150);
      std::vector<float> single;
      for (std::int64_t i = 0; i < kAttentionTile; ++i) {
        const std::vector<float> one = run(*table, c, i, {n_keys[static_cast<std::size_t>(i)]});
        single.insert(single.end(), one.begin(), one.end());
      }
      for (const std::int64_t count : {2, 3, 5, 6, 7, 13, 31, 32}) {
        const std::vector<float> together =
            run(*table, c, 0, std::vector<std::int64_t>(n_keys.begin(), n_keys.begin() + count));
        for (std::size_t i = 0; i < together.size(); ++i)
          ASSERT_EQ(together[i], single[i]) << table->name << " dim " << dim << " of " << count;
      }
    }
}

// Scores that grow from block to block, and scores so far apart that all but one key vanish.
TEST(Attention, keeps_its_running_maximum) {
  for (const KernelTable* table : supported_tables())
    for (const double step : {0.5, 50.0, -0.5}) {
      constexpr std::int64_t kCount = 300;
      constexpr std::int64_t kDim = 16;
      Case c(kCount, kDim, 1, 30);
      std::fill(c.q.begin(), c.q.end(), 1.0F);
      for (std::int64_t i = 0; i < kCount; ++i)
        for (std::int64_t d = 0; d < kDim; ++d) {
          const auto v = static_cast<float>(step * static_cast<double>(i));
          std::memcpy(c.keys.w.at(i) + d * 4, &v, 4);
          c.keys.w.values[static_cast<std::size_t>(i * kDim + d)] = v;
        }
      const std::vector<float> found = run(*table, c, 0, {kCount});
      const std::vector<double> expected = reference(c, 0, kCount);
      for (std::size_t d = 0; d < kDim; ++d)  // scores are exact multiples of a half
        ASSERT_NEAR(found[d], expected[d], 5 * (4e-7 + 310 * 1.2e-7)) << table->name << " step " << step;
    }
}

}  // namespace
}  // namespace core
