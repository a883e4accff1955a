// The definition of the formats against bytes and weights computed elsewhere, and the quantizers against
// bounds.
#include "ggml-like-core/quant/reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/format_rows.h"

namespace core {
namespace {

std::vector<char> file(const std::string& name) {
  std::ifstream in(std::string(TARSIER_TEST_DATA "/formats-gguf/") + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<float> round_trip(DType dtype, const std::vector<float>& x) {
  std::vector<std::byte> row(row_bytes(dtype, static_cast<std::int64_t>(x.size())));
  quantize_row(row.data(), dtype, x);
  std::vector<float> back(x.size());
  dequantize_row(back, dtype, row.data());
  return back;
}

std::vector<FormatInfo> written_formats() {
  std::vector<FormatInfo> written;
  std::copy_if(kFormats.begin(), kFormats.end(), std::back_inserter(written),
               [](const FormatInfo& f) { return f.writable; });
  return written;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return sum;
}

std::vector<float> random_row(std::size_t n, unsigned seed, const std::function<float(float)>& shape) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = shape(normal(rng));
  return x;
}

// tests/data/formats-gguf: blocks of fixed bytes, and their weights by the gguf package.
TEST(Reference, decodes_fixed_bytes_to_the_weights_that_gguf_gives) {
  for (const FormatInfo& f : kFormats) {
    if (f.dtype == DType::f32) continue;  // bytes are values
    if (f.is_own()) continue;             // the next test
    const std::vector<char> blocks = file(std::string(f.name) + ".blocks");
    const std::vector<char> weights = file(std::string(f.name) + ".weights");
    const std::size_t n = weights.size() / sizeof(float);
    ASSERT_GE(n, 256U) << f.name;
    ASSERT_EQ(row_bytes(f.dtype, static_cast<std::int64_t>(n)), blocks.size());
    std::vector<float> expected(n);
    std::copy_n(weights.data(), weights.size(), reinterpret_cast<char*>(expected.data()));
    std::vector<float> found(n);
    dequantize_row(found, f.dtype, blocks.data());
    EXPECT_EQ(found, expected) << f.name;
  }
}

// Weight i of a block of bytes, as gguf-spec.md says it.
double weight_of_own(DType dtype, const std::uint8_t* b, std::size_t i) {
  const auto nibble = [b](std::size_t at, std::size_t n) { return (b[at + n / 2] >> (4 * (n % 2))) & 15; };
  const std::size_t g = i / 32;
  const auto scale = static_cast<double>(f16_to_f32(static_cast<std::uint16_t>(b[0] | b[1] << 8)));
  const int s = nibble(4, g) | ((b[2 + g / 4] >> (2 * (g % 4))) & 3) << 4;
  const auto low = [&](std::size_t at) { return (b[at + 32 * (g / 2) + i % 32] >> (4 * (g % 2))) & 15; };
  const int values[] = {-32, -25, -20, -16, -12, -9, -6, -3, 0, 3, 6, 9, 13, 17, 22, 28};
  int value = 0;
  if (dtype == DType::x4) value = values[low(8)];
  if (dtype == DType::x5) value = (low(40) | ((b[8 + i % 32] >> g) & 1) << 4) - 16;
  const int two = (b[8 + 32 * (g / 4) + i % 32] >> (2 * (g % 4))) & 3;
  if (dtype == DType::x6) value = (low(72) | two << 4) - 32;
  if (dtype == DType::x7) value = (low(104) | two << 4 | ((b[72 + i % 32] >> g) & 1) << 6) - 64;
  if (dtype == DType::x8) value = static_cast<std::int8_t>(b[8 + i]);
  return scale * (s - 32) * value;
}

TEST(Reference, decodes_our_own_formats_as_the_page_says) {
  int formats = 0;
  std::mt19937 rng(3);
  for (const FormatInfo& f : kFormats) {
    if (!f.is_own()) continue;
    ++formats;
    for (int trial = 0; trial < 50; ++trial) {
      std::vector<std::uint8_t> block(f.block_bytes);
      for (std::uint8_t& byte : block) byte = static_cast<std::uint8_t>(rng());
      block[1] &= 0xbf;  // a finite f16
      std::vector<float> found(256);
      dequantize_row(found, f.dtype, block.data());
      for (std::size_t i = 0; i < found.size(); ++i)
        ASSERT_EQ(found[i], weight_of_own(f.dtype, block.data(), i)) << f.name << " weight " << i;
    }
  }
  EXPECT_EQ(formats, 5);
}

// X4 against a format of as many bits, the others against formats that have a quarter of a bit more.
TEST(Reference, our_own_formats_err_little_for_their_bits) {
  const std::vector<float> x = random_row(65536, 11, [](float v) { return v; });
  const auto error = [&](DType dtype) { return std::sqrt(squared_error(round_trip(dtype, x), x) / 65536); };
  EXPECT_LT(error(DType::x4), error(DType::iq4_xs));
  // A symmetric range against one with a minimum and a quarter of a bit more: at most 2^0.25 worse.
  EXPECT_LT(error(DType::x5), 1.19 * error(DType::q5_K));
  EXPECT_LT(error(DType::x6), 1.24 * error(DType::q6_K));  // 2^(5/16)
  EXPECT_LT(error(DType::x7),
            0.5 * 1.1 * error(DType::x6));  // a bit halves it; sub-scales are rounded as before
  EXPECT_LT(error(DType::x8), 1.19 * error(DType::q8_0));
  for (const DType dtype : {DType::iq4_xs, DType::x4, DType::q4_K, DType::x5, DType::q5_K, DType::x6,
                            DType::q6_K, DType::x7, DType::x8, DType::q8_0})
    std::cout << info(dtype).name << ": relative error " << error(dtype) << "\n";
}

// |weight - x| <= step / 2 and the rounding of the f16 scale (2^-11, at most 128 steps away): the plain
// formats.
TEST(Reference, plain_formats_stay_within_half_a_step) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    const std::vector<float> x = random_row(32, seed, [](float v) { return v * v * v; });
    float largest = 0;
    for (const float v : x) largest = std::max(largest, std::abs(v));
    const std::vector<float> q8 = round_trip(DType::q8_0, x);
    const std::vector<float> q4 = round_trip(DType::q4_0, x);
    const std::vector<float> f16 = round_trip(DType::f16, x);
    const std::vector<float> bf16 = round_trip(DType::bf16, x);
    EXPECT_EQ(round_trip(DType::f32, x), x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_LE(std::abs(q8[i] - x[i]), largest / 127 * (0.5F + 128 * 0x1p-11F));
      // The side opposite to the largest value has codes up to 7 only: there it may be a whole step.
      EXPECT_LE(std::abs(q4[i] - x[i]), largest / 8 * (1.0F + 8 * 0x1p-11F));
      EXPECT_LE(std::abs(f16[i] - x[i]), std::abs(x[i]) * 0x1p-11F + 0x1p-25F);
      EXPECT_LE(std::abs(bf16[i] - x[i]), std::abs(x[i]) * 0x1p-8F);
    }
  }
}

// Range quantization of groups with exact scales: what a format of so many levels does without any search.
double range_error(const std::vector<float>& x, std::size_t group, int levels, bool with_min) {
  double error = 0;
  for (std::size_t i = 0; i < x.size(); i += group) {
    float low = 0;
    float high = 0;
    for (std::size_t j = i; j < i + group; ++j) {
      low = std::min(low, x[j]);
      high = std::max(high, x[j]);
    }
    if (!with_min) low = -(high = std::max(high, -low));
    const float step = (high - low) / static_cast<float>(levels - 1);
    for (std::size_t j = i; j < i + group; ++j)
      error += std::pow(low + step * std::round((x[j] - low) / step) - x[j], 2);
  }
  return error;
}

// The formats of 256 store scales in 6 or 8 bits, and still do no worse than 5 % over exact scales: the
// search pays for it.
TEST(Reference, searched_scales_are_as_good_as_exact_ranges) {
  const std::vector<std::function<float(float)>> shapes = {
      [](float v) { return v; }, [](float v) { return v * std::abs(v); },
      [](float v) { return std::abs(v) + 0.1F; }, [](float v) { return 0.02F * v - 0.001F; }};
  for (const auto& shape : shapes) {
    const std::vector<float> x = random_row(16384, 7, shape);
    const double allowed = 1.05 * 1.05;
    EXPECT_LE(squared_error(round_trip(DType::q4_K, x), x), allowed * range_error(x, 32, 16, true));
    EXPECT_LE(squared_error(round_trip(DType::q5_K, x), x), allowed * range_error(x, 32, 32, true));
    EXPECT_LE(squared_error(round_trip(DType::q6_K, x), x), allowed * range_error(x, 16, 63, false));
  }
}

// As tests/oracle/make_format_fixtures.py makes it.
std::vector<float> bell_row(std::size_t n) {
  std::vector<float> x(n);
  std::uint32_t state = 1;
  for (float& v : x) {
    std::int32_t sum = -131070;
    for (int i = 0; i < 4; ++i) {
      state = 1664525U * state + 1013904223U;
      sum += static_cast<std::int32_t>(state >> 16);
    }
    v = static_cast<float>(sum) / 32768;
  }
  return x;
}

TEST(Reference, quantizers_err_no_more_than_those_of_gguf) {
  const std::vector<float> x = bell_row(8192);
  std::ifstream in(TARSIER_TEST_DATA "/formats-gguf/quantizers.txt");
  int count = 0;
  std::string name;
  for (double theirs = 0; in >> name >> theirs; ++count) {
    const double ours = squared_error(round_trip(*format_by_name(name), x), x);
    EXPECT_LE(ours, theirs) << name;
    std::cout << name << ": squared error " << ours << ", gguf " << theirs << "\n";
  }
  EXPECT_EQ(count, 6);
}

TEST(Reference, more_bits_are_better) {
  const std::vector<float> x = random_row(8192, 9, [](float v) { return v; });
  double last = 0;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q6_K, DType::q5_K,
                            DType::q4_K, DType::q4_0}) {
    const double error = squared_error(round_trip(dtype, x), x);
    EXPECT_GE(error, last) << info(dtype).name;
    last = error;
  }
}

// What a weight of a row of few values may be off by, as a part of the largest one: half of the format's
// widest step, taken in the middle of that step.
double half_step(DType dtype) {
  switch (dtype) {
    case DType::mxfp4:
      return 2.0 / 10;  // between 8 and 12
    case DType::iq4_nl:
    case DType::iq4_xs:
      return 12.0 / 101;  // between 89 and 113
    case DType::x4:
      return 3.5 / 28.5;  // between 25 and 32
    case DType::q3_K:
      return 0.5 / 4;
    default:
      return 1.0 / 16;
  }
}

TEST(Reference, finite_rows_stay_finite_and_zeros_stay_zero) {
  constexpr float kMost = std::numeric_limits<float>::max();
  constexpr float kLeast = std::numeric_limits<float>::denorm_min();
  const std::vector<std::vector<float>> patterns = {{0},
                                                    {kMost},
                                                    {-kMost},
                                                    {kMost, -kMost},
                                                    {kLeast},
                                                    {-kLeast, kLeast},
                                                    {1e-38F, 2e-38F},
                                                    {65504, 65536},
                                                    {-1},
                                                    {1},
                                                    {-1000, -1000.5F},
                                                    {1000, 1000.5F},
                                                    {kMost, 0, kLeast},
                                                    {1e-7F, -3e-8F},
                                                    {0, 0, 0, 0, 0, 0, 0, 5e8F}};
  for (const auto& pattern : patterns) {
    std::vector<float> x(512);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = pattern[i % pattern.size()];
    float largest = 0;
    for (const float v : x) largest = std::max(largest, std::abs(v));
    for (const FormatInfo& f : written_formats()) {
      const std::vector<float> back = round_trip(f.dtype, x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_TRUE(std::isfinite(back[i])) << f.name << " " << pattern[0];
        ASSERT_LE(std::abs(back[i]), largest * (1.01 + half_step(f.dtype)) + 1e-5) << f.name << " " << x[i];
        if (largest == 0) {
          ASSERT_EQ(back[i], 0) << f.name;
        }
        // Where f16 scales reach, a row of few values is met closely.
        if (largest < 1e6F && largest > 1) {
          ASSERT_NEAR(back[i], x[i], largest * (0.02 + half_step(f.dtype))) << f.name;
        }
      }
    }
  }
}

TEST(Reference, weights_of_extreme_blocks_have_the_extreme_codes) {
  std::vector<float> x(256, -3);
  x[1] = 5;
  for (const FormatInfo& f : written_formats()) {
    const std::vector<float> back = round_trip(f.dtype, x);
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(back[i], x[i], 5 * half_step(f.dtype) + 0.01) << f.name << " " << i;
  }
}

TEST(Reference, dot_is_the_double_sum_of_weights) {
  const std::vector<float> x = random_row(256, 4, [](float v) { return v; });
  const std::vector<float> w = random_row(256, 5, [](float v) { return v; });
  for (const FormatInfo& f : kFormats) {
    std::vector<std::byte> row(row_bytes(f.dtype, 256));
    some_row(row.data(), f.dtype, w);
    std::vector<float> weights(256);
    dequantize_row(weights, f.dtype, row.data());
    double sum = 0;
    for (std::size_t i = 0; i < 256; ++i) sum += static_cast<double>(weights[i]) * x[i];
    EXPECT_DOUBLE_EQ(dot(f.dtype, row.data(), x), sum) << f.name;
  }
}

TEST(Reference, rows_may_lie_at_odd_addresses) {
  const std::vector<float> x = random_row(512, 6, [](float v) { return v; });
  for (const FormatInfo& f : kFormats) {
    std::vector<std::byte> row(row_bytes(f.dtype, 512) + 1);
    some_row(row.data() + 1, f.dtype, x);
    std::vector<float> back(512);
    dequantize_row(back, f.dtype, row.data() + 1);
    std::vector<std::byte> even(row.begin() + 1, row.end());
    some_row(even.data(), f.dtype, x);
    std::vector<float> wanted(512);
    dequantize_row(wanted, f.dtype, even.data());
    EXPECT_EQ(back, wanted) << f.name;
  }
}

}  // namespace
}  // namespace core
