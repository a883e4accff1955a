// Encode and decode of one block of every format, and rows made of blocks.
#include "ggml-like-core/quant/reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/quant/codes.h"
#include "ggml-like-core/quant/scale_search.h"
#include "ggml-like-core/quant/tile.h"

namespace core {
namespace {

constexpr float kLargestF16 = 65504;

// The nearest f16; what is too large becomes the largest finite one, so that finite weights stay finite.
std::uint16_t to_f16(float x) { return f32_to_f16(std::clamp(x, -kLargestF16, kLargestF16)); }

// x * inverse to the nearest integer in [low, high].
int nearest(float x, float inverse, int low, int high) {
  const float clamped = std::clamp(x * inverse, static_cast<float>(low), static_cast<float>(high));
  return static_cast<int>((clamped + 12582912.0F) - 12582912.0F);  // nearest even: 1.5 * 2^23
}
// 1 / x of a scale that may be 0: every code becomes 0.
float inverse_or_zero(float x) { return x == 0 ? 0 : 1 / x; }

void decode(float* out, const F32::Block& b) { out[0] = b.value; }
void encode(F32::Block& b, const float* x) { b.value = x[0]; }

void decode(float* out, const F16::Block& b) { out[0] = f16_to_f32(b.value_f16); }
void encode(F16::Block& b, const float* x) { b.value_f16 = to_f16(x[0]); }

void decode(float* out, const BF16::Block& b) { out[0] = bf16_to_f32(b.value_bf16); }
void encode(BF16::Block& b, const float* x) {
  constexpr float kLargestBf16 = 0x1.fep127F;
  b.value_bf16 = f32_to_bf16(std::clamp(x[0], -kLargestBf16, kLargestBf16));
}

// Every format with codes: codes.h defines it.
template <class Q>
void decode_codes(float* out, const typename Q::Block& b) {
  using Codes = CodesOf<Q>;
  std::int8_t codes[Q::block_len];
  std::int8_t sub_scales[Codes::groups] = {1};
  std::int8_t sub_mins[Codes::groups] = {1};
  Codes::codes(codes, b);
  if constexpr (Codes::has_sub_scales) Codes::sub_scales(sub_scales, b);
  if constexpr (Codes::has_sub_scales && Codes::has_min) Codes::sub_mins(sub_mins, b);
  for (int i = 0; i < Q::block_len; ++i) {
    const int g = i / Codes::group;
    const float weight = Codes::scale(b) * static_cast<float>(sub_scales[g]) * static_cast<float>(codes[i]);
    if constexpr (Codes::has_min)
      out[i] = weight - Codes::min_scale(b) * static_cast<float>(sub_mins[g]);
    else
      out[i] = weight;
  }
}

void encode(Q8_0::Block& b, const float* x) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::abs(x[i]));
  b.scale_f16 = to_f16(largest / 127);
  const float inverse = inverse_or_zero(f16_to_f32(b.scale_f16));
  for (int i = 0; i < 32; ++i) b.q[i] = static_cast<std::int8_t>(nearest(x[i], inverse, -127, 127));
}

// Codes of 4 bits as nibble_of_32 reads them, bits above them as bit_of does. code(i): that of weight i.
template <class Code>
void pack_nibbles(std::uint8_t* nibbles, const Code& code) {
  for (int i = 0; i < 16; ++i)
    nibbles[i] = static_cast<std::uint8_t>((code(i) & 15) | ((code(i + 16) & 15) << 4));
}
template <class Code>
void pack_fifth_bits(std::uint8_t (&high_bits)[4], const Code& code) {
  std::memset(high_bits, 0, sizeof high_bits);
  for (int i = 0; i < 32; ++i)
    high_bits[i / 8] = static_cast<std::uint8_t>(high_bits[i / 8] | ((code(i) >> 4) << (i % 8)));
}

void encode(Q4_0::Block& b, const float* x) {
  float largest = 0;  // with its sign: it takes the code 0 (-8), of which there is one more
  for (int i = 0; i < 32; ++i)
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  b.scale_f16 = to_f16(largest / -8);
  const float inverse = inverse_or_zero(f16_to_f32(b.scale_f16));
  pack_nibbles(b.nibbles, [&](int i) { return nearest(x[i], inverse, -8, 7) + 8; });
}

void encode(Q5_0::Block& b, const float* x) {
  b.scale_f16 = to_f16(search_scale({x, 32}, 16, ErrorWeight::same));
  const float inverse = inverse_or_zero(f16_to_f32(b.scale_f16));
  const auto code = [&](int i) { return nearest(x[i], inverse, -16, 15) + 16; };
  pack_nibbles(b.nibbles, code);
  pack_fifth_bits(b.high_bits, code);
}

void encode(Q4_1::Block& b, const float* x) {
  const ScaleAndMin fit = search_scale_and_min({x, 32}, {15, 20, -1.0F, 0.1F, true});
  b.scale_f16 = to_f16(fit.scale);
  b.min_f16 = to_f16(fit.min);
  const float inverse = inverse_or_zero(f16_to_f32(b.scale_f16));
  const float min = f16_to_f32(b.min_f16);
  pack_nibbles(b.nibbles, [&](int i) { return nearest(x[i] - min, inverse, 0, 15); });
}

void encode(Q5_1::Block& b, const float* x) {
  const ScaleAndMin fit = search_scale_and_min({x, 32}, {31, 15, -0.5F, 0.1F, true});
  b.scale_f16 = to_f16(fit.scale);
  b.min_f16 = to_f16(fit.min);
  const float inverse = inverse_or_zero(f16_to_f32(b.scale_f16));
  const float min = f16_to_f32(b.min_f16);
  const auto code = [&](int i) { return nearest(x[i] - min, inverse, 0, 31); };
  pack_nibbles(b.nibbles, code);
  pack_fifth_bits(b.high_bits, code);
}

// 32 weights as numbers of values.
void encode_values(std::uint8_t* nibbles, const float* x, float inverse,
                   std::span<const std::int8_t, 16> values) {
  pack_nibbles(nibbles, [&](int i) { return nearest_value(x[i] * inverse, values); });
}

void encode(IQ4_NL::Block& b, const float* x) {
  b.scale_f16 = to_f16(search_scale_of_values({x, 32}, kIq4Values));
  encode_values(b.nibbles, x, inverse_or_zero(f16_to_f32(b.scale_f16)), kIq4Values);
}

// The better of two exponents: the largest weight lies in [8, 16) of the first, in [4, 8) of the second.
void encode(MXFP4::Block& b, const float* x) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::abs(x[i]));
  constexpr int kMostExponent = 252;  // 12 * 2^124 is finite
  const int first = largest > 0 ? std::clamp(std::ilogb(largest) - 3 + 128, 0, kMostExponent) : 0;
  double least_error = 0;
  for (int exponent = first; exponent <= std::min(first + 1, kMostExponent); ++exponent) {
    MXFP4::Block candidate{static_cast<std::uint8_t>(exponent), {}};
    const float scale = CodesOf<MXFP4>::scale(candidate);
    // Magnitudes are in order; the sign is the fourth bit.
    pack_nibbles(candidate.nibbles, [&](int i) {
      int q = 0;
      for (int j = 0; j < 7; ++j)
        q += 2 * std::abs(x[i]) / scale > static_cast<float>(kE2m1Doubled[j] + kE2m1Doubled[j + 1]);
      return x[i] < 0 && q > 0 ? q + 8 : q;
    });
    float weights[32];
    decode_codes<MXFP4>(weights, candidate);
    double error = 0;
    for (int i = 0; i < 32; ++i) error += std::pow(static_cast<double>(weights[i]) - x[i], 2);
    if (exponent == first || error < least_error) {
      b = candidate;
      least_error = error;
    }
  }
}

// Fits scale and minimum of every group of kGroup weights of x[256] and rounds them to a format's sub-scales
// of at most kMostSub. Returns scale and min_scale; fills group (the sub-scales) and codes (one for each
// weight).
struct Fit {
  std::uint16_t scale_f16, min_scale_f16;
};
template <int kGroup, int kMostSub>
Fit fit_groups(ScaleMin (&group)[256 / kGroup], std::uint8_t (&codes)[256], const float* x,
               const RangeSearch& search) {
  constexpr int kGroups = 256 / kGroup;
  ScaleAndMin fit[kGroups];
  float largest_scale = 0;
  float largest_min = 0;
  for (int g = 0; g < kGroups; ++g) {
    fit[g] = search_scale_and_min({x + std::ptrdiff_t{kGroup} * g, kGroup}, search);
    largest_scale = std::max(largest_scale, fit[g].scale);
    largest_min = std::max(largest_min, -fit[g].min);
  }
  const Fit whole{to_f16(largest_scale / kMostSub), to_f16(largest_min / kMostSub)};
  const float scale = f16_to_f32(whole.scale_f16);
  const float min_scale = f16_to_f32(whole.min_scale_f16);
  for (int g = 0; g < kGroups; ++g) {
    group[g].scale = static_cast<std::uint8_t>(nearest(fit[g].scale, inverse_or_zero(scale), 0, kMostSub));
    group[g].min = static_cast<std::uint8_t>(nearest(-fit[g].min, inverse_or_zero(min_scale), 0, kMostSub));
    const float inverse = inverse_or_zero(scale * group[g].scale);
    const float min = min_scale * group[g].min;
    for (int i = kGroup * g; i < kGroup * (g + 1); ++i)
      codes[i] = static_cast<std::uint8_t>(nearest(x[i] + min, inverse, 0, search.max_q));
  }
  return whole;
}

// Two bits of each code, from low_bit up, as two_bits_of_128 reads them.
void pack_two_bits(std::uint8_t (&two_bits)[64], const std::uint8_t (&codes)[256], int low_bit = 0) {
  std::memset(two_bits, 0, sizeof two_bits);
  for (int i = 0; i < 256; ++i) {
    std::uint8_t& byte = two_bits[32 * (i / 128) + i % 32];
    byte = static_cast<std::uint8_t>(byte | (((codes[i] >> low_bit) & 3) << (2 * (i / 32 % 4))));
  }
}
// Bit bit of each code: bit i / 32 of byte i % 32.
void pack_high_bits(std::uint8_t (&high_bits)[32], const std::uint8_t (&codes)[256], int bit) {
  std::memset(high_bits, 0, sizeof high_bits);
  for (int i = 0; i < 256; ++i)
    high_bits[i % 32] = static_cast<std::uint8_t>(high_bits[i % 32] | (((codes[i] >> bit) & 1) << (i / 32)));
}

void encode(Q2_K::Block& b, const float* x) {
  ScaleMin group[16];
  std::uint8_t codes[256];
  const Fit fit = fit_groups<16, 15>(group, codes, x, {3, 15, -0.5F, 0.1F});
  b.scale_f16 = fit.scale_f16;
  b.min_scale_f16 = fit.min_scale_f16;
  for (int g = 0; g < 16; ++g) b.scales[g] = static_cast<std::uint8_t>(group[g].scale | (group[g].min << 4));
  pack_two_bits(b.two_bits, codes);
}

// Formats with signed sub-scales in [-kMostSub, kMostSub - 1] and no minimums: the largest of fit, with its
// sign, takes -kMostSub. Fills sub with the sub-scales.
template <int kMostSub, std::size_t kGroups>
std::uint16_t fit_sub_scales(std::int8_t (&sub)[kGroups], const float (&fit)[kGroups]) {
  float largest = 0;
  for (const float f : fit)
    if (std::abs(f) > std::abs(largest)) largest = f;
  const std::uint16_t scale_f16 = to_f16(largest / -kMostSub);
  const float inverse = inverse_or_zero(f16_to_f32(scale_f16));
  for (std::size_t g = 0; g < kGroups; ++g)
    sub[g] = static_cast<std::int8_t>(nearest(fit[g], inverse, -kMostSub, kMostSub - 1));
  return scale_f16;
}

// Q3_K and Q6_K: 16 groups of 16, q in [-kMost, kMost - 1], kept as q + kMost.
template <int kMost, int kMostSub>
std::uint16_t fit_signed_groups(std::int8_t (&sub)[16], std::uint8_t (&codes)[256], const float* x) {
  float fit[16];
  for (int g = 0; g < 16; ++g) fit[g] = search_scale({x + std::ptrdiff_t{16} * g, 16}, kMost);
  const std::uint16_t scale_f16 = fit_sub_scales<kMostSub>(sub, fit);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 16;
    const float inverse = inverse_or_zero(f16_to_f32(scale_f16) * sub[group]);
    codes[i] = static_cast<std::uint8_t>(nearest(x[i], inverse, -kMost, kMost - 1) + kMost);
  }
  return scale_f16;
}

void encode(Q3_K::Block& b, const float* x) {
  std::int8_t sub[16];
  std::uint8_t codes[256];
  b.scale_f16 = fit_signed_groups<4, 32>(sub, codes, x);
  std::memset(b.scales, 0, sizeof b.scales);
  for (int g = 0; g < 16; ++g) {
    const int six_bits = sub[g] + 32;
    b.scales[g % 8] = static_cast<std::uint8_t>(b.scales[g % 8] | ((six_bits & 15) << (4 * (g / 8))));
    b.scales[8 + g % 4] = static_cast<std::uint8_t>(b.scales[8 + g % 4] | ((six_bits >> 4) << (2 * (g / 4))));
  }
  pack_two_bits(b.two_bits, codes);
  pack_high_bits(b.high_bits, codes, 2);
}

// Inverse of scale_min_k4.
void pack_scales(std::uint8_t (&packed)[12], const ScaleMin (&group)[8]) {
  for (int g = 0; g < 4; ++g) {
    packed[g] = static_cast<std::uint8_t>(group[g].scale | ((group[g + 4].scale >> 4) << 6));
    packed[g + 4] = static_cast<std::uint8_t>(group[g].min | ((group[g + 4].min >> 4) << 6));
    packed[g + 8] = static_cast<std::uint8_t>((group[g + 4].scale & 15) | ((group[g + 4].min & 15) << 4));
  }
}

// As nibbles_of_64 reads them.
void pack_nibbles_of_64(std::uint8_t (&nibbles)[128], const std::uint8_t (&codes)[256]) {
  for (int i = 0; i < 128; ++i) {
    const int low = 64 * (i / 32) + i % 32;
    nibbles[i] = static_cast<std::uint8_t>((codes[low] & 15) | ((codes[low + 32] & 15) << 4));
  }
}

// Q4_K and Q5_K: scales and the low four bits of codes.
template <class Block>
void encode_k4(Block& b, std::uint8_t (&codes)[256], const float* x, const RangeSearch& search) {
  ScaleMin group[8];
  const Fit fit = fit_groups<32, 63>(group, codes, x, search);
  b.scale_f16 = fit.scale_f16;
  b.min_scale_f16 = fit.min_scale_f16;
  pack_scales(b.scales, group);
  pack_nibbles_of_64(b.nibbles, codes);
}

void encode(Q4_K::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_k4(b, codes, x, {15, 20, -1.0F, 0.1F});
}

void encode(Q5_K::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_k4(b, codes, x, {31, 15, -0.5F, 0.1F});
  pack_high_bits(b.high_bits, codes, 4);
}

void encode(Q6_K::Block& b, const float* x) {
  std::uint8_t codes[256];
  b.scale_f16 = fit_signed_groups<32, 128>(b.sub_scales, codes, x);
  for (int i = 0; i < 128; ++i) {
    const int low = 128 * (i / 64) + i % 64;
    b.low_bits[i] = static_cast<std::uint8_t>((codes[low] & 15) | ((codes[low + 64] & 15) << 4));
  }
  pack_two_bits(b.high_bits, codes, 4);
}

// Sub-scales in [-32, 31] as IQ4_XS and X4 to X8 keep them: 6 bits, 4 in scales_low, 2 in scales_high.
template <class Block>
void pack_signed_scales(Block& b, const std::int8_t (&sub)[8]) {
  b.scales_high = 0;
  std::memset(b.scales_low, 0, sizeof b.scales_low);
  for (int g = 0; g < 8; ++g) {
    const int six_bits = sub[g] + 32;
    b.scales_low[g / 2] = static_cast<std::uint8_t>(b.scales_low[g / 2] | ((six_bits & 15) << (4 * (g % 2))));
    b.scales_high = static_cast<std::uint16_t>(b.scales_high | ((six_bits >> 4) << (2 * g)));
  }
}

void encode(IQ4_XS::Block& b, const float* x) {
  float fit[8];
  for (int g = 0; g < 8; ++g) fit[g] = search_scale_of_values({x + std::ptrdiff_t{32} * g, 32}, kIq4Values);
  std::int8_t sub[8];
  b.scale_f16 = fit_sub_scales<32>(sub, fit);
  pack_signed_scales(b, sub);
  for (int g = 0; g < 8; ++g)
    encode_values(b.nibbles + std::ptrdiff_t{16} * g, x + std::ptrdiff_t{32} * g,
                  inverse_or_zero(f16_to_f32(b.scale_f16) * sub[g]), kIq4Values);
}

// X4 to X8. fit_scale(x): of 32 weights; code(y): of the value nearest to y; value(code): that value. The
// sub-scale of a group is the nearest one or a neighbour, whichever leaves the least error. Fills codes.
template <class Block, class FitScale, class Code, class Value>
void encode_x(Block& b, std::uint8_t (&codes)[256], const float* x, const FitScale& fit_scale,
              const Code& code, const Value& value) {
  float fit[8];
  for (int g = 0; g < 8; ++g) fit[g] = fit_scale(std::span(x + std::ptrdiff_t{32} * g, 32));
  std::int8_t sub[8];
  b.scale_f16 = fit_sub_scales<32>(sub, fit);
  const float whole = f16_to_f32(b.scale_f16);
  for (int g = 0; g < 8; ++g) {
    const float* group = x + std::ptrdiff_t{32} * g;
    const std::int8_t nearest_sub = sub[g];
    double least_error = 0;
    for (const int step : {0, -1, 1}) {
      const int s = nearest_sub + step;
      if (s < -32 || s > 31) continue;
      const float scale = whole * static_cast<float>(s);
      const float inverse = inverse_or_zero(scale);
      std::uint8_t candidate[32];
      double error = 0;
      for (int i = 0; i < 32; ++i) {
        candidate[i] = code(group[i] * inverse);
        const double missed = group[i] - scale * value(candidate[i]);
        error += missed * missed;
      }
      if (step != 0 && error >= least_error) continue;
      sub[g] = static_cast<std::int8_t>(s);
      least_error = error;
      std::copy_n(candidate, 32, codes + std::ptrdiff_t{32} * g);
    }
  }
  pack_signed_scales(b, sub);
}

// X5 to X8: values -kMost .. kMost - 1, kept as codes from 0 on.
template <int kMost, class Block>
void encode_linear_x(Block& b, std::uint8_t (&codes)[256], const float* x) {
  encode_x(
      b, codes, x, [](std::span<const float> group) { return search_scale(group, kMost); },
      [](float y) { return static_cast<std::uint8_t>(nearest(y, 1, -kMost, kMost - 1) + kMost); },
      [](std::uint8_t code) { return static_cast<float>(code - kMost); });
}

void encode(X4::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_x(
      b, codes, x, [](std::span<const float> group) { return search_scale_of_values(group, kX4Values); },
      [](float y) { return static_cast<std::uint8_t>(nearest_value(y, kX4Values)); },
      [](std::uint8_t code) { return static_cast<float>(kX4Values[code]); });
  pack_nibbles_of_64(b.nibbles, codes);
}

void encode(X5::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_linear_x<16>(b, codes, x);
  pack_nibbles_of_64(b.nibbles, codes);
  pack_high_bits(b.high_bits, codes, 4);
}

void encode(X6::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_linear_x<32>(b, codes, x);
  pack_nibbles_of_64(b.nibbles, codes);
  pack_two_bits(b.two_bits, codes, 4);
}

void encode(X7::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_linear_x<64>(b, codes, x);
  pack_nibbles_of_64(b.nibbles, codes);
  pack_two_bits(b.two_bits, codes, 4);
  pack_high_bits(b.high_bits, codes, 6);
}

void encode(X8::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_linear_x<128>(b, codes, x);
  for (int i = 0; i < 256; ++i) b.q[i] = static_cast<std::int8_t>(codes[i] - 128);
}

// Rows may lie at any address: blocks are copied out and in.
template <class Q>
typename Q::Block block_at(const void* row, std::size_t i) {
  typename Q::Block block;
  std::memcpy(&block, static_cast<const std::byte*>(row) + i * sizeof block, sizeof block);
  return block;
}

std::size_t blocks_of(DType dtype, std::size_t n) {
  const auto len = static_cast<std::size_t>(info(dtype).block_len);
  bug_if(n % len != 0, "row length must be a multiple of the block");
  return n / len;
}

// move(place in tiles, place in rows, bytes) for every unit of a matrix of so many bytes.
template <class Move>
void for_all_tile_units(std::size_t bytes, DType dtype, std::int64_t cols, const Move& move) {
  const std::size_t stride = row_bytes(dtype, cols);
  bug_if(!info(dtype).is_tiled() || bytes % (kTileRows * stride) != 0, "no whole rows of tiles");
  TiledFormats::for_each([&]<class Q>() {
    using Block = typename Q::Block;
    if (Q::dtype == dtype)
      for (std::size_t first = 0; first < bytes; first += kTileRows * stride)
        for (std::size_t block = 0; block < stride; block += sizeof(Block))
          for (std::size_t lane = 0; lane < kTileRows; ++lane)
            for_tile_units<Block>(lane, [&](std::size_t in_tile, std::size_t in_block, std::size_t n) {
              move(first + kTileRows * block + in_tile, first + lane * stride + block + in_block, n);
            });
  });
}

}  // namespace

void rows_to_tiles(std::span<std::byte> tiles, std::span<const std::byte> rows, DType dtype,
                   std::int64_t cols) {
  for_all_tile_units(rows.size(), dtype, cols, [&](std::size_t in_tiles, std::size_t in_rows, std::size_t n) {
    std::memcpy(tiles.data() + in_tiles, rows.data() + in_rows, n);
  });
}

void tiles_to_rows(std::span<std::byte> rows, std::span<const std::byte> tiles, DType dtype,
                   std::int64_t cols) {
  for_all_tile_units(tiles.size(), dtype, cols,
                     [&](std::size_t in_tiles, std::size_t in_rows, std::size_t n) {
                       std::memcpy(rows.data() + in_rows, tiles.data() + in_tiles, n);
                     });
}

void dequantize_row(std::span<float> out, DType dtype, const void* row) {
  bug_if(info(dtype).is_tiled(), "a row of tiles is no row");
  const std::size_t blocks = blocks_of(dtype, out.size());
  visit(dtype, [&]<class Q>() {
    for (std::size_t i = 0; i < blocks; ++i) {
      float* weights = out.data() + i * Q::block_len;
      if constexpr (Q::block_len == 1)
        decode(weights, block_at<Q>(row, i));
      else
        decode_codes<Q>(weights, block_at<Q>(row, i));
    }
  });
}

void quantize_row(void* row, DType dtype, std::span<const float> x) {
  const std::size_t blocks = blocks_of(dtype, x.size());
  bug_if(!info(dtype).writable, "a format that is only read");
  visit(dtype, [&]<class Q>() {
    if constexpr (WritableFormat<Q>)
      for (std::size_t i = 0; i < blocks; ++i) {
        typename Q::Block block;
        encode(block, x.data() + i * Q::block_len);
        std::memcpy(static_cast<std::byte*>(row) + i * sizeof block, &block, sizeof block);
      }
  });
}

double dot(DType dtype, const void* row, std::span<const float> x) {
  std::vector<float> weights(x.size());
  dequantize_row(weights, dtype, row);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    sum += static_cast<double>(weights[i]) * static_cast<double>(x[i]);
  return sum;
}

}  // namespace core
