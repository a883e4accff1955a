// Attention over integers against double-precision loops over the same integers, and its error next to that
// of rows rounded to bf16.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "ggml-like-core/base/half.h"
#include "ggml-like-core/quant/kv_block.h"
#include "tests/kernels/tables.h"

namespace core {
namespace {

struct Type {
  const char* name;
  KvCodes codes;
  KvKernels FixedAttention::*kernels;
};
const Type kTypes[] = {{"16 bits", kKv16, &FixedAttention::kv16},
                       {"8 bits", kKv8, &FixedAttention::kv8},
                       {"4 bits", kKv4, &FixedAttention::kv4}};

struct Case {
  Case(std::int64_t n_keys, std::int64_t head_dim, std::int64_t n_queries, unsigned seed)
      : n(n_keys),
        dim(head_dim),
        count(n_queries),
        k(random_floats(n * dim, seed)),
        v(random_floats(n * dim, seed + 1)),
        q(random_floats(count * dim, seed + 2)) {
    for (std::int64_t i = 0; i < n; ++i)  // rows of different sizes, a dimension that is large in all of them
      for (std::int64_t d = 0; d < dim; ++d) {
        k[static_cast<std::size_t>(i * dim + d)] *= d == 3 ? 4.0F : 1.0F;
        v[static_cast<std::size_t>(i * dim + d)] *= i % 5 == 0 ? 0.1F : 1.0F;
      }
  }
  std::int64_t n, dim, count;
  std::vector<float> k, v, q;
};

// x as rows of this type are turned, and back.
std::vector<double> turned(const Type& type, std::vector<double> x) {
  const auto n = static_cast<std::int64_t>(x.size());
  const std::int64_t block = type.codes.turned ? n & -n : 1;
  std::vector<double> out(x.size());
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = i / block * block; j < i / block * block + block; ++j)
      out[static_cast<std::size_t>(i)] +=
          x[static_cast<std::size_t>(j)] / std::sqrt(static_cast<double>(block)) *
          (std::popcount(static_cast<unsigned>(i % block & j % block)) % 2 == 0 ? 1 : -1);
  return out;
}
std::vector<double> turned_row(const Type& type, const std::vector<float>& x, std::int64_t row,
                               std::int64_t dim) {
  return turned(type, {x.begin() + row * dim, x.begin() + (row + 1) * dim});
}

// Keys and values in blocks, between bytes that are not finite as scales nor zero as codes.
struct Blocks {
  Blocks(const KernelTable& table, const Type& type, const Case& c)
      : codes(type.codes), layout(kv_block_layout(type.codes, c.dim)) {
    const auto blocks = static_cast<std::size_t>((c.n + kKvBlock - 1) / kKvBlock);
    keys = AlignedBuffer(blocks * layout.key_bytes);
    values = AlignedBuffer(blocks * layout.value_bytes);
    std::fill(keys.bytes().begin(), keys.bytes().end(), std::byte{0xff});
    std::fill(values.bytes().begin(), values.bytes().end(), std::byte{0xff});
    for (std::int64_t i = 0; i < c.n; ++i)
      (table.fixed.*type.kernels)
          .store(key_block(i), value_block(i), i % kKvBlock, c.k.data() + i * c.dim, c.v.data() + i * c.dim,
                 c.dim);
  }
  std::byte* key_block(std::int64_t i) {
    return keys.data() + static_cast<std::size_t>(i / kKvBlock) * layout.key_bytes;
  }
  std::byte* value_block(std::int64_t i) {
    return values.data() + static_cast<std::size_t>(i / kKvBlock) * layout.value_bytes;
  }
  double code(const std::byte* block, std::int64_t pair, std::int64_t which) const {
    if (codes.pair_bytes == 1)
      return static_cast<int>(block[pair] >> static_cast<int>(4 * which) & std::byte{15}) - 8;
    if (codes.pair_bytes == 2) return static_cast<std::int8_t>(block[2 * pair + which]);
    std::int16_t v = 0;
    std::memcpy(&v, block + 4 * pair + 2 * which, 2);
    return v;
  }
  static double scale(const std::byte* block, std::size_t scales, std::int64_t i) {
    float f = 0;
    std::memcpy(&f, block + scales + static_cast<std::size_t>(i % kKvBlock) * 4, 4);
    return f;
  }
  double key_scale(std::int64_t i) { return scale(key_block(i), layout.key_scales, i); }
  double value_scale(std::int64_t i) { return scale(value_block(i), layout.value_scales, i); }
  double key(std::int64_t i, std::int64_t d) {
    return code(key_block(i), d / 2 * kKvBlock + i % kKvBlock, d % 2) * key_scale(i);
  }
  double value(std::int64_t i, std::int64_t d) {
    return code(value_block(i), i % kKvBlock / 2 * layout.width + d, i % 2) * value_scale(i);
  }

  KvCodes codes;
  KvBlockLayout layout;
  AlignedBuffer keys, values;
};

// Queries first .. first + n_keys.size() - 1 of c in one call, the positions in parts.
std::vector<float> run(const KernelTable& table, const Type& type, Blocks& blocks, const Case& c,
                       std::int64_t first, const std::vector<std::int64_t>& n_keys, float scale) {
  const FixedAttention& fixed = table.fixed;
  const auto count = static_cast<std::int64_t>(n_keys.size());
  const std::int64_t stride = 2 * blocks.layout.pairs;
  const std::int64_t floats = attention_part_floats(c.dim);
  std::vector<std::int16_t> codes(static_cast<std::size_t>(count * stride));
  std::vector<float> scales(n_keys.size());
  std::vector<float> totals(static_cast<std::size_t>(count * floats));
  std::vector<float> parts(totals.size());
  AlignedBuffer scratch(fixed.scratch_bytes() + 64);
  std::fill(scratch.bytes().begin(), scratch.bytes().end(), std::byte{0xff});
  for (std::int64_t i = 0; i < count; ++i)
    scales[static_cast<std::size_t>(i)] =
        (fixed.*type.kernels)
            .round_query(codes.data() + i * stride, c.q.data() + (first + i) * c.dim, c.dim, scale);
  for (std::int64_t begin = 0; begin < n_keys.back(); begin += kAttentionPart) {
    (fixed.*type.kernels)
        .attend({codes.data(), stride, scales.data(), n_keys.data(), count},
                {blocks.keys.data(), blocks.values.data(), begin, begin + kAttentionPart},
                begin == 0 ? totals.data() : parts.data(), c.dim, scratch.data());
    for (std::int64_t i = 0; begin > 0 && i < count; ++i)
      if (n_keys[static_cast<std::size_t>(i)] > begin)
        fixed.fold(totals.data() + i * floats, parts.data() + i * floats, c.dim);
  }
  for (std::size_t i = fixed.scratch_bytes(); i < scratch.size(); ++i)
    EXPECT_EQ(scratch.data()[i], std::byte{0xff}) << "scratch overrun";
  Guarded out(count * c.dim);
  for (std::int64_t i = 0; i < count; ++i)
    (fixed.*type.kernels).finish(out.data() + i * c.dim, totals.data() + i * floats, c.dim);
  out.expect_untouched(table.name);
  return {out.data(), out.data() + count * c.dim};
}

// softmax(scores) . values over n keys in double precision.
template <class Score, class Value>
std::vector<double> reference(std::int64_t n, std::int64_t dim, const Score& score, const Value& value) {
  std::vector<double> scores;
  for (std::int64_t i = 0; i < n; ++i) scores.push_back(score(i));
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  std::vector<double> out(static_cast<std::size_t>(dim));
  for (std::int64_t i = 0; i < n; ++i) {
    const double e = std::exp(scores[static_cast<std::size_t>(i)] - largest);
    total += e;
    for (std::int64_t d = 0; d < dim; ++d) out[static_cast<std::size_t>(d)] += e * value(i, d);
  }
  for (double& x : out) x /= total;
  return out;
}

TEST(FixedAttention, rounds_rows_to_the_nearest_code) {
  for (const KernelTable* table : supported_tables())
    for (const Type& type : kTypes)
      for (const std::int64_t dim : {1, 7, 64, 72, 128, 200}) {
        const Case c(70, dim, 1, 5);
        Blocks blocks(*table, type, c);
        for (std::int64_t i = 0; i < c.n; ++i) {
          const std::vector<double> k = turned_row(type, c.k, i, dim);
          const std::vector<double> v = turned_row(type, c.v, i, dim);
          for (std::int64_t d = 0; d < dim; ++d) {
            const auto at = static_cast<std::size_t>(d);
            // Half a step, and the roundings of the row, of the scale and of the product.
            ASSERT_NEAR(blocks.key(i, d), k[at], blocks.key_scale(i) * (0.5 + 4095 * 4e-7)) << table->name;
            ASSERT_NEAR(blocks.value(i, d), v[at], blocks.value_scale(i) * (0.5 + 4095 * 4e-7))
                << table->name;
          }
        }
      }
}

TEST(FixedAttention, equals_the_double_precision_loop_over_the_same_codes) {
  for (const KernelTable* table : supported_tables())
    for (const Type& type : kTypes)
      for (const std::int64_t dim : {1, 7, 40, 64, 72, 128, 136}) {
        if (emulated() && dim != 40 && dim != 128) continue;
        const std::vector<std::int64_t> n_keys = {1,   2,   15,  16,  17,  63,  64,  65,  130,
                                                  200, 511, 512, 513, 600, 640, 641, 1100};
        const Case c(1100, dim, static_cast<std::int64_t>(n_keys.size()), static_cast<unsigned>(dim));
        const float scale = 1 / std::sqrt(static_cast<float>(dim));
        Blocks blocks(*table, type, c);
        const std::vector<float> found = run(*table, type, blocks, c, 0, n_keys, scale);
        for (std::size_t i = 0; i < n_keys.size(); ++i) {
          std::vector<std::int16_t> q(static_cast<std::size_t>(2 * blocks.layout.pairs));
          const double q_scale =
              (table->fixed.*type.kernels)
                  .round_query(q.data(), c.q.data() + static_cast<std::int64_t>(i) * dim, dim, scale);
          double most_score = 0;
          const auto score = [&](std::int64_t key) {
            double sum = 0;
            for (std::int64_t d = 0; d < dim; ++d) sum += q[static_cast<std::size_t>(d)] * blocks.key(key, d);
            most_score = std::max(most_score, std::abs(sum * q_scale));
            return sum * q_scale * std::log(2.0);
          };
          const std::vector<double> expected =
              turned(type, reference(n_keys[i], dim, score,
                                     [&](std::int64_t key, std::int64_t d) { return blocks.value(key, d); }));
          // Of the largest value: weights are rounded by half of 1/8191 of the largest one of their block,
          // and at worst all of them are as large and wrong the same way; exponents carry a sum below 2^31 in
          // 24 bits and three more roundings, exponentials 3e-6, in the sums above and below.
          double most_value = 0;
          for (std::int64_t key = 0; key < n_keys[i]; ++key)
            most_value = std::max(most_value, blocks.value_scale(key) * static_cast<double>(type.codes.most));
          double total = 0;
          double largest_score = -1e30;
          for (std::int64_t key = 0; key < n_keys[i]; ++key)
            largest_score = std::max(largest_score, score(key));
          for (std::int64_t key = 0; key < n_keys[i]; ++key) total += std::exp(score(key) - largest_score);
          const double weights = 0.5 / kMostWeight * static_cast<double>(n_keys[i]) / total;
          const double back = type.codes.turned ? std::sqrt(static_cast<double>(dim & -dim)) : 1;
          const double bound = back * most_value * (weights + 2 * (4 * most_score * 0x1p-24 + 3e-6 + 1e-6));
          for (std::int64_t d = 0; d < dim; ++d)
            ASSERT_NEAR(found[i * static_cast<std::size_t>(dim) + static_cast<std::size_t>(d)],
                        expected[static_cast<std::size_t>(d)], bound)
                << table->name << " " << type.name << " dim " << dim << " keys " << n_keys[i];
        }
      }
}

TEST(FixedAttention, of_a_query_does_not_depend_on_its_company) {
  for (const KernelTable* table : supported_tables())
    for (const Type& type : kTypes)
      for (const std::int64_t dim : {64, 72}) {
        const Case c(700, dim, kFixedTile, 21);
        Blocks blocks(*table, type, c);
        std::vector<std::int64_t> n_keys;
        for (std::int64_t i = 0; i < kFixedTile; ++i) n_keys.push_back(1 + i * 14);
        std::vector<float> single;
        for (std::int64_t i = 0; i < kFixedTile; ++i) {
          const auto one = run(*table, type, blocks, c, i, {n_keys[static_cast<std::size_t>(i)]}, 0.2F);
          single.insert(single.end(), one.begin(), one.end());
        }
        for (const std::int64_t count : {2, 3, 5, 6, 7, 13, 31, 47, 48}) {
          const std::vector<float> together =
              run(*table, type, blocks, c, 0,
                  std::vector<std::int64_t>(n_keys.begin(), n_keys.begin() + count), 0.2F);
          for (std::size_t i = 0; i < together.size(); ++i)
            ASSERT_EQ(together[i], single[i])
                << table->name << " " << type.name << " dim " << dim << " of " << count;
        }
      }
}

// Scores that grow from block to block, and so far apart that all but one key vanish: the value of the key
// with the largest score is what comes out.
TEST(FixedAttention, keeps_its_running_maximum) {
  for (const KernelTable* table : supported_tables())
    for (const Type& type : kTypes)
      for (const double step : {50.0, -50.0}) {
        Case c(600, 16, 1, 30);
        std::fill(c.q.begin(), c.q.end(), 1.0F);
        for (std::int64_t i = 0; i < c.n; ++i)
          for (std::int64_t d = 0; d < c.dim; ++d)
            c.k[static_cast<std::size_t>(i * c.dim + d)] = static_cast<float>(step * static_cast<double>(i));
        Blocks blocks(*table, type, c);
        const std::vector<float> found = run(*table, type, blocks, c, 0, {c.n}, 1);
        std::vector<double> wanted;
        for (std::int64_t d = 0; d < c.dim; ++d) wanted.push_back(blocks.value(step > 0 ? c.n - 1 : 0, d));
        wanted = turned(type, wanted);
        for (std::int64_t d = 0; d < c.dim; ++d)
          ASSERT_NEAR(found[static_cast<std::size_t>(d)], wanted[static_cast<std::size_t>(d)], 1e-5)
              << table->name;
      }
}

TEST(FixedAttention, of_what_is_not_a_number_is_not_a_number) {
  for (const KernelTable* table : supported_tables())
    for (const Type& type : kTypes)
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
        for (const int which : {0, 1, 2}) {
          Case c(100, 24, 1, 3);
          std::vector<float>& row = which == 0 ? c.k : which == 1 ? c.v : c.q;
          row[5] = bad;
          Blocks blocks(*table, type, c);
          EXPECT_TRUE(std::isnan(run(*table, type, blocks, c, 0, {c.n}, 0.2F)[0])) << table->name << which;
        }
}

// Against the unrounded rows: sixteen bits are nearer than rows rounded to bf16, with nothing else rounded.
TEST(FixedAttention, is_nearer_than_bf16) {
  for (const KernelTable* table : supported_tables())
    for (const std::int64_t dim : {64, 72, 128}) {
      const Case c(1000, dim, 8, 40);
      const auto bf16 = [](float x) { return static_cast<double>(bf16_to_f32(f32_to_bf16(x))); };
      const float scale = 1 / std::sqrt(static_cast<float>(dim));
      double errors[4] = {};  // rms of 16, 8 and 4 bits, and of bf16
      for (std::int64_t i = 0; i < c.count; ++i) {
        const auto exact = [&](const auto& to) {
          return reference(
              c.n, dim,
              [&](std::int64_t key) {
                double sum = 0;
                for (std::int64_t d = 0; d < dim; ++d)
                  sum += to(c.q[static_cast<std::size_t>(i * dim + d)]) *
                         to(c.k[static_cast<std::size_t>(key * dim + d)]);
                return sum * scale;
              },
              [&](std::int64_t key, std::int64_t d) {
                return to(c.v[static_cast<std::size_t>(key * dim + d)]);
              });
        };
        const std::vector<double> wanted = exact([](float x) { return static_cast<double>(x); });
        const std::vector<double> rounded = exact(bf16);
        for (std::size_t d = 0; d < wanted.size(); ++d) errors[3] += std::pow(rounded[d] - wanted[d], 2);
        for (const int t : {0, 1, 2}) {
          Blocks blocks(*table, kTypes[t], c);
          const std::vector<float> found = run(*table, kTypes[t], blocks, c, i, {c.n}, scale);
          for (std::size_t d = 0; d < wanted.size(); ++d) errors[t] += std::pow(found[d] - wanted[d], 2);
        }
      }
      for (double& e : errors) e = std::sqrt(e / static_cast<double>(c.count * dim));
      std::cout << table->name << " dim " << dim << ": rms error of 16 bits " << errors[0] << ", 8 bits "
                << errors[1] << ", 4 bits " << errors[2] << ", rows in bf16 " << errors[3] << "\n";
      EXPECT_LT(errors[0], errors[3] / 2) << table->name;
    }
}

}  // namespace
}  // namespace core
