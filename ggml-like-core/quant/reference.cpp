// Encode and decode of one block of every format, and rows made of blocks.
#include "ggml-like-core/quant/reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/quant/codes.h"
#include "ggml-like-core/quant/scale_search.h"

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

void encode(Q4_0::Block& b, const float* x) {
  float largest = 0;  // with its sign: it takes the code 0 (-8), of which there is one more
  for (int i = 0; i < 32; ++i)
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  b.scale_f16 = to_f16(largest / -8);
  const float inverse = inverse_or_zero(f16_to_f32(b.scale_f16));
  for (int i = 0; i < 16; ++i) {
    const int low = nearest(x[i], inverse, -8, 7) + 8;
    const int high = nearest(x[i + 16], inverse, -8, 7) + 8;
    b.nibbles[i] = static_cast<std::uint8_t>(low | (high << 4));
  }
}

// Q4_K and Q5_K: 8 groups of 32 with 6-bit scales and minimums.
constexpr int kGroups = 8;

// Inverse of scale_min_k4.
void pack_scales(std::uint8_t (&packed)[12], const ScaleMin (&group)[kGroups]) {
  for (int g = 0; g < 4; ++g) {
    packed[g] = static_cast<std::uint8_t>(group[g].scale | ((group[g + 4].scale >> 4) << 6));
    packed[g + 4] = static_cast<std::uint8_t>(group[g].min | ((group[g + 4].min >> 4) << 6));
    packed[g + 8] = static_cast<std::uint8_t>((group[g + 4].scale & 15) | ((group[g + 4].min & 15) << 4));
  }
}

// Fills scales of b from x[256] and codes with one code per weight.
template <class Block>
void encode_groups(Block& b, std::uint8_t (&codes)[256], const float* x, int max_q, int candidates,
                   float first, float step) {
  ScaleAndMin fit[kGroups];
  float largest_scale = 0;
  float largest_min = 0;
  for (int g = 0; g < kGroups; ++g) {
    fit[g] = search_scale_and_min(x + std::ptrdiff_t{32} * g, max_q, candidates, first, step);
    largest_scale = std::max(largest_scale, fit[g].scale);
    largest_min = std::max(largest_min, -fit[g].min);
  }
  b.scale_f16 = to_f16(largest_scale / 63);
  b.min_scale_f16 = to_f16(largest_min / 63);
  const float scale = f16_to_f32(b.scale_f16);
  const float min_scale = f16_to_f32(b.min_scale_f16);
  ScaleMin packed[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    packed[g].scale = static_cast<std::uint8_t>(nearest(fit[g].scale, inverse_or_zero(scale), 0, 63));
    packed[g].min = static_cast<std::uint8_t>(nearest(-fit[g].min, inverse_or_zero(min_scale), 0, 63));
    const float inverse = inverse_or_zero(scale * packed[g].scale);
    const float min = min_scale * packed[g].min;
    for (int i = 32 * g; i < 32 * (g + 1); ++i)
      codes[i] = static_cast<std::uint8_t>(nearest(x[i] + min, inverse, 0, max_q));
  }
  pack_scales(b.scales, packed);
}

void encode(Q4_K::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_groups(b, codes, x, 15, 20, -1.0F, 0.1F);
  for (int i = 0; i < 128; ++i) {
    const int low = 64 * (i / 32) + i % 32;
    b.nibbles[i] = static_cast<std::uint8_t>(codes[low] | (codes[low + 32] << 4));
  }
}

void encode(Q5_K::Block& b, const float* x) {
  std::uint8_t codes[256];
  encode_groups(b, codes, x, 31, 15, -0.5F, 0.1F);
  std::memset(b.high_bits, 0, sizeof b.high_bits);
  for (int i = 0; i < 128; ++i) {
    const int low = 64 * (i / 32) + i % 32;
    b.nibbles[i] = static_cast<std::uint8_t>((codes[low] & 15) | ((codes[low + 32] & 15) << 4));
  }
  for (int i = 0; i < 256; ++i)
    b.high_bits[i % 32] = static_cast<std::uint8_t>(b.high_bits[i % 32] | ((codes[i] >> 4) << (i / 32)));
}

// Where weight i of a Q6_K block keeps its bits: each half of 128 weights has 64 bytes of low_bits (weights
// 0..63 in the low nibbles, 64..127 in the high ones) and 32 bytes of high_bits (two bits for each quarter of
// 32).
struct Q6Place {
  int low_byte, low_shift, high_byte, high_shift;
};
Q6Place q6_place(int i) {
  const int half = i / 128;
  const int rest = i % 128;
  return {64 * half + rest % 64, 4 * (rest / 64), 32 * half + rest % 32, 2 * (rest / 32)};
}

void encode(Q6_K::Block& b, const float* x) {
  float fit[16];
  float largest = 0;  // with its sign: it takes the sub-scale -128
  for (int g = 0; g < 16; ++g) {
    fit[g] = search_scale(x + std::ptrdiff_t{16} * g, 32);
    if (std::abs(fit[g]) > std::abs(largest)) largest = fit[g];
  }
  b.scale_f16 = to_f16(largest / -128);
  const float scale = f16_to_f32(b.scale_f16);
  std::memset(b.low_bits, 0, sizeof b.low_bits);
  std::memset(b.high_bits, 0, sizeof b.high_bits);
  for (int g = 0; g < 16; ++g) {
    b.sub_scales[g] = static_cast<std::int8_t>(nearest(fit[g], inverse_or_zero(scale), -128, 127));
    const float inverse = inverse_or_zero(scale * b.sub_scales[g]);
    for (int i = 16 * g; i < 16 * (g + 1); ++i) {
      const Q6Place p = q6_place(i);
      const int code = nearest(x[i], inverse, -32, 31) + 32;
      b.low_bits[p.low_byte] =
          static_cast<std::uint8_t>(b.low_bits[p.low_byte] | ((code & 15) << p.low_shift));
      b.high_bits[p.high_byte] =
          static_cast<std::uint8_t>(b.high_bits[p.high_byte] | ((code >> 4) << p.high_shift));
    }
  }
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

}  // namespace

void dequantize_row(std::span<float> out, DType dtype, const void* row) {
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
  visit(dtype, [&]<class Q>() {
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
