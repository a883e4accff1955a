// What a block of each quantized format stands for, as integers and one or two floats: the definition from
// which reference.cpp makes weights. Plain (blocks.h says why).
//
//   weight[i] = scale * sub_scale[g] * code[i] - min_scale * sub_min[g],    g = i / group
//
// CodesOf<Q> has, for every Q whose blocks hold more than one weight:
//
//   group                  weights under one sub-scale: 16 or 32
//   least_code, most_code  of any block; least_code is 0 where the format has minimums
//   has_sub_scales         false for blocks of one group: sub_scale and sub_min are 1
//   has_min                whether min_scale and sub_mins exist
//   scale(b), min_scale(b) floats with at most 11 significant bits
//   sub_scales(out, b), sub_mins(out, b)    int8 out[block_len / group]
//   codes(out, b)                           int8 out[block_len]
//
// Every product above is exact in f32, in whatever order; the difference is rounded once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml-like-core/base/half.h"
#include "ggml-like-core/quant/blocks.h"
#include "ggml-like-core/quant/grid_tables.h"

namespace core {

// Scale, and where it has them minimums, as most formats keep them.
template <class Q, int kGroup, int kLeast, int kMost, bool kHasMin = false>
struct CodesBase {
  using Block = typename Q::Block;
  static constexpr int group = kGroup, least_code = kLeast, most_code = kMost;
  static constexpr int groups = Q::block_len / kGroup;
  static constexpr bool has_sub_scales = groups > 1;
  static constexpr bool has_min = kHasMin;
  static_assert(!has_min || least_code == 0);
  [[gnu::always_inline]] static float scale(const Block& b) { return f16_to_f32(b.scale_f16); }
};

// --- pieces that several formats share; inner loops run over neighbours, so that compilers make vectors ---
// NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): places inside a block of 256
// out[32] of 16 bytes: weights 0..15 in the low nibbles, 16..31 in the high ones.
[[gnu::always_inline]] inline void nibbles_of_32(std::int8_t* out, const std::uint8_t* nibbles) {
  for (int i = 0; i < 16; ++i) out[i] = static_cast<std::int8_t>(nibbles[i] & 15);
  for (int i = 0; i < 16; ++i) out[16 + i] = static_cast<std::int8_t>(nibbles[i] >> 4);
}
// out[64] of 32 bytes: the first 32 weights in the low nibbles, the others in the high ones.
[[gnu::always_inline]] inline void nibbles_of_64(std::int8_t* out, const std::uint8_t* nibbles) {
  for (int i = 0; i < 32; ++i) out[i] = static_cast<std::int8_t>(nibbles[i] & 15);
  for (int i = 0; i < 32; ++i) out[32 + i] = static_cast<std::int8_t>(nibbles[i] >> 4);
}
// out[128] of 32 bytes: two bits for each quarter of 32.
[[gnu::always_inline]] inline void two_bits_of_128(std::int8_t* out, const std::uint8_t* two_bits) {
  for (int quarter = 0; quarter < 4; ++quarter)
    for (int i = 0; i < 32; ++i)
      out[32 * quarter + i] = static_cast<std::int8_t>((two_bits[i] >> (2 * quarter)) & 3);
}
// out[n] += what.
template <int n>
[[gnu::always_inline]] inline void add(std::int8_t* out, int what) {
  for (int i = 0; i < n; ++i) out[i] = static_cast<std::int8_t>(out[i] + what);
}
// out[256]: weight 32 j + i gets bit j of bits[i], as bit at.
template <int at>
[[gnu::always_inline]] inline void add_bits_of_32(std::int8_t* out, const std::uint8_t* bits) {
  for (int j = 0; j < 8; ++j)
    for (int i = 0; i < 32; ++i)
      out[32 * j + i] = static_cast<std::int8_t>(out[32 * j + i] + (((bits[i] >> j) & 1) << at));
}
// Byte i of the result is bit i of bits.
[[gnu::always_inline]] constexpr std::uint64_t spread_bits(unsigned bits) {
  const std::uint64_t one_each = (bits & 255U) * 0x0101010101010101U & 0x8040201008040201U;
  return ((one_each + 0x7f7f7f7f7f7f7f7fU) >> 7) & 0x0101010101010101U;
}
// out[32] |= 16 where the bit is set; bits from the lowest up, 8 a byte.
[[gnu::always_inline]] inline void add_fifth_bits(std::int8_t* out, const std::uint8_t* bits) {
  for (int j = 0; j < 4; ++j) {
    std::uint64_t eight = 0;
    __builtin_memcpy(&eight, out + 8 * j, 8);
    eight |= spread_bits(bits[j]) << 4;
    __builtin_memcpy(out + 8 * j, &eight, 8);
  }
}
[[gnu::always_inline]] constexpr int bit_of(const std::uint8_t* bits, int i) {
  return (bits[i / 8] >> (i % 8)) & 1;
}
// The nibbles of bytes, low one first.
[[gnu::always_inline]] constexpr int nibble_in_order(const std::uint8_t* nibbles, int i) {
  return (nibbles[i / 2] >> (4 * (i % 2))) & 15;
}
// Signs as IQ2_XXS, IQ2_XS and IQ3_XXS hold them: 7 bits; the eighth makes the number of minus signs even.
[[gnu::always_inline]] constexpr unsigned sign_bits(unsigned seven) {
  unsigned parity = seven ^ (seven >> 4);
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return seven | (parity & 1U) << 7;
}
[[gnu::always_inline]] constexpr std::uint32_t little_endian_32(const std::uint8_t* p) {
  return p[0] | (std::uint32_t{p[1]} << 8) | (std::uint32_t{p[2]} << 16) | (std::uint32_t{p[3]} << 24);
}
// out[n] = magnitudes, negative where bit i of signs is set: all n at once, as -m is ~m + 1 and carries
// nothing out of its byte where m > 0.
template <int n>
[[gnu::always_inline]] inline void with_signs(std::int8_t* out, const std::uint8_t (&magnitude)[n],
                                              unsigned signs) {
  std::uint64_t bytes = 0;
  __builtin_memcpy(&bytes, magnitude, n);
  const std::uint64_t minus = spread_bits(signs);
  bytes = (bytes ^ minus * 255U) + minus;
  __builtin_memcpy(out, &bytes, n);
}

constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
// Within 6 bits once 32 is added: products of pairs fit 16 bits twice.
constexpr std::int8_t kX4Values[16] = {-32, -25, -20, -16, -12, -9, -6, -3, 0, 3, 6, 9, 13, 17, 22, 28};
// Twice the values of e2m1; the sign is the highest bit, and -0 is 0.
constexpr std::int8_t kE2m1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

[[gnu::always_inline]] inline void values_of_32(std::int8_t* out, const std::uint8_t* nibbles,
                                                const std::int8_t (&values)[16]) {
  for (int i = 0; i < 16; ++i) {
    out[i] = values[nibbles[i] & 15];
    out[16 + i] = values[nibbles[i] >> 4];
  }
}

template <class Q>
struct CodesOf;

// --- blocks of 32 ---

template <>
struct CodesOf<Q8_0> : CodesBase<Q8_0, 32, -128, 127> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int i = 0; i < 32; ++i) out[i] = b.q[i];
  }
};

template <>
struct CodesOf<Q4_0> : CodesBase<Q4_0, 32, -8, 7> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    nibbles_of_32(out, b.nibbles);
    add<32>(out, -8);
  }
};

template <>
struct CodesOf<Q4_1> : CodesBase<Q4_1, 32, 0, 15, true> {
  [[gnu::always_inline]] static float min_scale(const Block& b) { return -f16_to_f32(b.min_f16); }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    nibbles_of_32(out, b.nibbles);
  }
};

template <>
struct CodesOf<Q5_0> : CodesBase<Q5_0, 32, -16, 15> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    nibbles_of_32(out, b.nibbles);
    add_fifth_bits(out, b.high_bits);
    add<32>(out, -16);
  }
};

template <>
struct CodesOf<Q5_1> : CodesBase<Q5_1, 32, 0, 31, true> {
  [[gnu::always_inline]] static float min_scale(const Block& b) { return -f16_to_f32(b.min_f16); }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    nibbles_of_32(out, b.nibbles);
    add_fifth_bits(out, b.high_bits);
  }
};

template <>
struct CodesOf<IQ4_NL> : CodesBase<IQ4_NL, 32, -127, 113> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    values_of_32(out, b.nibbles, kIq4Values);
  }
};

template <>
struct CodesOf<MXFP4> : CodesBase<MXFP4, 32, -12, 12> {
  // 2^(exponent - 128); the first two are below what a normal f32 holds.
  [[gnu::always_inline]] static float scale(const Block& b) {
    const std::uint32_t e = b.scale_exponent;
    return __builtin_bit_cast(float, e < 2 ? 0x00200000U << e : (e - 1) << 23);
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    values_of_32(out, b.nibbles, kE2m1Doubled);
  }
};

// --- blocks of 256 with sub-scales ---

template <>
struct CodesOf<Q2_K> : CodesBase<Q2_K, 16, 0, 3, true> {
  [[gnu::always_inline]] static float min_scale(const Block& b) { return f16_to_f32(b.min_scale_f16); }
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 16; ++g) out[g] = static_cast<std::int8_t>(b.scales[g] & 15);
  }
  [[gnu::always_inline]] static void sub_mins(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 16; ++g) out[g] = static_cast<std::int8_t>(b.scales[g] >> 4);
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int half = 0; half < 2; ++half) two_bits_of_128(out + 128 * half, b.two_bits + 32 * half);
  }
};

template <>
struct CodesOf<Q3_K> : CodesBase<Q3_K, 16, -4, 3> {
  // Of the 12 bytes the first 8 hold the low four bits of groups 0..7 and 8..15, the last 4 the high two.
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 16; ++g) {
      const int low = (b.scales[g % 8] >> (4 * (g / 8))) & 15;
      const int high = (b.scales[8 + g % 4] >> (2 * (g / 4))) & 3;
      out[g] = static_cast<std::int8_t>((low | (high << 4)) - 32);
    }
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int half = 0; half < 2; ++half) two_bits_of_128(out + 128 * half, b.two_bits + 32 * half);
    add_bits_of_32<2>(out, b.high_bits);
    add<256>(out, -4);
  }
};

// Q4_K and Q5_K: the same scales.
template <class Q, int kMost>
struct CodesOfK4 : CodesBase<Q, 32, 0, kMost, true> {
  using Block = typename Q::Block;
  [[gnu::always_inline]] static float min_scale(const Block& b) { return f16_to_f32(b.min_scale_f16); }
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 8; ++g) out[g] = static_cast<std::int8_t>(scale_min_k4(g, b.scales).scale);
  }
  [[gnu::always_inline]] static void sub_mins(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 8; ++g) out[g] = static_cast<std::int8_t>(scale_min_k4(g, b.scales).min);
  }
};

template <>
struct CodesOf<Q4_K> : CodesOfK4<Q4_K, 15> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int j = 0; j < 4; ++j) nibbles_of_64(out + 64 * j, b.nibbles + 32 * j);
  }
};

template <>
struct CodesOf<Q5_K> : CodesOfK4<Q5_K, 31> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int j = 0; j < 4; ++j) nibbles_of_64(out + 64 * j, b.nibbles + 32 * j);
    add_bits_of_32<4>(out, b.high_bits);
  }
};

template <>
struct CodesOf<Q6_K> : CodesBase<Q6_K, 16, -32, 31> {
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 16; ++g) out[g] = b.sub_scales[g];
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int half = 0; half < 2; ++half) {
      std::int8_t high[128];
      two_bits_of_128(high, b.high_bits + 32 * half);
      const std::uint8_t* low = b.low_bits + 64 * half;
      std::int8_t* at = out + 128 * half;
      for (int i = 0; i < 64; ++i) at[i] = static_cast<std::int8_t>(((low[i] & 15) | (high[i] << 4)) - 32);
      for (int i = 0; i < 64; ++i)
        at[64 + i] = static_cast<std::int8_t>(((low[i] >> 4) | (high[64 + i] << 4)) - 32);
    }
  }
};

// IQ4_XS and X4 to X8: sub-scales of 6 bits with a sign.
template <class Q, int kLeast, int kMost>
struct CodesOfSignedScales : CodesBase<Q, 32, kLeast, kMost> {
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const typename Q::Block& b) {
    const std::uint64_t eight = signed_scales(b.scales_low, b.scales_high);
    for (int g = 0; g < 8; ++g) out[g] = static_cast<std::int8_t>(eight >> (8 * g));
  }
};

template <>
struct CodesOf<IQ4_XS> : CodesOfSignedScales<IQ4_XS, -127, 113> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 8; ++g) values_of_32(out + 32 * g, b.nibbles + 16 * g, kIq4Values);
  }
};

// Sub-scales 2 s + 1 with s a nibble of scales.
template <class Q, int kGroup, int kMost>
struct CodesOfOddScales : CodesBase<Q, kGroup, -kMost, kMost> {
  using Block = typename Q::Block;
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 256 / kGroup; ++g)
      out[g] = static_cast<std::int8_t>(2 * nibble_in_order(b.scales, g) + 1);
  }
};

template <>
struct CodesOf<IQ3_XXS> : CodesBase<IQ3_XXS, 32, -62, 62> {
  [[gnu::always_inline]] static float scale(const Block& b) { return f16_to_f32(b.scale_f16) * 0.25F; }
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 8; ++g) out[g] = static_cast<std::int8_t>(2 * (b.signs_scale[g][3] >> 4) + 1);
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int p = 0; p < 64; p += 2) {
      const unsigned signs = sign_bits((little_endian_32(b.signs_scale[p / 8]) >> (7 * (p / 2 % 4))) & 127U);
      with_signs(out + 4 * p, grid_iq3_xxs.point[b.points[p]], signs);
      with_signs(out + 4 * p + 4, grid_iq3_xxs.point[b.points[p + 1]], signs >> 4);
    }
  }
};

template <>
struct CodesOf<IQ3_S> : CodesOfOddScales<IQ3_S, 32, 15> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int p = 0; p < 64; ++p) {
      const int point = b.points[p] | (bit_of(b.high_bits, p) << 8);
      with_signs(out + 4 * p, grid_iq3_s.point[point],
                 static_cast<unsigned>(b.signs[p / 2] >> (4 * (p % 2))));
    }
  }
};

template <>
struct CodesOf<IQ2_XXS> : CodesBase<IQ2_XXS, 32, -43, 43> {
  [[gnu::always_inline]] static float scale(const Block& b) { return f16_to_f32(b.scale_f16) * 0.125F; }
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 8; ++g) out[g] = static_cast<std::int8_t>(2 * (b.groups[g].signs_scale[3] >> 4) + 1);
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int p = 0; p < 32; ++p) {
      const auto& group = b.groups[p / 4];
      const unsigned signs = sign_bits((little_endian_32(group.signs_scale) >> (7 * (p % 4))) & 127U);
      with_signs(out + 8 * p, grid_iq2_xxs.point[group.points[p % 4]], signs);
    }
  }
};

template <>
struct CodesOf<IQ2_XS> : CodesOfOddScales<IQ2_XS, 16, 43> {
  [[gnu::always_inline]] static float scale(const Block& b) { return f16_to_f32(b.scale_f16) * 0.125F; }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int p = 0; p < 32; ++p)
      with_signs(out + 8 * p, grid_iq2_xs.point[b.points[p] & 511], sign_bits(b.points[p] >> 9));
  }
};

template <>
struct CodesOf<IQ2_S> : CodesOfOddScales<IQ2_S, 16, 43> {
  [[gnu::always_inline]] static float scale(const Block& b) { return f16_to_f32(b.scale_f16) * 0.125F; }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int p = 0; p < 32; ++p) {
      const int high = (b.high_bits[p / 4] >> (2 * (p % 4))) & 3;
      with_signs(out + 8 * p, grid_iq2_s.point[b.points[p] | (high << 8)], b.signs[p]);
    }
  }
};

// IQ1: codes are eighths, 8 t + 1 or 8 t - 1.
[[gnu::always_inline]] inline void shifted_eighths(std::int8_t* out, const std::int8_t (&t)[8], bool down) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<std::int8_t>(8 * t[i] + (down ? -1 : 1));
}

template <>
struct CodesOf<IQ1_S> : CodesBase<IQ1_S, 32, -9, 9> {
  [[gnu::always_inline]] static float scale(const Block& b) { return f16_to_f32(b.scale_f16) * 0.125F; }
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 8; ++g) out[g] = static_cast<std::int8_t>(2 * ((b.high_bits[g] >> 12) & 7) + 1);
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int p = 0; p < 32; ++p) {
      const int high_bits = b.high_bits[p / 4];
      const int high = (high_bits >> (3 * (p % 4))) & 7;
      shifted_eighths(out + 8 * p, grid_iq1.point[b.points[p] | (high << 8)], (high_bits >> 15) != 0);
    }
  }
};

template <>
struct CodesOf<IQ1_M> : CodesBase<IQ1_M, 16, -9, 9> {
  [[gnu::always_inline]] static float scale(const Block& b) {
    std::uint16_t bits = 0;
    for (int i = 0; i < 4; ++i) bits = static_cast<std::uint16_t>(bits | (b.scales[i] >> 12) << (4 * i));
    return f16_to_f32(bits) * 0.125F;
  }
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const Block& b) {
    for (int g = 0; g < 16; ++g)
      out[g] = static_cast<std::int8_t>(2 * ((b.scales[g / 4] >> (3 * (g % 4))) & 7) + 1);
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int p = 0; p < 32; ++p) {
      const int four = nibble_in_order(b.high_bits, p);
      shifted_eighths(out + 8 * p, grid_iq1.point[b.points[p] | ((four & 7) << 8)], (four & 8) != 0);
    }
  }
};

// TQ1_0 and TQ2_0 have one scale: sub-scales are 1.
template <class Q>
struct CodesOfTernary : CodesBase<Q, 32, -1, 2> {
  [[gnu::always_inline]] static void sub_scales(std::int8_t* out, const typename Q::Block&) {
    for (int g = 0; g < 8; ++g) out[g] = 1;
  }
};

template <>
struct CodesOf<TQ1_0> : CodesOfTernary<TQ1_0> {
  // Digit n of byte / 256 to the base 3: multiplying by 3^n, modulo 256, drops the digits before it.
  [[gnu::always_inline]] static std::int8_t digit(std::uint8_t byte, int power) {
    return static_cast<std::int8_t>(((3 * ((byte * power) & 255)) >> 8) - 1);
  }
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    int power = 1;
    for (int n = 0; n < 5; ++n, power *= 3) {
      for (int i = 0; i < 32; ++i) out[32 * n + i] = digit(b.five_digits[i], power);
      for (int i = 0; i < 16; ++i) out[160 + 16 * n + i] = digit(b.five_digits[32 + i], power);
      for (int i = 0; i < 4 && n < 4; ++i) out[240 + 4 * n + i] = digit(b.four_digits[i], power);
    }
  }
};

template <>
struct CodesOf<TQ2_0> : CodesOfTernary<TQ2_0> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int half = 0; half < 2; ++half) two_bits_of_128(out + 128 * half, b.two_bits + 32 * half);
    add<256>(out, -1);
  }
};

template <>
struct CodesOf<X4> : CodesOfSignedScales<X4, -32, 28> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int j = 0; j < 4; ++j) nibbles_of_64(out + 64 * j, b.nibbles + 32 * j);
    for (int i = 0; i < 256; ++i) out[i] = kX4Values[out[i]];
  }
};

template <>
struct CodesOf<X5> : CodesOfSignedScales<X5, -16, 15> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int j = 0; j < 4; ++j) nibbles_of_64(out + 64 * j, b.nibbles + 32 * j);
    add_bits_of_32<4>(out, b.high_bits);
    add<256>(out, -16);
  }
};

// out[256]: nibbles and, above them, two bits.
template <class Block>
[[gnu::always_inline]] inline void six_bits(std::int8_t* out, const Block& b) {
  std::int8_t high[256];
  for (int j = 0; j < 4; ++j) nibbles_of_64(out + 64 * j, b.nibbles + 32 * j);
  for (int half = 0; half < 2; ++half) two_bits_of_128(high + 128 * half, b.two_bits + 32 * half);
  for (int i = 0; i < 256; ++i) out[i] = static_cast<std::int8_t>(out[i] + 16 * high[i]);
}

template <>
struct CodesOf<X6> : CodesOfSignedScales<X6, -32, 31> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    six_bits(out, b);
    add<256>(out, -32);
  }
};

template <>
struct CodesOf<X7> : CodesOfSignedScales<X7, -64, 63> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    six_bits(out, b);
    add_bits_of_32<6>(out, b.high_bits);
    add<256>(out, -64);
  }
};

template <>
struct CodesOf<X8> : CodesOfSignedScales<X8, -128, 127> {
  [[gnu::always_inline]] static void codes(std::int8_t* out, const Block& b) {
    for (int i = 0; i < 256; ++i) out[i] = b.q[i];
  }
};
// NOLINTEND(bugprone-implicit-widening-of-multiplication-result)
}  // namespace core
