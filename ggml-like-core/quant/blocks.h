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

template <class... Q>
struct FormatList {
  static constexpr int count = sizeof...(Q);
  // f.template operator()<Q>() for every format, in order.
  template <class F>
  static constexpr void for_each(F&& f) {
    (f.template operator()<Q>(), ...);
  }
};
using AllFormats = FormatList<F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K>;  // the only list

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

}  // namespace core
