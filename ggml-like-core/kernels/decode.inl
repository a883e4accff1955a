// What kernels need to know of each quantized format: how a group of 32 weights becomes codes in bytes, and
// what the scales of a block are. Included only by make_table.inl.
//
// weight = scale[group] * (code - offset) - min[group], a group being 32 or 16 weights.
#pragma once

#include "ggml-like-core/kernels/simd/common.h"
#include "ggml-like-core/quant/blocks.h"

namespace {

template <class Q>
struct Codes;
template <>
struct Codes<core::Q8_0> {
  static constexpr int group = 32, max_code = 255, offset = 128;
  static constexpr bool has_min = false;
};
template <>
struct Codes<core::Q4_0> {
  static constexpr int group = 32, max_code = 15, offset = 8;
  static constexpr bool has_min = false;
};
template <>
struct Codes<core::Q4_K> {
  static constexpr int group = 32, max_code = 15, offset = 0;
  static constexpr bool has_min = true;
};
template <>
struct Codes<core::Q5_K> {
  static constexpr int group = 32, max_code = 31, offset = 0;
  static constexpr bool has_min = true;
};
template <>
struct Codes<core::Q6_K> {
  static constexpr int group = 16, max_code = 63, offset = 32;
  static constexpr bool has_min = false;
};

// Codes over 127 where V wants them signed: kept as they lie in the file, with offset 0.
template <class V, class Q>
inline constexpr bool kSigned = (Codes<Q>::max_code > 127) && !V::unsigned_codes;
template <class V, class Q>
inline constexpr int kOffset = kSigned<V, Q> ? 0 : Codes<Q>::offset;

// The codes of weights 32 g .. 32 g + 31 of the block at p.
template <class V, class Q, int g>
[[gnu::always_inline]] inline typename V::Bytes codes_of(const std::uint8_t* p) {
  using Block = typename Q::Block;
  if constexpr (Q::dtype == core::DType::q8_0) {
    const auto q = V::load_bytes(p + offsetof(Block, q));
    if constexpr (kSigned<V, Q>)
      return q;
    else
      return V::flip_sign(q);  // q + 128
  } else if constexpr (Q::dtype == core::DType::q4_0) {
    return V::load_nibbles(p + offsetof(Block, nibbles));
  } else if constexpr (Q::dtype == core::DType::q4_K) {
    return V::template bits_of<4 * (g % 2), 15>(V::load_bytes(p + offsetof(Block, nibbles) + 32 * (g / 2)));
  } else if constexpr (Q::dtype == core::DType::q5_K) {
    const auto low =
        V::template bits_of<4 * (g % 2), 15>(V::load_bytes(p + offsetof(Block, nibbles) + 32 * (g / 2)));
    return V::join(low, V::template bits_of<g, 1, 4>(V::load_bytes(p + offsetof(Block, high_bits))));
  } else {
    static_assert(Q::dtype == core::DType::q6_K);
    constexpr int half = g / 4;
    constexpr int quarter = g % 4;
    const auto low = V::template bits_of<4 * (quarter / 2), 15>(
        V::load_bytes(p + offsetof(Block, low_bits) + 64 * half + 32 * (quarter % 2)));
    const auto high =
        V::template bits_of<2 * quarter, 3, 4>(V::load_bytes(p + offsetof(Block, high_bits) + 32 * half));
    return V::join(low, high);
  }
}

// The scales (and minimums) of one block of V::lanes rows: scales[group][lane], mins[group][lane].
template <class V, class Q>
[[gnu::always_inline]] inline void scales_of(float* scales, float* mins,
                                             const std::uint8_t* const (&block)[V::lanes]) {
  using Block = typename Q::Block;
  constexpr int lanes = V::lanes;
  alignas(64) std::uint16_t halves[lanes];
  if constexpr (Q::dtype == core::DType::q8_0 || Q::dtype == core::DType::q4_0) {
    for (int r = 0; r < lanes; ++r) halves[r] = read<std::uint16_t>(block[r] + offsetof(Block, scale_f16));
    V::store(scales, V::load_f16(halves));
  } else if constexpr (Q::dtype == core::DType::q4_K || Q::dtype == core::DType::q5_K) {
    // The first 16 bytes of every row: both f16 scales, then 12 bytes of packed 6-bit ones (scale_min_k4,
    // here four groups at once: one byte of a lane each).
    static_assert(offsetof(Block, scale_f16) == 0 && offsetof(Block, min_scale_f16) == 2 &&
                  offsetof(Block, scales) == 4);
    alignas(64) std::uint8_t head[32 * lanes];
    typename V::Bytes rows[lanes];
    for (int r = 0; r < lanes; ++r) rows[r] = V::load_bytes(block[r]);
    V::interleave(head, rows);
    const auto both = V::load_i32(head);
    const auto a = V::load_i32(head + 4 * lanes);
    const auto b = V::load_i32(head + 8 * lanes);
    const auto c = V::load_i32(head + 12 * lanes);
    const auto scale = V::low_f16(both);
    const auto min_scale = V::low_f16(V::template shift_right<16>(both));
    const auto top_bits = [](typename V::i32 v) __attribute__((always_inline)) {
      return V::and_i32(V::template shift_right<2>(v), 0x30303030U);
    };
    const typename V::i32 packed[2] = {V::and_i32(a, 0x3f3f3f3fU),
                                       V::or_i32(V::and_i32(c, 0x0f0f0f0fU), top_bits(a))};
    const typename V::i32 packed_min[2] = {
        V::and_i32(b, 0x3f3f3f3fU),
        V::or_i32(V::and_i32(V::template shift_right<4>(c), 0x0f0f0f0fU), top_bits(b))};
    unroll<8>([&](auto g) {
      constexpr int kShift = 8 * (decltype(g)::value % 4);
      constexpr int kWord = decltype(g)::value / 4;
      const auto byte_of = [](typename V::i32 v) __attribute__((always_inline)) {
        return V::to_f32(V::and_i32(V::template shift_right<kShift>(v), 0xffU));
      };
      V::store(scales + g.value * lanes, V::mul(scale, byte_of(packed[kWord])));
      V::store(mins + g.value * lanes, V::mul(min_scale, byte_of(packed_min[kWord])));
    });
  } else {
    static_assert(Q::dtype == core::DType::q6_K);
    // Sub-scales are signed bytes; 16 bytes before them are read only to have 32.
    alignas(64) std::uint8_t tail[32 * lanes];
    typename V::Bytes rows[lanes];
    for (int r = 0; r < lanes; ++r) {
      halves[r] = read<std::uint16_t>(block[r] + offsetof(Block, scale_f16));
      rows[r] = V::load_bytes(block[r] + offsetof(Block, sub_scales) - 16);
    }
    V::interleave(tail, rows);
    const auto scale = V::load_f16(halves);
    unroll<4>([&](auto word) {
      const auto four = V::load_i32(tail + (4 + word.value) * 4 * lanes);
      unroll<4>([&](auto byte) {
        constexpr int kUp = 24 - 8 * decltype(byte)::value;
        const auto one = V::template shift_right_signed<24>(V::template shift_left<kUp>(four));
        V::store(scales + (4 * word.value + byte.value) * lanes, V::mul(scale, V::to_f32(one)));
      });
    });
  }
}

}  // namespace
