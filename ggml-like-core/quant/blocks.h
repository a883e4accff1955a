// One struct per weight format, and the only list of them. Everything about formats is derived from
// AllFormats. Block layouts are those of GGUF; gguf-spec.md describes them byte by byte. Plain: no header of
// the standard library but <cstddef> and <cstdint>, because files compiled for one instruction set include
// this. Everyone else includes formats.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml-like-core/quant/dtype.h"

namespace core {

struct F32 {
  static constexpr DType dtype = DType::f32;
  static constexpr const char* name = "F32";
  static constexpr int block_len = 1;
  struct Block {
    float value;
  };
};

struct F16 {
  static constexpr DType dtype = DType::f16;
  static constexpr const char* name = "F16";
  static constexpr int block_len = 1;
  struct Block {
    std::uint16_t value_f16;
  };
};

struct BF16 {
  static constexpr DType dtype = DType::bf16;
  static constexpr const char* name = "BF16";
  static constexpr int block_len = 1;
  struct Block {
    std::uint16_t value_bf16;
  };
};

// weight[i] = scale * q[i].
struct Q8_0 {
  static constexpr DType dtype = DType::q8_0;
  static constexpr const char* name = "Q8_0";
  static constexpr int block_len = 32;
  struct Block {
    std::uint16_t scale_f16;
    std::int8_t q[32];
  };
  static_assert(sizeof(Block) == 34, "on-disk layout");
};

// weight[i] = scale * (nibble[i] - 8); low nibbles are weights 0..15, high ones 16..31.
struct Q4_0 {
  static constexpr DType dtype = DType::q4_0;
  static constexpr const char* name = "Q4_0";
  static constexpr int block_len = 32;
  struct Block {
    std::uint16_t scale_f16;
    std::uint8_t nibbles[16];
  };
  static_assert(sizeof(Block) == 18, "on-disk layout");
};

// weight[i] = scale * nibble[i] + min, nibbles as in Q4_0.
struct Q4_1 {
  static constexpr DType dtype = DType::q4_1;
  static constexpr const char* name = "Q4_1";
  static constexpr int block_len = 32;
  struct Block {
    std::uint16_t scale_f16, min_f16;
    std::uint8_t nibbles[16];
  };
  static_assert(sizeof(Block) == 20, "on-disk layout");
};

// As Q4_0 with a fifth bit, bit i of high_bits: weight[i] = scale * (q[i] - 16).
struct Q5_0 {
  static constexpr DType dtype = DType::q5_0;
  static constexpr const char* name = "Q5_0";
  static constexpr int block_len = 32;
  struct Block {
    std::uint16_t scale_f16;
    std::uint8_t high_bits[4];
    std::uint8_t nibbles[16];
  };
  static_assert(sizeof(Block) == 22, "on-disk layout");
};

// As Q4_1 with a fifth bit, bit i of high_bits.
struct Q5_1 {
  static constexpr DType dtype = DType::q5_1;
  static constexpr const char* name = "Q5_1";
  static constexpr int block_len = 32;
  struct Block {
    std::uint16_t scale_f16, min_f16;
    std::uint8_t high_bits[4];
    std::uint8_t nibbles[16];
  };
  static_assert(sizeof(Block) == 24, "on-disk layout");
};

// weight[i] = scale * v[nibble[i]], v 16 values that stand closer near 0; nibbles as in Q4_0.
struct IQ4_NL {
  static constexpr DType dtype = DType::iq4_nl;
  static constexpr const char* name = "IQ4_NL";
  static constexpr int block_len = 32;
  struct Block {
    std::uint16_t scale_f16;
    std::uint8_t nibbles[16];
  };
  static_assert(sizeof(Block) == 18, "on-disk layout");
};

// Microscaling: weight[i] = 2^(exponent - 128) * v[nibble[i]], v twice the values of a float of 4 bits
// (e2m1); nibbles as in Q4_0.
struct MXFP4 {
  static constexpr DType dtype = DType::mxfp4;
  static constexpr const char* name = "MXFP4";
  static constexpr int block_len = 32;
  struct Block {
    std::uint8_t scale_exponent;
    std::uint8_t nibbles[16];
  };
  static_assert(sizeof(Block) == 17, "on-disk layout");
};

// 16 groups of 16: weight = scale * s[g] * q - min_scale * m[g], s in the low nibble of scales[g], m in the
// high one. Each half of 128 weights has 32 bytes of two_bits, two bits for each quarter of 32.
struct Q2_K {
  static constexpr DType dtype = DType::q2_K;
  static constexpr const char* name = "Q2_K";
  static constexpr int block_len = 256;
  struct Block {
    std::uint8_t scales[16];
    std::uint8_t two_bits[64];
    std::uint16_t scale_f16, min_scale_f16;
  };
  static_assert(sizeof(Block) == 84, "on-disk layout");
};

// 16 groups of 16: weight = scale * sub_scale[g] * (q - 4), q of 3 bits: two_bits as in Q2_K; bit j of
// high_bits[i] belongs to weight 32 j + i. The 6-bit sub_scales, less 32, are packed in 12 bytes.
struct Q3_K {
  static constexpr DType dtype = DType::q3_K;
  static constexpr const char* name = "Q3_K";
  static constexpr int block_len = 256;
  struct Block {
    std::uint8_t high_bits[32];
    std::uint8_t two_bits[64];
    std::uint8_t scales[12];
    std::uint16_t scale_f16;
  };
  static_assert(sizeof(Block) == 110, "on-disk layout");
};

// 8 groups of 32: weight = scale * sub_scale[g] * nibble - min_scale * sub_min[g]. The 6-bit sub_scales and
// sub_mins are packed in 12 bytes (scale_min_k4). Nibbles: 32 bytes hold groups 2j (low) and 2j + 1
// (high).
struct Q4_K {
  static constexpr DType dtype = DType::q4_K;
  static constexpr const char* name = "Q4_K";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, min_scale_f16;
    std::uint8_t scales[12];
    std::uint8_t nibbles[128];
  };
  static_assert(sizeof(Block) == 144, "on-disk layout");
};

// As Q4_K with a fifth bit: bit g of high_bits[i] belongs to weight i of group g.
struct Q5_K {
  static constexpr DType dtype = DType::q5_K;
  static constexpr const char* name = "Q5_K";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, min_scale_f16;
    std::uint8_t scales[12];
    std::uint8_t high_bits[32];
    std::uint8_t nibbles[128];
  };
  static_assert(sizeof(Block) == 176, "on-disk layout");
};

// 16 groups of 16: weight = scale * sub_scale[g] * (q - 32), q of 6 bits: 4 in low_bits, 2 in high_bits.
struct Q6_K {
  static constexpr DType dtype = DType::q6_K;
  static constexpr const char* name = "Q6_K";
  static constexpr int block_len = 256;
  struct Block {
    std::uint8_t low_bits[128];
    std::uint8_t high_bits[64];
    std::int8_t sub_scales[16];
    std::uint16_t scale_f16;
  };
  static_assert(sizeof(Block) == 210, "on-disk layout");
};

// 8 groups of 32: weight = scale * (s[g] - 32) * v[nibble], v and nibbles of a group as in IQ4_NL; s of 6
// bits, 4 in scales_low, 2 in scales_high.
struct IQ4_XS {
  static constexpr DType dtype = DType::iq4_xs;
  static constexpr const char* name = "IQ4_XS";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, scales_high;
    std::uint8_t scales_low[4];
    std::uint8_t nibbles[128];
  };
  static_assert(sizeof(Block) == 136, "on-disk layout");
};

// 8 groups of 32: weight = scale / 4 * (2 s + 1) * (+-magnitude). Every 4 magnitudes are a point of a grid.
// Of each group signs_scale holds 4 times 7 bits of signs (sign_bits) and s in the highest 4.
struct IQ3_XXS {
  static constexpr DType dtype = DType::iq3_xxs;
  static constexpr const char* name = "IQ3_XXS";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint16_t scale_f16;
    std::uint8_t points[64];
    std::uint8_t signs_scale[8][4];
  };
  static_assert(sizeof(Block) == 98, "on-disk layout");
};

// 8 groups of 32: weight = scale * (2 s + 1) * (+-magnitude). Every 4 magnitudes are a point of a grid, its
// number of 9 bits: 8 in points, 1 in high_bits.
struct IQ3_S {
  static constexpr DType dtype = DType::iq3_s;
  static constexpr const char* name = "IQ3_S";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint16_t scale_f16;
    std::uint8_t points[64];
    std::uint8_t high_bits[8];
    std::uint8_t signs[32];
    std::uint8_t scales[4];
  };
  static_assert(sizeof(Block) == 110, "on-disk layout");
};

// 8 groups of 32: weight = scale / 8 * (2 s + 1) * (+-magnitude). Every 8 magnitudes are a point of a grid;
// signs_scale as in IQ3_XXS.
struct IQ2_XXS {
  static constexpr DType dtype = DType::iq2_xxs;
  static constexpr const char* name = "IQ2_XXS";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint16_t scale_f16;
    struct Group {
      std::uint8_t points[4];
      std::uint8_t signs_scale[4];
    } groups[8];
  };
  static_assert(sizeof(Block) == 66, "on-disk layout");
};

// 16 groups of 16: weight = scale / 8 * (2 s + 1) * (+-magnitude). Every 8 magnitudes are a point of a grid,
// its number in the low 9 bits of points, their signs (sign_bits) in the high 7.
struct IQ2_XS {
  static constexpr DType dtype = DType::iq2_xs;
  static constexpr const char* name = "IQ2_XS";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint16_t scale_f16;
    std::uint16_t points[32];
    std::uint8_t scales[8];
  };
  static_assert(sizeof(Block) == 74, "on-disk layout");
};

// As IQ2_XS with 10 bits for the number of a point, 8 in points, 2 in high_bits, and all 8 signs.
struct IQ2_S {
  static constexpr DType dtype = DType::iq2_s;
  static constexpr const char* name = "IQ2_S";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint16_t scale_f16;
    std::uint8_t points[32];
    std::uint8_t signs[32];
    std::uint8_t high_bits[8];
    std::uint8_t scales[8];
  };
  static_assert(sizeof(Block) == 82, "on-disk layout");
};

// 8 groups of 32: weight = scale * (2 s + 1) * (t + shift), t in -1, 0, 1 and shift an eighth up or down.
// Every 8 t are a point of a grid, its number of 11 bits: 8 in points, 3 in high_bits, of which each group
// has four, then s of 3 bits and the sign of the shift.
struct IQ1_S {
  static constexpr DType dtype = DType::iq1_s;
  static constexpr const char* name = "IQ1_S";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint16_t scale_f16;
    std::uint8_t points[32];
    std::uint16_t high_bits[8];
  };
  static_assert(sizeof(Block) == 50, "on-disk layout");
};

// As IQ1_S in groups of 16, with a shift for every 8 weights. high_bits: a nibble for each point, 3 bits of
// its number and the sign of the shift. scales: 4 times 3 bits, and in the highest nibbles the f16 scale.
struct IQ1_M {
  static constexpr DType dtype = DType::iq1_m;
  static constexpr const char* name = "IQ1_M";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint8_t points[32];
    std::uint8_t high_bits[16];
    std::uint16_t scales[4];
  };
  static_assert(sizeof(Block) == 56, "on-disk layout");
};

// weight = scale * t, t in -1, 0, 1: five (in the last bytes four) to a byte, as digits to the base 3 of a
// fraction of 256.
struct TQ1_0 {
  static constexpr DType dtype = DType::tq1_0;
  static constexpr const char* name = "TQ1_0";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint8_t five_digits[48];
    std::uint8_t four_digits[4];
    std::uint16_t scale_f16;
  };
  static_assert(sizeof(Block) == 54, "on-disk layout");
};

// weight = scale * (q - 1), two_bits as in Q2_K.
struct TQ2_0 {
  static constexpr DType dtype = DType::tq2_0;
  static constexpr const char* name = "TQ2_0";
  static constexpr int block_len = 256;
  static constexpr bool read_only = true;
  struct Block {
    std::uint8_t two_bits[64];
    std::uint16_t scale_f16;
  };
  static_assert(sizeof(Block) == 66, "on-disk layout");
};

// Our own formats of 4 to 8 bits: 8 groups of 32, weight = scale * (s[g] - 32) * value; s of 6 bits, 4 in
// scales_low, 2 in scales_high (signed_scales). Value: v[nibble] with v 16 values within 6 bits that stand
// closer near 0 (kX4Values), nibbles as in Q4_K.
struct X4 {
  static constexpr DType dtype = DType::x4;
  static constexpr const char* name = "X4";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, scales_high;
    std::uint8_t scales_low[4];
    std::uint8_t nibbles[128];
  };
  static_assert(sizeof(Block) == 136, "on-disk layout");
};

// Value: q - 16, nibbles and high_bits as in Q5_K.
struct X5 {
  static constexpr DType dtype = DType::x5;
  static constexpr const char* name = "X5";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, scales_high;
    std::uint8_t scales_low[4];
    std::uint8_t high_bits[32];
    std::uint8_t nibbles[128];
  };
  static_assert(sizeof(Block) == 168, "on-disk layout");
};

// Value: q - 32, the lowest 4 bits as in Q4_K, the others in two_bits as in Q2_K.
struct X6 {
  static constexpr DType dtype = DType::x6;
  static constexpr const char* name = "X6";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, scales_high;
    std::uint8_t scales_low[4];
    std::uint8_t two_bits[64];
    std::uint8_t nibbles[128];
  };
  static_assert(sizeof(Block) == 200, "on-disk layout");
};

// Value: q - 64, the lowest 6 bits as in X6, the seventh in high_bits as X5's fifth.
struct X7 {
  static constexpr DType dtype = DType::x7;
  static constexpr const char* name = "X7";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, scales_high;
    std::uint8_t scales_low[4];
    std::uint8_t two_bits[64];
    std::uint8_t high_bits[32];
    std::uint8_t nibbles[128];
  };
  static_assert(sizeof(Block) == 232, "on-disk layout");
};

// Value: q.
struct X8 {
  static constexpr DType dtype = DType::x8;
  static constexpr const char* name = "X8";
  static constexpr int block_len = 256;
  struct Block {
    std::uint16_t scale_f16, scales_high;
    std::uint8_t scales_low[4];
    std::int8_t q[256];
  };
  static_assert(sizeof(Block) == 264, "on-disk layout");
};

// The same blocks of 16 rows together (tile.h): what stands at one place of 16 rows lies side by side, so
// that vectors of rows are read as they lie. Tensors whose rows are a multiple of 16 can be stored so.
template <class Q>
struct Tiled {
  using Row = Q;
  static constexpr DType dtype = tiled(Q::dtype);
  static constexpr int block_len = Q::block_len;
  using Block = typename Q::Block;
};
struct Q8_0_X16 : Tiled<Q8_0> {
  static constexpr const char* name = "Q8_0_X16";
};
struct Q4_0_X16 : Tiled<Q4_0> {
  static constexpr const char* name = "Q4_0_X16";
};
struct Q4_K_X16 : Tiled<Q4_K> {
  static constexpr const char* name = "Q4_K_X16";
};
struct Q5_K_X16 : Tiled<Q5_K> {
  static constexpr const char* name = "Q5_K_X16";
};
struct Q6_K_X16 : Tiled<Q6_K> {
  static constexpr const char* name = "Q6_K_X16";
};
struct X4_X16 : Tiled<X4> {
  static constexpr const char* name = "X4_X16";
};
struct X5_X16 : Tiled<X5> {
  static constexpr const char* name = "X5_X16";
};
struct X6_X16 : Tiled<X6> {
  static constexpr const char* name = "X6_X16";
};
struct X7_X16 : Tiled<X7> {
  static constexpr const char* name = "X7_X16";
};
struct X8_X16 : Tiled<X8> {
  static constexpr const char* name = "X8_X16";
};
// Pairs of weights are its blocks: what one product of 16-bit integers takes.
struct BF16_X16 : Tiled<BF16> {
  static constexpr const char* name = "BF16_X16";
  static constexpr int block_len = 2;
  struct Block {
    std::uint16_t value_bf16[2];
  };
};

template <class... Q>
struct FormatList {
  static constexpr int count = sizeof...(Q);
  // f.template operator()<Q>() for every format, in order.
  template <class F>
  static constexpr void for_each(F&& f) {
    (f.template operator()<Q>(), ...);
  }
};
using AllFormats = FormatList<F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, MXFP4, Q2_K, Q3_K, Q4_K,
                              Q5_K, Q6_K, IQ4_XS, IQ3_XXS, IQ3_S, IQ2_XXS, IQ2_XS, IQ2_S, IQ1_S, IQ1_M, TQ1_0,
                              TQ2_0, X4, X5, X6, X7, X8>;  // the only list

using TiledFormats = FormatList<Q8_0_X16, Q4_0_X16, Q4_K_X16, Q5_K_X16, Q6_K_X16, X4_X16, X5_X16, X6_X16,
                                X7_X16, X8_X16, BF16_X16>;  // and of these

// Group g of a Q4_K or Q5_K block: its 6-bit scale and minimum.
struct ScaleMin {
  std::uint8_t scale, min;
};
[[gnu::always_inline]] constexpr ScaleMin scale_min_k4(int g, const std::uint8_t* packed) {
  if (g < 4)
    return {static_cast<std::uint8_t>(packed[g] & 63), static_cast<std::uint8_t>(packed[g + 4] & 63)};
  return {static_cast<std::uint8_t>((packed[g + 4] & 15) | ((packed[g - 4] >> 6) << 4)),
          static_cast<std::uint8_t>((packed[g + 4] >> 4) | ((packed[g] >> 6) << 4))};
}

// All of them, one a byte, group 0 in the lowest.
struct ScalesMins {
  std::uint64_t scales, mins;
};
[[gnu::always_inline]] inline ScalesMins scales_min_k4(const std::uint8_t* packed) {
  const auto word = [packed](int i) {
    std::uint32_t four = 0;
    __builtin_memcpy(&four, packed + std::ptrdiff_t{4} * i, sizeof four);
    return four;
  };
  const auto eight = [](std::uint32_t low, std::uint32_t nibbles) {
    const std::uint32_t high = (nibbles & 0x0f0f0f0fU) | ((low >> 2U) & 0x30303030U);
    return (low & 0x3f3f3f3fU) | std::uint64_t{high} << 32U;
  };
  return {eight(word(0), word(2)), eight(word(1), word(2) >> 4U)};
}

// The 8 sub-scales of an X block, less 32, as bytes with signs, group 0 in the lowest.
[[gnu::always_inline]] inline std::uint64_t signed_scales(const std::uint8_t (&low)[4], std::uint16_t high) {
  std::uint32_t nibbles = 0;
  __builtin_memcpy(&nibbles, low, sizeof nibbles);
  std::uint64_t four = (nibbles | std::uint64_t{nibbles} << 16U) & 0x0000ffff0000ffffU;
  four = (four | four << 8U) & 0x00ff00ff00ff00ffU;
  four = (four | four << 4U) & 0x0f0f0f0f0f0f0f0fU;
  std::uint64_t two = (high | std::uint64_t{high} << 24U) & 0x000000ff000000ffU;
  two = (two | two << 12U) & 0x000f000f000f000fU;
  two = (two | two << 6U) & 0x0303030303030303U;
  return ((four | two << 4U | 0x8080808080808080U) - 0x2020202020202020U) ^ 0x8080808080808080U;
}

}  // namespace core
