// How a block of each quantized format becomes a strip: unsigned codes in bytes with their scales beside
// them, rows in lanes. quant/codes.h defines what a block stands for; formats without vector code of their
// own here are unpacked through it. Included only by quant_mat.inl.
#pragma once

#include "ggml-like-core/kernels/float_mat.inl"
#include "ggml-like-core/kernels/quant_kind.inl"
#include "ggml-like-core/kernels/simd/common.h"
#include "ggml-like-core/quant/blocks.h"
#include "ggml-like-core/quant/codes.h"
#include "ggml-like-core/quant/tile.h"

namespace {

// Where V::lanes rows of a matrix are read, block by block. Each source has
//
//   Source(m, row, k, block_len, block_bytes)   rows from `row` on, from weight k on; lanes beyond the last
//   row
//                                               repeat it
//   block<Block>(lane)             the block of a row
//   turned(words, offset)          words[j]: bytes offset + 4 j to + 4 j + 3 of every row's block
//   turned_16(words, offset)       the same for 16 bytes, words 0 .. 3: they may be the last ones of the file
//   halves(offset)                 the f16 there of every row
//   next<Block>(ahead)             to the next block
//
// Rows that lie one after another.
template <class V>
struct RowSource {
  static constexpr bool tiles = false;
  const std::uint8_t* at[V::lanes];

  RowSource(const MatArguments& m, std::int64_t row, std::int64_t block, std::size_t block_bytes) {
    for (int l = 0; l < V::lanes; ++l)
      at[l] = m.w + static_cast<std::size_t>(row + l < m.rows ? row + l : m.rows - 1) * m.w_stride +
              static_cast<std::size_t>(block) * block_bytes;
  }
  template <class Block>
  Block block(int lane) const {
    return read<Block>(at[lane]);
  }
  [[gnu::always_inline]] void turned(typename V::Words (&words)[8], std::size_t offset) const {
    typename V::Bytes rows[V::lanes];
    unroll<V::lanes>([&](auto r) { rows[r.value] = V::load_bytes(at[r.value] + offset); });
    V::interleave(words, rows);
  }
  [[gnu::always_inline]] void turned_16(typename V::Words (&words)[8], std::size_t offset) const {
    typename V::Bytes rows[V::lanes];
    unroll<V::lanes>([&](auto r) { rows[r.value] = V::load_16_bytes(at[r.value] + offset); });
    V::interleave(words, rows);
  }
  [[gnu::always_inline]] typename V::f32 halves(std::size_t offset) const {
    alignas(64) std::uint16_t f16[V::lanes];
    for (int r = 0; r < V::lanes; ++r) f16[r] = read<std::uint16_t>(at[r] + offset);
    return V::load_f16(f16);
  }
  // ahead: from a byte to the one that is wanted next time. Many short pieces of rows are not a stream that
  // processors foresee: told of them, they read at full speed.
  template <class Block>
  [[gnu::always_inline]] void next(std::size_t ahead) {
    for (int r = 0; r < V::lanes; ++r) {
      for (std::size_t line = 0; line < sizeof(Block); line += 64)
        __builtin_prefetch(at[r] + ahead + line, 0, 2);
      at[r] += sizeof(Block);
    }
  }
};

// Rows in tiles (quant/tile.h): nothing needs turning. Rows beyond the last tile are those of the last tile.
template <class V>
struct TileSource {
  static constexpr bool tiles = true;
  const std::uint8_t* tile;
  std::size_t lane;

  TileSource(const MatArguments& m, std::int64_t row, std::int64_t block, std::size_t block_bytes)
      : tile(m.w +
             static_cast<std::size_t>((row < m.rows ? row : m.rows - 1) / core::kTileRows * core::kTileRows) *
                 m.w_stride +
             static_cast<std::size_t>(block * core::kTileRows) * block_bytes),
        lane(static_cast<std::size_t>(row % core::kTileRows)) {
    static_assert(core::kTileRows % V::lanes == 0);
  }
  template <int n>
  [[gnu::always_inline]] void words_at(typename V::Words (&words)[8], std::size_t offset) const {
    unroll<n>([&](auto j) { words[j.value] = V::load_words(tile + 16 * offset + 64 * j.value + 4 * lane); });
  }
  [[gnu::always_inline]] void turned(typename V::Words (&words)[8], std::size_t offset) const {
    words_at<8>(words, offset);
  }
  [[gnu::always_inline]] void turned_16(typename V::Words (&words)[8], std::size_t offset) const {
    words_at<4>(words, offset);
  }
  [[gnu::always_inline]] typename V::f32 halves(std::size_t offset) const {
    return V::load_f16(tile + 16 * offset + 2 * lane);
  }
  // A tile is read in an order of its own, by vectors that take turns: it is asked for whole.
  template <class Block>
  [[gnu::always_inline]] void fetch_ahead() const {
    constexpr std::size_t kAhead = 8192;
    for (std::size_t line = 0; line < core::kTileRows * sizeof(Block); line += 64)
      __builtin_prefetch(tile + kAhead + line, 0, 2);
  }
  template <class Block>
  [[gnu::always_inline]] void next(std::size_t) {
    if (lane == 0) fetch_ahead<Block>();
    tile += core::kTileRows * sizeof(Block);
  }
};

// X4 to X8.
template <class Q>
inline constexpr bool kHasSignedScales =
    Q::dtype == core::DType::x4 || Q::dtype == core::DType::x5 || Q::dtype == core::DType::x6 ||
    Q::dtype == core::DType::x7 || Q::dtype == core::DType::x8;
// Nibbles of two groups of 32 together, in 32 bytes.
template <class Q>
inline constexpr bool kHasPairsOfGroups = Q::dtype == core::DType::q4_K || Q::dtype == core::DType::q5_K ||
                                          (kHasSignedScales<Q> && Q::dtype != core::DType::x8);
// Bits 4 and 5 of codes, in two_bits.
template <class Q>
inline constexpr bool kHasTwoBits = Q::dtype == core::DType::x6 || Q::dtype == core::DType::x7;
// Which bit of codes stands alone, in high_bits; 0: none.
template <class Q>
inline constexpr int kLoneBit = Q::dtype == core::DType::q5_K || Q::dtype == core::DType::x5 ? 4
                                : Q::dtype == core::DType::x7                                ? 6
                                                                                             : 0;

// The codes of X4 for its nibbles.
struct X4Codes {
  std::uint8_t of[16];
  constexpr X4Codes() : of{} {
    for (int i = 0; i < 16; ++i)
      of[i] = static_cast<std::uint8_t>(core::kX4Values[i] + natural_offset<core::X4>());
  }
};
inline constexpr X4Codes kX4Codes;

template <class Q>
inline constexpr bool kHasVectorCode =
    Q::dtype == core::DType::q8_0 || Q::dtype == core::DType::q4_0 || Q::dtype == core::DType::q4_K ||
    Q::dtype == core::DType::q5_K || Q::dtype == core::DType::q6_K || kHasSignedScales<Q>;

// The codes of one block of V::lanes rows: put(Index<k / 4>, words) for each four of k, in any order.
template <class V, class Q, class Source, class Put>
[[gnu::always_inline]] inline void codes_of(const Source& source, const Put& put) {
  using Block = typename Q::Block;
  using Words = typename V::Words;
  static_assert(kHasVectorCode<Q>);
  if constexpr (Q::dtype == core::DType::q8_0 || Q::dtype == core::DType::x8) {
    unroll<Q::block_len / 32>([&](auto g) __attribute__((always_inline)) {
      Words words[8];
      source.turned(words, offsetof(Block, q) + 32 * g.value);
      unroll<8>([&](auto j) __attribute__((always_inline)) {
        put(Index<8 * decltype(g)::value + decltype(j)::value>{},
            kSigned<V, Q> ? words[j.value] : V::flip_sign(words[j.value]));  // q + 128
      });
    });
  } else if constexpr (Q::dtype == core::DType::q4_0) {
    Words words[8];
    source.turned_16(words, offsetof(Block, nibbles));
    unroll<4>([&](auto j) __attribute__((always_inline)) {
      put(j, V::template bits_of<0, 15>(words[j.value]));
      put(Index<4 + decltype(j)::value>{}, V::template bits_of<4, 15>(words[j.value]));
    });
  } else if constexpr (kHasPairsOfGroups<Q>) {
    Words lone[8];
    Words two[8];
    if constexpr (kLoneBit<Q> != 0) source.turned(lone, offsetof(Block, high_bits));
    unroll<4>([&](auto pair) __attribute__((always_inline)) {
      constexpr int kGroup = 2 * decltype(pair)::value;
      if constexpr (kHasTwoBits<Q>)  // of its own: clang++ reads what stands behind a condition on kGroup
        if constexpr (kGroup % 4 == 0) source.turned(two, offsetof(Block, two_bits) + 8 * kGroup);
      Words words[8];
      source.turned(words, offsetof(Block, nibbles) + 16 * kGroup);
      unroll<8>([&](auto j) __attribute__((always_inline)) {
        auto first = V::template bits_of<0, 15>(words[j.value]);
        auto second = V::template bits_of<4, 15>(words[j.value]);
        if constexpr (kHasTwoBits<Q>) {
          constexpr int kBit = 2 * (kGroup % 4);
          first = V::join(first, V::template bits_of<kBit, 3, 4>(two[j.value]));
          second = V::join(second, V::template bits_of<kBit + 2, 3, 4>(two[j.value]));
        }
        if constexpr (kLoneBit<Q> != 0) {
          first = V::join(first, V::template bits_of<kGroup, 1, kLoneBit<Q>>(lone[j.value]));
          second = V::join(second, V::template bits_of<kGroup + 1, 1, kLoneBit<Q>>(lone[j.value]));
        }
        if constexpr (Q::dtype == core::DType::x4) {
          first = V::lookup(first, kX4Codes.of);
          second = V::lookup(second, kX4Codes.of);
        }
        constexpr int kStep = 8 * kGroup + decltype(j)::value;
        put(Index<kStep>{}, first);
        put(Index<kStep + 8>{}, second);
      });
    });
  } else {
    static_assert(Q::dtype == core::DType::q6_K);
    unroll<2>([&](auto half) __attribute__((always_inline)) {
      Words high[8];
      source.turned(high, offsetof(Block, high_bits) + 32 * half.value);
      unroll<2>([&](auto side) __attribute__((always_inline)) {
        constexpr int kSide = decltype(side)::value;
        Words words[8];
        source.turned(words, offsetof(Block, low_bits) + 64 * half.value + 32 * kSide);
        unroll<8>([&](auto j) __attribute__((always_inline)) {
          constexpr int kStep = 32 * decltype(half)::value + 8 * kSide + decltype(j)::value;
          put(Index<kStep>{}, V::join(V::template bits_of<0, 15>(words[j.value]),
                                      V::template bits_of<2 * kSide, 3, 4>(high[j.value])));
          put(Index<kStep + 16>{}, V::join(V::template bits_of<4, 15>(words[j.value]),
                                           V::template bits_of<2 * kSide + 4, 3, 4>(high[j.value])));
        });
      });
    });
  }
}

// The scales (and minimums) of one block of V::lanes rows, one vector of each place.
template <class V, class Q, int vectors, class Source>
[[gnu::always_inline]] inline void scales_of(const Strip& out, const Source& source) {
  using Block = typename Q::Block;
  constexpr int kNext = V::lanes * vectors;
  if constexpr (Q::dtype == core::DType::q8_0 || Q::dtype == core::DType::q4_0) {
    V::store(out.d, source.halves(offsetof(Block, scale_f16)));
  } else if constexpr (kHasSignedScales<Q>) {
    // The f16 scale, the high two bits of sub-scales, and their low four, in the first 8 bytes of every row.
    static_assert(offsetof(Block, scale_f16) == 0 && offsetof(Block, scales_high) == 2 &&
                  offsetof(Block, scales_low) == 4);
    typename V::Words head[8];
    source.turned_16(head, 0);
    const auto both = V::to_i32(head[0]);
    const auto low = V::to_i32(head[1]);
    V::store(out.d, V::low_f16(both));
    typename V::i32 scale[8];
    unroll<8>([&](auto g) {
      constexpr int kGroup = decltype(g)::value;
      const auto high = V::and_i32(V::template shift_right<12 + 2 * kGroup>(both), 0x30U);
      scale[kGroup] = V::sub_i32(V::or_i32(V::and_i32(V::template shift_right<4 * kGroup>(low), 0xfU), high),
                                 V::set_i32(32));
      V::store_i32(out.scales + kGroup * kNext, V::to_scale(scale[kGroup]));
    });
    if constexpr (kOffset<V, Q> != 0) {
      constexpr int kShift = __builtin_ctz(kOffset<V, Q>);
      unroll<4>([&](auto pair) {
        V::store_i32(out.mins + pair.value * kNext,
                     V::or_i32(V::and_i32(V::template shift_left<kShift>(scale[2 * pair.value]), 0xffffU),
                               V::template shift_left<16 + kShift>(scale[2 * pair.value + 1])));
      });
    }
  } else if constexpr (Q::dtype == core::DType::q4_K || Q::dtype == core::DType::q5_K) {
    // The first 16 bytes of every row: both f16 scales, then 12 bytes of packed 6-bit ones (scale_min_k4,
    // here four groups at once: one byte of a lane each).
    static_assert(offsetof(Block, scale_f16) == 0 && offsetof(Block, min_scale_f16) == 2 &&
                  offsetof(Block, scales) == 4);
    typename V::Words head[8];
    source.turned(head, 0);
    const auto both = V::to_i32(head[0]);
    const auto a = V::to_i32(head[1]);
    const auto b = V::to_i32(head[2]);
    const auto c = V::to_i32(head[3]);
    V::store(out.d, V::low_f16(both));
    V::store(out.d_min, V::sub(V::zero(), V::low_f16(V::template shift_right<16>(both))));
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
      const auto scale = V::and_i32(V::template shift_right<kShift>(packed[g.value / 4]), 0xffU);
      V::store_i32(out.scales + g.value * kNext, V::to_scale(scale));
    });
    unroll<2>([&](auto four) {
      const auto mins = packed_min[four.value];
      const auto high = V::template shift_right<8>(mins);
      const auto pair = [](typename V::i32 low, typename V::i32 next) __attribute__((always_inline)) {
        return V::or_i32(V::and_i32(low, 0xffU), V::and_i32(next, 0xff0000U));
      };
      V::store_i32(out.mins + 2 * four.value * kNext, pair(mins, V::template shift_left<8>(mins)));
      V::store_i32(out.mins + (2 * four.value + 1) * kNext, pair(V::template shift_right<16>(mins), high));
    });
  } else {
    static_assert(Q::dtype == core::DType::q6_K);
    V::store(out.d, source.halves(offsetof(Block, scale_f16)));
    // Sub-scales are signed bytes; 16 bytes before them are read only to have 32.
    typename V::Words tail[8];
    source.turned(tail, offsetof(Block, sub_scales) - 16);
    unroll<4>([&](auto word) {
      const auto four = V::to_i32(tail[4 + word.value]);
      typename V::i32 scale[4];
      unroll<4>([&](auto byte) {
        constexpr int kUp = 24 - 8 * decltype(byte)::value;
        scale[byte.value] = V::template shift_right_signed<24>(V::template shift_left<kUp>(four));
        V::store_i32(out.scales + (4 * word.value + byte.value) * kNext, V::to_scale(scale[byte.value]));
      });
      unroll<2>([&](auto pair) {
        V::store_i32(out.mins + (2 * word.value + pair.value) * kNext,
                     V::or_i32(V::and_i32(V::template shift_left<5>(scale[2 * pair.value]), 0xffffU),
                               V::template shift_left<21>(scale[2 * pair.value + 1])));  // 32 * scale
      });
    });
  }
}

// Any format through its definition: one row after the other.
template <class V, class Q, int vectors, class Source>
void unpack_by_definition(const Strip& out, const Source& source) {
  using K = KindOf<V, Q>;
  using Definition = core::CodesOf<Q>;
  constexpr int kBlock = Q::block_len;
  constexpr int kGroups = kBlock / K::group;
  constexpr int kNext = V::lanes * vectors;
  alignas(64) std::int8_t codes[V::lanes][kBlock];
  for (int r = 0; r < V::lanes; ++r) {
    const auto b = source.template block<typename Q::Block>(r);
    Definition::codes(codes[r], b);
    for (int i = 0; i < kBlock; ++i)
      codes[r][i] = static_cast<std::int8_t>(codes[r][i] + kOffset<V, Q>);  // offset 128 turns into the sign
    out.d[r] = Definition::scale(b);
    if constexpr (Definition::has_min) out.d_min[r] = -Definition::min_scale(b);
    if constexpr (K::super) {
      std::int8_t scales[kGroups];
      std::int8_t mins[kGroups];
      Definition::sub_scales(scales, b);
      if constexpr (Definition::has_min) Definition::sub_mins(mins, b);
      for (int g = 0; g < kGroups; ++g) {
        write(out.scales + g * kNext + r, V::to_scale_of_lane(scales[g]));
        if constexpr (K::correction != Correction::none) {
          const int low = Definition::has_min ? mins[g] : scales[g] * kOffset<V, Q>;
          write(reinterpret_cast<std::uint8_t*>(out.mins + g / 2 * kNext + r) + g % 2 * 2,
                static_cast<std::int16_t>(low));
        }
      }
    }
  }
  for (int i = 0; i < kBlock; i += 32) {
    typename V::Bytes rows[V::lanes];
    unroll<V::lanes>([&](auto r) { rows[r.value] = V::load_bytes(codes[r.value] + i); });
    typename V::Words words[8];
    V::interleave(words, rows);
    unroll<8>([&](auto j) { V::store_words(out.codes + (i / 4 + j.value) * 4 * kNext, words[j.value]); });
  }
}

// Formats that codes_of and scales_of know.
template <class V, class Q, int vectors, class Source>
[[gnu::always_inline]] inline void unpack_block(const Strip& out, const Source& source) {
  if constexpr (kHasVectorCode<Q>) {
    scales_of<V, Q, vectors>(out, source);
    codes_of<V, Q>(
        source, [&](auto step, typename V::Words words) __attribute__((always_inline)) {
          V::store_words(out.codes + step.value * 4 * V::lanes * vectors, words);
        });
  } else {
    unpack_by_definition<V, Q, vectors>(out, source);
  }
}

// V::lanes rows of format Q from `row` on, `blocks` blocks of them from `block` on, as a vector of a strip.
template <class V, class Q, int vectors, class Source>
void unpack(Strip out, const MatArguments& m, std::int64_t row, std::int64_t block, std::int64_t blocks) {
  using K = KindOf<V, Q>;
  constexpr int kLanes = V::lanes * vectors;
  Source source(m, row, block, sizeof(typename Q::Block));
  for (; blocks > 0; --blocks) {
    unpack_block<V, Q, vectors>(out, source);
    out.codes += Q::block_len * kLanes;
    out.d += kLanes;
    if constexpr (K::correction == Correction::min) out.d_min += kLanes;
    if constexpr (K::super) {
      out.scales += Q::block_len / K::group * kLanes;
      out.mins += Q::block_len / K::group / 2 * kLanes;
    }
    source.template next<typename Q::Block>(kLanes * m.w_stride);
  }
}

}  // namespace
