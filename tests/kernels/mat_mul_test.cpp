// Matrix products and conversions of every table and format.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/kernels/tables.h"
#include "tests/shapes.h"

namespace core {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon() / 2;

// Row lengths for a format: tails around every vector length, or whole blocks around the depth of a strip.
std::vector<std::int64_t> lengths(const FormatInfo& f) {
  std::vector<std::int64_t> k;
  if (f.block_len == 1) {
    for (std::int64_t n = 1; n <= 35; ++n) k.push_back(n);
    k.insert(k.end(), {47, 63, 64, 65, 96, 127, 128, 129, 257});
  } else if (f.block_len == 32) {
    k = {32, 64, 96, 480, 512, 544, 2048, 2080};
  } else {
    k = {256, 512, 768, 2048, 2304};
  }
  return k;
}

struct Sum {
  double value = 0;
  double magnitude = 0;  // of all products together, before signs cancel
  double fixed = 0;      // what rounding to 16-bit fixed point may cost
};

// Whether the table multiplies this format in 16-bit fixed point (fixed_mat.inl).
bool is_fixed(const KernelTable& table, const FormatInfo& f) {
  return f.block_len == 1 && table.mat[*format_index(f.dtype)].activation_bytes(256) < 256 * sizeof(float);
}

Sum reference(const Weights& w, const Activations& x, std::int64_t r, std::int64_t t) {
  Sum sum;
  const bool plain = info(w.dtype).block_len == 1;
  for (std::int64_t begin = 0; begin < w.k; begin += 32) {
    double most_w = 0;
    double total_x = 0;
    for (std::int64_t i = begin; i < std::min(begin + 32, w.k); ++i) {
      const double a = w.values[static_cast<std::size_t>(r * w.k + i)];
      const double b = x.values[static_cast<std::size_t>(t * w.k + i)];
      sum.value += a * b;
      if (plain) sum.magnitude += std::abs(a * b);
      most_w = std::max(most_w, std::abs(a));
      total_x += std::abs(b);
    }
    // scale * code and minimum are summed apart. The minimum is a weight of the group (code 0), so neither is
    // over 2 max|w|.
    if (!plain) sum.magnitude += 3 * most_w * total_x;
  }
  // Weights are rounded to steps of at most 1/2048 of the largest of a group, activations to 1/4095.
  constexpr std::int64_t kGroup = 128;
  for (std::int64_t begin = 0; begin < w.k; begin += kGroup) {
    double most[2] = {};
    double total[2] = {};
    for (std::int64_t i = begin; i < std::min(begin + kGroup, w.k); ++i) {
      const double pair[2] = {std::abs(double{w.values[static_cast<std::size_t>(r * w.k + i)]}),
                              std::abs(x.values[static_cast<std::size_t>(t * w.k + i)])};
      for (const int side : {0, 1}) {
        most[side] = std::max(most[side], pair[side]);
        total[side] += pair[side];
      }
    }
    sum.fixed += most[0] / 4096 * (total[1] + kGroup * most[1] / 8190) + most[1] / 8190 * total[0];
  }
  return sum;
}

// Every partial sum is at most the magnitude and is rounded at most twice a step. A step is one product for
// plain formats, and one group, of 16 weights at least, for the others, whose sums of integers are exact; 8
// more for the lanes, the weights themselves (three roundings) and the activation's scale.
double bound(const KernelTable& table, const Sum& s, const FormatInfo& f, std::int64_t k) {
  const auto steps = static_cast<double>(f.block_len == 1 ? k : 2 * k / 16);
  return kEps * (2 * steps + 8) * s.magnitude + (is_fixed(table, f) ? s.fixed : 0) + 1e-37;
}

struct Product {
  Product(const KernelTable& table, const Weights& w, Activations& x, std::int64_t rows, std::int64_t tokens)
      : stride(rows + 3), out(tokens * stride) {
    table.mat[*format_index(w.dtype)].mat_mul(out.data(), stride, w.data(), w.stride, rows, x.at(0), x.stride,
                                              tokens, w.k);
    out.expect_untouched(table.name);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t r = rows; r < stride; ++r)
        EXPECT_EQ(out[t * stride + r], Guarded::kCanary)
            << table.name << ": written beside a row of the output";
  }
  std::int64_t stride;
  Guarded out;
};

TEST(MatMul, equals_the_double_precision_loop_for_every_format_and_tail) {
  for (const KernelTable* table : supported_tables())
    for (const FormatInfo& f : kFormats)
      for (const std::int64_t k : lengths(f)) {
        constexpr std::int64_t kRows = 5;
        constexpr std::int64_t kTokens = 13;
        const Weights w(f.dtype, kRows, k, static_cast<unsigned>(k));
        Activations x(*table, f.dtype, kTokens, k, random_floats(kTokens * k, 77));
        const Product product(*table, w, x, kRows, kTokens);
        for (std::int64_t t = 0; t < kTokens; ++t)
          for (std::int64_t r = 0; r < kRows; ++r) {
            const Sum expected = reference(w, x, r, t);
            ASSERT_NEAR(product.out[t * product.stride + r], expected.value, bound(*table, expected, f, k))
                << table->name << " " << f.name << " k " << k << " row " << r << " token " << t;
          }
      }
}

// The promise that makes chunked prompts equal whole ones, and threads invisible.
TEST(MatMul, of_any_number_of_rows_and_tokens_equals_one_by_one_bit_for_bit) {
  for (const KernelTable* table : supported_tables())
    for (const FormatInfo& f : kFormats) {
      const std::int64_t k = f.block_len == 1 ? 1100 : 2304;  // more than one depth of strips
      const std::int64_t most_rows = emulated() ? 9 : 134;
      constexpr std::int64_t kTokens = 29;
      const Weights w(f.dtype, most_rows, k, 5);
      Activations x(*table, f.dtype, kTokens, k, random_floats(kTokens * k, 6));
      std::vector<float> single(static_cast<std::size_t>(most_rows * kTokens));
      const MatKernels& mat = table->mat[*format_index(f.dtype)];
      for (std::int64_t t = 0; t < kTokens; ++t)
        for (std::int64_t r = 0; r < most_rows; ++r)
          mat.mat_mul(&single[static_cast<std::size_t>(t * most_rows + r)], 1,
                      w.data() + static_cast<std::size_t>(r) * w.stride, w.stride, 1, x.at(t), x.stride, 1,
                      k);
      for (const std::int64_t rows : {std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, std::int64_t{3},
                                      std::int64_t{4}, std::int64_t{5}, most_rows})
        for (std::int64_t tokens = 0; tokens <= kTokens; tokens += tokens < 13 ? 1 : 4) {
          const Product product(*table, w, x, rows, tokens);
          for (std::int64_t t = 0; t < tokens; ++t)
            for (std::int64_t r = 0; r < rows; ++r)
              ASSERT_EQ(product.out[t * product.stride + r],
                        single[static_cast<std::size_t>(t * most_rows + r)])
                  << table->name << " " << f.name << " " << rows << " x " << tokens << " at " << r << ", "
                  << t;
        }
    }
}

// The depths and widths of the model, which are cut into strips; rows and tokens are cut short.
TEST(MatMul, equals_the_double_precision_loop_on_the_shapes_of_the_model) {
  for (const KernelTable* table : supported_tables())
    for (const FormatInfo& f : kFormats)
      for (const MatShape s : kModelShapes) {
        const std::int64_t rows = std::min<std::int64_t>(s.rows, emulated() ? 5 : 83);
        const std::int64_t tokens = std::min<std::int64_t>(s.tokens, 17);
        const Weights w(f.dtype, rows, s.k, 11);
        Activations x(*table, f.dtype, tokens, s.k, random_floats(tokens * s.k, 12));
        const Product product(*table, w, x, rows, tokens);
        for (std::int64_t i = 0; i < 40; ++i) {
          const std::int64_t r = i * 31 % rows;
          const std::int64_t t = i * 17 % tokens;
          const Sum expected = reference(w, x, r, t);
          ASSERT_NEAR(product.out[t * product.stride + r], expected.value, bound(*table, expected, f, s.k))
              << table->name << " " << f.name << " k " << s.k << " row " << r << " token " << t;
        }
      }
}

// All codes and scales at their extremes: catches 16-bit sums that saturate.
TEST(MatMul, survives_extreme_codes) {
  for (const KernelTable* table : supported_tables())
    for (const FormatInfo& f : kFormats) {
      if (f.block_len == 1) continue;
      constexpr std::int64_t kLength = 512;
      for (const int byte : {0x00, 0xff, 0x7f, 0x80, 0x0f, 0xf0})
        for (const float activation : {1.0F, -1.0F}) {
          Weights w(f.dtype, 1, kLength, 1);
          std::fill(w.bytes.begin(), w.bytes.end(), static_cast<std::byte>(byte));
          visit(f.dtype, [&]<class Q>() {
            for (std::size_t b = 0; b < kLength / Q::block_len; ++b) {
              typename Q::Block block;
              std::memcpy(&block, w.at(0) + b * sizeof block, sizeof block);
              set_scales(block, 1);
              std::memcpy(w.at(0) + b * sizeof block, &block, sizeof block);
            }
          });
          dequantize_row(w.values, f.dtype, w.at(0));
          Activations x(*table, f.dtype, 1, kLength, std::vector<float>(kLength, activation));
          const Product product(*table, w, x, 1, 1);
          const Sum expected = reference(w, x, 0, 0);
          // The activation is 127 / 127: scale rounded once.
          ASSERT_NEAR(product.out[0], expected.value, bound(*table, expected, f, kLength))
              << table->name << " " << f.name << " byte " << byte << " activation " << activation;
        }
    }
}

TEST(Activation, is_the_nearest_of_255_levels_and_the_same_in_every_table) {
  std::vector<float> x = random_floats(512, 3);
  for (std::size_t i = 32; i < 64; ++i) x[i] = 0;
  for (std::size_t i = 64; i < 96; ++i) x[i] = i % 2 == 0 ? 1.0F : -1.0F;
  for (std::size_t i = 96; i < 128; ++i) x[i] *= 1e-38F;
  for (std::size_t i = 128; i < 160; ++i) x[i] *= 1e37F;
  for (const FormatInfo& f : kFormats) {
    if (f.block_len == 1) continue;
    for (const KernelTable* table : supported_tables()) {
      Activations a(*table, f.dtype, 1, 512, x);
      Activations scalar(kernels_scalar, f.dtype, 1, 512, x);
      EXPECT_EQ(a.values, scalar.values) << table->name << " " << f.name;
      const auto step = static_cast<std::size_t>(f.block_len);
      for (std::size_t i = 0; i < 512; ++i) {
        const auto byte = std::to_integer<unsigned>(a.at(0)[i]);
        ASSERT_NE(byte, 0x80U);  // -128: a kernel may negate what it finds
        float largest = 0;
        for (std::size_t j = i / step * step; j < i / step * step + step; ++j)
          largest = std::max(largest, std::abs(x[j]));
        ASSERT_NEAR(a.values[i], x[i], std::max(largest / 254.0 * (1 + 512 * kEps), 2e-30))
            << f.name << " " << i;
      }
    }
  }
}

TEST(Activation, of_float_formats_is_the_row_itself_or_the_nearest_of_8191_levels) {
  std::vector<float> x = random_floats(131, 8);
  for (std::size_t i = 128; i < 131; ++i) x[i] *= 1e-38F;
  for (const KernelTable* table : supported_tables())
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      Activations a(*table, dtype, 1, 131, x);
      if (!is_fixed(*table, info(dtype))) {
        std::vector<float> found(131);
        std::memcpy(found.data(), a.at(0), 131 * sizeof(float));
        EXPECT_EQ(found, x) << table->name;
        continue;
      }
      constexpr std::size_t kGroup = 128;
      for (std::size_t group = 0; group < 2 * kGroup; group += kGroup) {
        float scale = 0;
        std::memcpy(&scale, a.at(0) + 2 * kGroup * sizeof(std::int16_t) + group / kGroup * sizeof scale,
                    sizeof scale);
        float largest = 0;
        for (std::size_t i = group; i < std::min<std::size_t>(group + kGroup, 131); ++i)
          largest = std::max(largest, std::abs(x[i]));
        for (std::size_t i = group; i < group + kGroup; ++i) {
          std::int16_t q = 0;
          std::memcpy(&q, a.at(0) + i * sizeof q, sizeof q);
          ASSERT_LE(std::abs(q), 4095) << table->name;
          ASSERT_NEAR(static_cast<double>(scale) * q, i < x.size() ? x[i] : 0.0F,
                      std::max(largest / 8190.0 * (1 + 8192 * kEps), 2e-30))
              << table->name << " " << i;
        }
      }
    }
}

// All weights and activations at the most that their integers hold: catches sums that do not fit.
TEST(MatMul, of_fixed_point_survives_extremes) {
  for (const KernelTable* table : supported_tables())
    for (const DType dtype : {DType::f16, DType::bf16})
      for (const float sign : {1.0F, -1.0F}) {
        constexpr std::int64_t kLength = 384;
        Weights w(dtype, 3, kLength, 1);
        std::fill(w.values.begin(), w.values.end(), dtype == DType::f16 ? 65504.0F : 0x1.fep+3F);
        for (std::int64_t r = 0; r < w.rows; ++r)
          quantize_row(w.at(r), dtype,
                       std::span(w.values).subspan(static_cast<std::size_t>(r * w.k), kLength));
        Activations x(*table, dtype, 9, kLength, std::vector<float>(9 * kLength, sign * 1.5F));
        const Product product(*table, w, x, 3, 9);
        const Sum expected = reference(w, x, 0, 0);
        for (std::int64_t t = 0; t < 9; ++t)
          for (std::int64_t r = 0; r < 3; ++r)
            ASSERT_NEAR(product.out[t * product.stride + r], expected.value,
                        bound(*table, expected, info(dtype), kLength))
                << table->name << " " << info(dtype).name;
      }
}

TEST(DequantizeRow, equals_the_reference_bit_for_bit) {
  for (const KernelTable* table : supported_tables())
    for (const FormatInfo& f : kFormats)
      for (const std::int64_t k : lengths(f)) {
        const Weights w(f.dtype, 1, k, 2);
        Guarded out(k);
        table->mat[*format_index(f.dtype)].dequantize_row(out.data(), w.data() - w.stride, w.stride, 1, k);
        out.expect_untouched(table->name);
        for (std::int64_t i = 0; i < k; ++i)
          ASSERT_EQ(out[i], w.values[static_cast<std::size_t>(i)])
              << table->name << " " << f.name << " " << i;
      }
}

// Tiles hold the same rows: the same numbers, whatever the tile of the product.
TEST(TiledMatMul, equals_the_product_of_rows_bit_for_bit) {
  for (const KernelTable* table : supported_tables())
    for (const FormatInfo& f : kStoredFormats) {
      if (!f.is_tiled()) continue;
      // More than one depth of strips, and a part of one; of floats also a part of a group.
      const std::int64_t k = std::int64_t{9} * 256 + (f.is_float ? 54 : 0);
      const std::int64_t rows = emulated() ? 16 : 80;
      const std::size_t stride = row_bytes(f.row, k);
      std::vector<std::byte> plain(static_cast<std::size_t>(rows) * stride);
      for (std::int64_t r = 0; r < rows; ++r)
        quantize_row(plain.data() + static_cast<std::size_t>(r) * stride, f.row,
                     random_floats(k, 100 + static_cast<unsigned>(r)));
      std::vector<std::byte> tiles(plain.size());
      rows_to_tiles(tiles, plain, f.dtype, k);
      const MatKernels& of_rows = table->mat[*format_index(f.row)];
      const MatKernels& of_tiles = table->mat[*format_index(f.dtype)];
      ASSERT_EQ(of_rows.activation_bytes(k), of_tiles.activation_bytes(k));
      for (const std::int64_t tokens :
           {std::int64_t{1}, std::int64_t{2}, std::int64_t{7}, std::int64_t{13}}) {
        Activations x(*table, f.row, tokens, k, random_floats(tokens * k, 9));
        for (const std::int64_t first : {std::int64_t{0}, rows - 16}) {
          const std::int64_t n = rows - first;
          Guarded expected(tokens * n);
          Guarded found(tokens * n);
          const auto at = static_cast<std::size_t>(first) * stride;
          of_rows.mat_mul(expected.data(), n, plain.data() + at, stride, n, x.at(0), x.stride, tokens, k);
          of_tiles.mat_mul(found.data(), n, tiles.data() + at, stride, n, x.at(0), x.stride, tokens, k);
          found.expect_untouched(table->name);
          for (std::int64_t i = 0; i < tokens * n; ++i)
            ASSERT_EQ(found[i], expected[i])
                << table->name << " " << f.name << " " << tokens << " tokens, at " << i;
        }
      }
      for (std::int64_t r = 0; r < rows; r += 7) {
        std::vector<float> expected(static_cast<std::size_t>(k));
        Guarded found(k);
        dequantize_row(expected, f.row, plain.data() + static_cast<std::size_t>(r) * stride);
        of_tiles.dequantize_row(found.data(), tiles.data(), stride, r, k);
        found.expect_untouched(table->name);
        for (std::int64_t i = 0; i < k; ++i)
          ASSERT_EQ(found[i], expected[static_cast<std::size_t>(i)]) << f.name;
      }
    }
}

}  // namespace
}  // namespace core
