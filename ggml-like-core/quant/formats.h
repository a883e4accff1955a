// One struct per weight format, and the only list of them. Everything about formats is derived from AllFormats.
// Block layouts are those of GGUF; gguf-spec.md describes them byte by byte.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/dtype.h"

namespace core {

struct F32 {
  static constexpr DType dtype = DType::f32;
  static constexpr std::string_view name = "F32";
  static constexpr int block_len = 1;
  struct Block { float value; };
};

struct F16 {
  static constexpr DType dtype = DType::f16;
  static constexpr std::string_view name = "F16";
  static constexpr int block_len = 1;
  struct Block { std::uint16_t value_f16; };
};

struct BF16 {
  static constexpr DType dtype = DType::bf16;
  static constexpr std::string_view name = "BF16";
  static constexpr int block_len = 1;
  struct Block { std::uint16_t value_bf16; };
};

// weight[i] = scale * q[i].
struct Q8_0 {
  static constexpr DType dtype = DType::q8_0;
  static constexpr std::string_view name = "Q8_0";
  static constexpr int block_len = 32;
  struct Block { std::uint16_t scale_f16; std::int8_t q[32]; };
  static_assert(sizeof(Block) == 34, "on-disk layout");
};

// weight[i] = scale * (nibble[i] - 8); low nibbles are weights 0..15, high ones 16..31.
struct Q4_0 {
  static constexpr DType dtype = DType::q4_0;
  static constexpr std::string_view name = "Q4_0";
  static constexpr int block_len = 32;
  struct Block { std::uint16_t scale_f16; std::uint8_t nibbles[16]; };
  static_assert(sizeof(Block) == 18, "on-disk layout");
};

// 8 groups of 32: weight = scale * sub_scale[g] * nibble - min_scale * sub_min[g]. The 6-bit sub_scales and sub_mins are packed in
// 12 bytes (decode_scales_k4). Nibbles: 32 bytes hold groups 2j (low) and 2j + 1 (high).
struct Q4_K {
  static constexpr DType dtype = DType::q4_K;
  static constexpr std::string_view name = "Q4_K";
  static constexpr int block_len = 256;
  struct Block { std::uint16_t scale_f16, min_scale_f16; std::uint8_t scales[12]; std::uint8_t nibbles[128]; };
  static_assert(sizeof(Block) == 144, "on-disk layout");
};

// As Q4_K with a fifth bit: bit g of high_bits[i] belongs to weight i of group g.
struct Q5_K {
  static constexpr DType dtype = DType::q5_K;
  static constexpr std::string_view name = "Q5_K";
  static constexpr int block_len = 256;
  struct Block { std::uint16_t scale_f16, min_scale_f16; std::uint8_t scales[12]; std::uint8_t high_bits[32]; std::uint8_t nibbles[128]; };
  static_assert(sizeof(Block) == 176, "on-disk layout");
};

// 16 groups of 16: weight = scale * sub_scale[g] * (q - 32), q of 6 bits: 4 in low_bits, 2 in high_bits.
struct Q6_K {
  static constexpr DType dtype = DType::q6_K;
  static constexpr std::string_view name = "Q6_K";
  static constexpr int block_len = 256;
  struct Block { std::uint8_t low_bits[128]; std::uint8_t high_bits[64]; std::int8_t sub_scales[16]; std::uint16_t scale_f16; };
  static_assert(sizeof(Block) == 210, "on-disk layout");
};

template <class Q>
concept QuantFormat = requires {
  typename Q::Block;
  { Q::dtype } -> std::convertible_to<DType>;
  { Q::name } -> std::convertible_to<std::string_view>;
  { Q::block_len } -> std::convertible_to<int>;
};

template <QuantFormat... Q>
struct FormatList {
  static constexpr int count = sizeof...(Q);
  // f.template operator()<Q>() for every format, in order.
  template <class F>
  static constexpr void for_each(F&& f) {
    (f.template operator()<Q>(), ...);
  }
};
using AllFormats = FormatList<F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K>;  // the only list

struct FormatInfo {
  DType dtype;
  std::string_view name;
  int block_len;
  std::size_t block_bytes;
  double bits_per_weight() const { return 8.0 * static_cast<double>(block_bytes) / block_len; }
};

constexpr std::array<FormatInfo, AllFormats::count> kFormats = [] {
  std::array<FormatInfo, AllFormats::count> rows{};
  int i = 0;
  AllFormats::for_each([&]<class Q>() { rows[i++] = {Q::dtype, Q::name, Q::block_len, sizeof(typename Q::Block)}; });
  return rows;
}();

// The place of dtype in AllFormats (and so in every kernel table); nothing for other types.
constexpr std::optional<int> format_index(DType dtype) {
  for (int i = 0; i < AllFormats::count; ++i)
    if (kFormats[i].dtype == dtype) return i;
  return std::nullopt;
}
// dtype must be in AllFormats.
inline const FormatInfo& info(DType dtype) {
  const auto i = format_index(dtype);
  bug_if(!i, "not a weight format");
  return kFormats[*i];
}
// "q4_k", "Q4_K": case does not matter.
std::optional<DType> format_by_name(std::string_view name);

// Bytes of a row of n weights; n must be a multiple of the block length.
inline std::size_t row_bytes(DType dtype, std::int64_t n) {
  const FormatInfo& f = info(dtype);
  bug_if(n % f.block_len != 0, "row length must be a multiple of the block");
  return static_cast<std::size_t>(n / f.block_len) * f.block_bytes;
}

// Run time -> compile time: calls f.template operator()<Q>() for the format with this dtype, which must be in AllFormats.
template <class F>
void visit(DType dtype, F&& f) {
  AllFormats::for_each([&]<class Q>() {
    if (Q::dtype == dtype) f.template operator()<Q>();
  });
}

// Group g of a Q4_K or Q5_K block: its 6-bit scale and minimum.
struct ScaleMin { std::uint8_t scale, min; };
constexpr ScaleMin scale_min_k4(int g, const std::uint8_t* packed) {
  if (g < 4) return {static_cast<std::uint8_t>(packed[g] & 63), static_cast<std::uint8_t>(packed[g + 4] & 63)};
  return {static_cast<std::uint8_t>((packed[g + 4] & 15) | ((packed[g - 4] >> 6) << 4)),
          static_cast<std::uint8_t>((packed[g + 4] >> 4) | ((packed[g] >> 6) << 4))};
}

}  // namespace core
