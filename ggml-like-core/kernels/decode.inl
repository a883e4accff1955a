// What kernels need to know of each quantized format: how a block becomes codes in bytes, and
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

// The 32 bytes at offset of each row's block, turned so that words[j] holds bytes 4 j .. 4 j + 3 of every
// row.
template <class V>
[[gnu::always_inline]] inline void turned_bytes(typename V::Words (&words)[8],
                                                const std::uint8_t* const (&block)[V::lanes],
                                                std::size_t offset) {
  typename V::Bytes rows[V::lanes];
  unroll<V::lanes>([&](auto r) { rows[r.value] = V::load_bytes(block[r.value] + offset); });
  V::interleave(words, rows);
}

// The codes of one block of V::lanes rows: out[k / 4][lane][4].
template <class V, class Q>
[[gnu::always_inline]] inline void codes_of(std::uint8_t* out, const std::uint8_t* const (&block)[V::lanes]) {
  using Block = typename Q::Block;
  using Words = typename V::Words;
  constexpr int kWord = 4 * V::lanes;
  if constexpr (Q::dtype == core::DType::q8_0) {
    Words words[8];
    turned_bytes<V>(words, block, offsetof(Block, q));
    unroll<8>([&](auto j) {
      V::store_words(out + j.value * kWord,
                     kSigned<V, Q> ? words[j.value] : V::flip_sign(words[j.value]));  // q + 128
    });
  } else if constexpr (Q::dtype == core::DType::q4_0) {
    // Only 16 bytes: they may be the last ones of the file.
    typename V::Bytes rows[V::lanes];
    unroll<V::lanes>(
        [&](auto r) { rows[r.value] = V::load_16_bytes(block[r.value] + offsetof(Block, nibbles)); });
    Words words[8];
    V::interleave(words, rows);
    unroll<4>([&](auto j) {
      V::store_words(out + j.value * kWord, V::template bits_of<0, 15>(words[j.value]));
      V::store_words(out + (4 + j.value) * kWord, V::template bits_of<4, 15>(words[j.value]));
    });
  } else if constexpr (Q::dtype == core::DType::q4_K) {
    unroll<4>([&](auto pair) {
      Words words[8];
      turned_bytes<V>(words, block, offsetof(Block, nibbles) + 32 * pair.value);
      unroll<8>([&](auto j) {
        std::uint8_t* low = out + (16 * pair.value + j.value) * kWord;
        V::store_words(low, V::template bits_of<0, 15>(words[j.value]));
        V::store_words(low + 8 * kWord, V::template bits_of<4, 15>(words[j.value]));
      });
    });
  } else if constexpr (Q::dtype == core::DType::q5_K) {
    Words high[8];
    turned_bytes<V>(high, block, offsetof(Block, high_bits));
    unroll<4>([&](auto pair) {
      constexpr int kGroup = 2 * decltype(pair)::value;
      Words words[8];
      turned_bytes<V>(words, block, offsetof(Block, nibbles) + 32 * pair.value);
      unroll<8>([&](auto j) {
        std::uint8_t* low = out + (8 * kGroup + j.value) * kWord;
        V::store_words(low, V::join(V::template bits_of<0, 15>(words[j.value]),
                                    V::template bits_of<kGroup, 1, 4>(high[j.value])));
        V::store_words(low + 8 * kWord, V::join(V::template bits_of<4, 15>(words[j.value]),
                                                V::template bits_of<kGroup + 1, 1, 4>(high[j.value])));
      });
    });
  } else {
    static_assert(Q::dtype == core::DType::q6_K);
    unroll<2>([&](auto half) {
      Words high[8];
      turned_bytes<V>(high, block, offsetof(Block, high_bits) + 32 * half.value);
      unroll<2>([&](auto side) {
        constexpr int kSide = decltype(side)::value;
        Words words[8];
        turned_bytes<V>(words, block, offsetof(Block, low_bits) + 64 * half.value + 32 * kSide);
        unroll<8>([&](auto j) {
          std::uint8_t* low = out + (32 * half.value + 8 * kSide + j.value) * kWord;
          V::store_words(low, V::join(V::template bits_of<0, 15>(words[j.value]),
                                      V::template bits_of<2 * kSide, 3, 4>(high[j.value])));
          V::store_words(low + 16 * kWord, V::join(V::template bits_of<4, 15>(words[j.value]),
                                                   V::template bits_of<2 * kSide + 4, 3, 4>(high[j.value])));
        });
      });
    });
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
    typename V::Words head[8];
    turned_bytes<V>(head, block, 0);
    const auto both = V::to_i32(head[0]);
    const auto a = V::to_i32(head[1]);
    const auto b = V::to_i32(head[2]);
    const auto c = V::to_i32(head[3]);
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
    for (int r = 0; r < lanes; ++r) halves[r] = read<std::uint16_t>(block[r] + offsetof(Block, scale_f16));
    typename V::Words tail[8];
    turned_bytes<V>(tail, block, offsetof(Block, sub_scales) - 16);
    const auto scale = V::load_f16(halves);
    unroll<4>([&](auto word) {
      const auto four = V::to_i32(tail[4 + word.value]);
      unroll<4>([&](auto byte) {
        constexpr int kUp = 24 - 8 * decltype(byte)::value;
        const auto one = V::template shift_right_signed<24>(V::template shift_left<kUp>(four));
        V::store(scales + (4 * word.value + byte.value) * lanes, V::mul(scale, V::to_f32(one)));
      });
    });
  }
}

}  // namespace
