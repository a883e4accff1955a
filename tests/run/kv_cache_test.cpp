// Tokens of a cache that move: as if they had been written where they are now.
#include "src/run/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "ggml-like-core/kernels/select.h"
#include "ggml-like-core/quant/kv_block.h"
#include "src/model/rope.h"

namespace {

using core::DType;
using tarsier::KvCache;
using tarsier::Place;
using tarsier::TextConfig;
using tarsier::TextRope;

constexpr int kFrom = 47;
constexpr int kTo = 10;
constexpr int kCount = 118;  // up to the end of a block
constexpr int kStep = 1000;  // by which positions become smaller

struct Rows {
  std::vector<float> keys, values;  // [token][layer][head][head_dim], keys not rotated
};

std::vector<float> rotated(const TextConfig& c, const TextRope& rope, const float* x, const Place& at) {
  const auto n = static_cast<std::size_t>(c.head_dim);
  std::vector<float> cos(n);
  std::vector<float> sin(n);
  rope.table(cos.data(), sin.data(), at[0], at[1], at[2]);
  std::vector<float> out(n);
  for (std::size_t f = 0; f < n / 2; ++f) {
    const std::size_t a = c.rope_pairs ? 2 * f : f;
    const std::size_t b = c.rope_pairs ? 2 * f + 1 : f + n / 2;
    out[a] = static_cast<float>(double{x[a]} * cos[f] - double{x[b]} * sin[f]);
    out[b] = static_cast<float>(double{x[b]} * cos[f] + double{x[a]} * sin[f]);
  }
  return out;
}

void write(const KvCache& cache, const TextConfig& c, DType dtype, int layer, int head, int position,
           const float* key, const float* value) {
  const core::KvView view = cache.view(0);
  const core::KvHeadBytes bytes = core::kv_head_bytes(dtype, c.head_dim, cache.capacity());
  std::byte* keys =
      view.layers[static_cast<std::size_t>(layer)].keys + static_cast<std::size_t>(head) * bytes.keys;
  std::byte* values =
      view.layers[static_cast<std::size_t>(layer)].values + static_cast<std::size_t>(head) * bytes.values;
  const core::KvCodes* codes = core::kv_codes(dtype);
  if (codes == nullptr) {
    const std::size_t row = static_cast<std::size_t>(c.head_dim) * sizeof(float);
    std::memcpy(keys + static_cast<std::size_t>(position) * row, key, row);
    std::memcpy(values + static_cast<std::size_t>(position) * row, value, row);
    return;
  }
  const core::KvBlockLayout layout = core::kv_block_layout(*codes, c.head_dim);
  const auto block = static_cast<std::size_t>(position / core::kKvBlock);
  core::selected_table().fixed.of(*codes).store(keys + block * layout.key_bytes,
                                                values + block * layout.value_bytes,
                                                position % core::kKvBlock, key, value, c.head_dim);
}

// The largest number of a row as this type rounds it, over its largest code.
double step_of(const core::KvCodes& codes, const std::vector<float>& row) {
  const std::size_t n = row.size();
  const std::size_t block = codes.turned ? n & -n : 1;
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t j = i / block * block; j < i / block * block + block; ++j)
      sum += row[j] / std::sqrt(static_cast<double>(block)) *
             (std::popcount(i % block & j % block) % 2 == 0 ? 1 : -1);
    largest = std::max(largest, std::abs(sum));
  }
  return largest / static_cast<double>(codes.most);
}

void expect_moved(DType dtype, int head_dim, bool pairs) {
  TextConfig c;
  c.num_hidden_layers = 2;
  c.num_key_value_heads = 2;
  c.head_dim = head_dim;
  c.rope_pairs = pairs;
  c.mrope_section = {head_dim / 2 - 2 * (head_dim / 6), head_dim / 6, head_dim / 6};
  const TextRope rope(5e6, head_dim, c.mrope_section);
  const int n = kFrom + kCount;
  KvCache moved(c, 200, dtype);
  KvCache wanted(c, 200, dtype);
  std::mt19937 random(static_cast<unsigned>(head_dim));
  std::normal_distribution<float> normal;
  const auto dim = static_cast<std::size_t>(head_dim);
  std::vector<float> key(dim);
  std::vector<float> value(dim);
  std::vector<float> cos;
  std::vector<float> sin;
  std::vector<std::vector<float>> rows;  // rotated for their new places, of the tokens that move
  for (int i = 0; i < n; ++i) {
    const auto axis = [&] { return 7000 + i + static_cast<int>(random() % 30); };
    const Place from{axis(), axis(), axis()};
    const Place to{from[0] - kStep, from[1] - kStep, from[2] - kStep};
    const bool moves = i >= kFrom;
    if (moves) {
      cos.resize(cos.size() + dim);
      sin.resize(sin.size() + dim);
      rope.between(&cos[cos.size() - dim], &sin[sin.size() - dim], from, to);
    }
    for (int layer = 0; layer < c.num_hidden_layers; ++layer)
      for (int head = 0; head < c.num_key_value_heads; ++head) {
        for (std::size_t d = 0; d < dim; ++d) {
          key[d] = normal(random);
          value[d] = normal(random);
        }
        const std::vector<float> old = rotated(c, rope, key.data(), from);
        write(moved, c, dtype, layer, head, i, old.data(), value.data());
        if (i < kTo) write(wanted, c, dtype, layer, head, i, old.data(), value.data());
        if (!moves) continue;
        rows.push_back(rotated(c, rope, key.data(), to));
        write(wanted, c, dtype, layer, head, i - kFrom + kTo, rows.back().data(), value.data());
      }
  }
  const core::KernelTable& table = core::selected_table();
  moved.move(table, kFrom, kTo, kCount, cos, sin);

  const auto found_parts = moved.used(kTo + kCount);
  const auto wanted_parts = wanted.used(kTo + kCount);
  const auto heads = static_cast<std::size_t>(c.num_key_value_heads);
  for (std::size_t part = 0; part < found_parts.size(); ++part) {
    if (part / heads % 2 == 1) {  // values, of the heads of a layer behind its keys
      EXPECT_TRUE(std::equal(found_parts[part].begin(), found_parts[part].end(), wanted_parts[part].begin()));
    }
  }
  std::vector<float> found(dim);
  std::vector<float> expected(dim);
  for (int i = 0; i < kTo + kCount; ++i)
    for (int layer = 0; layer < c.num_hidden_layers; ++layer)
      for (int head = 0; head < c.num_key_value_heads; ++head) {
        moved.read_key(table, layer, head, i, found.data());
        wanted.read_key(table, layer, head, i, expected.data());
        if (i < kTo) {
          EXPECT_EQ(found, expected);
          continue;
        }
        const auto& row = rows[static_cast<std::size_t>(
            ((i - kTo) * c.num_hidden_layers + layer) * c.num_key_value_heads + head)];
        double squares = 0;
        double most = 0;
        for (std::size_t d = 0; d < dim; ++d) {
          const double error = std::abs(found[d] - expected[d]);
          squares += error * error;
          most = std::max(most, error);
        }
        if (const core::KvCodes* codes = core::kv_codes(dtype); codes == nullptr) {
          EXPECT_LT(most, 1e-5);
        } else {
          // Three roundings of half a step each: two of the key that moved, one of the other. A rotation
          // keeps their sum of squares, and makes the one before it at most sqrt(2) as large in a dimension.
          const double step = step_of(*codes, row);
          const double slack = 1 + 1.5 / static_cast<double>(codes->most) * 2;  // of the steps of the others
          EXPECT_LE(std::sqrt(squares / static_cast<double>(dim)), 1.5 * step * slack);
          if (!codes->turned) {
            EXPECT_LE(most, (1 + std::sqrt(0.5)) * step * slack);
          }
        }
      }
}

TEST(KvCache, a_moved_token_is_what_would_have_been_written_there) {
  for (const DType dtype : {DType::f32, DType::f16, DType::q8_0, DType::q4_0})
    for (const int head_dim : {128, 24})
      for (const bool pairs : {false, true}) {
        SCOPED_TRACE(std::string(core::info(dtype).name) + " " + std::to_string(head_dim) +
                     (pairs ? " pairs" : ""));
        expect_moved(dtype, head_dim, pairs);
      }
}

}  // namespace
