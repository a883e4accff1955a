// One token and weights in blocks of 256 that lie row by row: every weight is used once, so nothing is
// turned. k stands in lanes, rows are read one after the other, as memory likes it, and the integer sums of
// their blocks are kept; then V::lanes rows take their float steps together. The same integers and the same
// float steps as in quant_tile.inl, so the same bits. Included only by quant_mat.inl.
#pragma once

#include "ggml-like-core/kernels/activation.h"
#include "ggml-like-core/kernels/quant_tile.inl"

namespace {

// Formats that row_sum knows.
template <class Q>
inline constexpr bool kHasRowCode = Q::dtype == core::DType::q4_K || Q::dtype == core::DType::q5_K ||
                                    Q::dtype == core::DType::q6_K || kHasSignedScales<Q>;

// Where row_sum finds the activations of 32-group g of a block: a vector of 64 codes of two pairs of groups
// has the low nibbles of one beside those of the other.
template <class V, class Q>
inline constexpr bool kPairsOfPairs = kHasPairsOfGroups<Q>&& V::Wide::lanes > V::lanes;
template <class V, class Q>
constexpr int row_place(int g) {
  return kPairsOfPairs<V, Q> && (g % 4 == 1 || g % 4 == 2) ? g / 4 * 4 + 3 - g % 4 : g;
}

// The activations of one block.
struct RowView {
  const std::uint8_t* q;     // groups by row_place
  const std::uint8_t* sums;  // of its groups, 16-bit
};

// The sub-scales of an X block as 16-bit integers, twice.
template <class V, class Q>
[[gnu::always_inline]] inline typename V::Words row_signed_scales(const std::uint8_t* block) {
  using Block = typename Q::Block;
  std::uint8_t low[4];
  __builtin_memcpy(low, block + offsetof(Block, scales_low), sizeof low);
  return V::widen_8_signed_bytes(
      core::signed_scales(low, read<std::uint16_t>(block + offsetof(Block, scales_high))));
}

// The sum over one block of codes * sub-scale * x, in parts: the lanes of `sum` add up to it. What the offset
// of codes adds is taken away here. low: where there are minimums, the lanes of sub-minimum * sum(x).
//
// V::Wide takes 32 codes at once, or 64: then its upper half holds what the next vector of 32 would.
template <class V, class Q>
[[gnu::always_inline]] inline typename V::i32 row_sum(const std::uint8_t* block, const RowView& x,
                                                      [[maybe_unused]] typename V::i32& low) {
  using Block = typename Q::Block;
  using W = typename V::Wide;
  constexpr int kHalves = W::lanes / V::lanes;
  auto sum = W::set_i32(0);
  // sum += codes times x of the 32-groups `first` and, where there is an upper half, `second`; scales of both
  const auto add = [&](auto first, auto second, typename W::Words codes, typename W::Words scales)
      __attribute__((always_inline)) {
    constexpr int kFirst = decltype(first)::value;
    constexpr int kSecond = decltype(second)::value;
    constexpr bool kCodesAreSigned = Q::dtype == core::DType::x8;
    constexpr int kPlace = row_place<V, Q>(kFirst);
    static_assert(kHalves == 1 || row_place<V, Q>(kSecond) == kPlace + 1);
    const auto pairs = W::template dot_each<kCodesAreSigned>(codes, W::load_words(x.q + 32 * kPlace));
    sum = W::add_scaled(sum, pairs, W::template scales_of_two<kFirst, kSecond>(scales));
  };
  if constexpr (Q::dtype == core::DType::x8) {
    static_assert(kSigned<V, Q>);
    const auto scales = W::template twice<0>(row_signed_scales<V, Q>(block));
    unroll<8 / kHalves>([&](auto step) __attribute__((always_inline)) {
      constexpr int kGroup = kHalves * decltype(step)::value;
      add(Index<kGroup>{}, Index<kGroup + 1>{}, W::load_words(block + offsetof(Block, q) + 32 * kGroup),
          scales);
    });
    return W::halves_added(sum);
  } else if constexpr (kHasPairsOfGroups<Q>) {
    typename V::Words scales;
    if constexpr (kHasSignedScales<Q>) {
      scales = row_signed_scales<V, Q>(block);
    } else {
      const auto packed = core::scales_min_k4(block + offsetof(Block, scales));
      scales = V::widen_8_bytes(packed.scales);
      low = V::dot_8_bytes(packed.mins, x.sums);
    }
    const auto wide_scales = W::template twice<0>(scales);
    typename W::Words lone{};
    typename W::Words two{};
    if constexpr (kLoneBit<Q> != 0)
      lone = W::template twice<2>(V::load_bytes(block + offsetof(Block, high_bits)));
    unroll<4 / kHalves>([&](auto step) __attribute__((always_inline)) {
      constexpr int kGroup = 2 * kHalves * decltype(step)::value;
      if constexpr (kHasTwoBits<Q>)
        if constexpr (kGroup % 4 == 0)
          two = W::template twice<4>(V::load_bytes(block + offsetof(Block, two_bits) + 8 * kGroup));
      const auto nibbles = W::kept(W::load_words(block + offsetof(Block, nibbles) + 16 * kGroup));
      auto first = W::template bits_of<0, 15>(nibbles);
      auto second = W::template bits_of<4, 15>(nibbles);
      if constexpr (kHasTwoBits<Q>) {
        first = W::join(first, W::template bits_of<2 * (kGroup % 4), 3, 4>(two));
        second = W::join(second, W::template bits_of<2 * (kGroup % 4) + 2, 3, 4>(two));
      }
      if constexpr (kLoneBit<Q> != 0) {
        first = W::join(first, W::template bits_of<kGroup, 1, kLoneBit<Q>>(lone));
        second = W::join(second, W::template bits_of<kGroup + 1, 1, kLoneBit<Q>>(lone));
      }
      if constexpr (Q::dtype == core::DType::x4) {
        first = W::lookup(first, kX4Codes.of);
        second = W::lookup(second, kX4Codes.of);
      }
      add(Index<kGroup>{}, Index<kGroup + 2>{}, first, wide_scales);
      add(Index<kGroup + 1>{}, Index<kGroup + 3>{}, second, wide_scales);
    });
    auto all = W::halves_added(sum);
    if constexpr (kHasSignedScales<Q>) {
      constexpr int kShift = __builtin_ctz(kOffset<V, Q>);
      all = V::sub_i32(all, V::template shift_left<kShift>(V::dot_8_halves(scales, x.sums)));
    }
    return all;
  } else {
    static_assert(Q::dtype == core::DType::q6_K);
    const auto scales = W::template twice<0>(V::even_and_odd_i8(block + offsetof(Block, sub_scales)));
    unroll<2>([&](auto half) __attribute__((always_inline)) {
      const auto high =
          W::template twice<2>(V::load_bytes(block + offsetof(Block, high_bits) + 32 * half.value));
      unroll<2 / kHalves>([&](auto side) __attribute__((always_inline)) {
        constexpr int kSide = decltype(side)::value;
        constexpr int kFirst = 4 * decltype(half)::value + kSide;  // of 8 times 32 codes
        const auto nibbles =
            W::kept(W::load_words(block + offsetof(Block, low_bits) + 64 * half.value + 32 * kSide));
        const auto first =
            W::join(W::template bits_of<0, 15>(nibbles), W::template bits_of<2 * kSide, 3, 4>(high));
        const auto second =
            W::join(W::template bits_of<4, 15>(nibbles), W::template bits_of<2 * kSide + 4, 3, 4>(high));
        add(Index<kFirst>{}, Index<kFirst + 1>{}, first, scales);
        add(Index<kFirst + 2>{}, Index<kFirst + 3>{}, second, scales);
      });
    });
    const auto offset = V::dot_16_bytes(block + offsetof(Block, sub_scales), x.sums);
    return V::sub_i32(W::halves_added(sum), V::template shift_left<5>(offset));  // 32 * scale * sum(x)
  }
}

// layout: of the activations.
template <class V, class Q>
[[gnu::noinline]] void row_product(const MatArguments& m, const core::ActivationLayout& layout) {
  using K = KindOf<V, Q>;
  using Block = typename Q::Block;
  constexpr int kLanes = V::lanes;
  constexpr bool kMin = K::correction == Correction::min;
  constexpr std::int64_t kDepth = 32;  // blocks of a row before the next row
  constexpr std::size_t kAhead = 8192;
  static_assert(kLanes == 8 && K::super);
  alignas(64) std::int32_t total[kLanes][kDepth];
  alignas(64) std::int32_t taken[kMin ? kLanes : 1][kDepth];
  alignas(64) std::uint16_t d[kLanes][kDepth];
  alignas(64) std::uint16_t d_min[kMin ? kLanes : 1][kDepth];
  alignas(64) std::uint8_t placed[kPairsOfPairs<V, Q> ? kDepth * K::block_len : 1];
  const std::int64_t all = m.k / K::block_len;
  for (std::int64_t row = 0; row < m.rows; row += kLanes) {
    const std::int64_t n_rows = m.rows - row < kLanes ? m.rows - row : kLanes;
    auto out = V::zero();
    for (std::int64_t begin = 0; begin < all; begin += kDepth) {
      const std::int64_t n = all - begin < kDepth ? all - begin : kDepth;
      const std::uint8_t* q = m.x + begin * K::block_len;
      if constexpr (kPairsOfPairs<V, Q>) {
        if (row == 0 || all > kDepth)
          for (std::int64_t g = 0; g < n * K::block_len / 32; ++g)
            V::store_words(placed + 32 * row_place<V, Q>(static_cast<int>(g)), V::load_words(q + 32 * g));
        q = placed;
      }
      for (std::int64_t r = 0; r < n_rows; ++r) {
        const std::uint8_t* block = m.w + static_cast<std::size_t>(row + r) * m.w_stride +
                                    static_cast<std::size_t>(begin) * sizeof(Block);
        RowView x{q, m.x + layout.sums + static_cast<std::size_t>(begin * (K::block_len / K::group)) * 2};
        for (std::int64_t b = 0; b < n; b += 8) {
          typename V::i32 sums[8];
          typename V::i32 lows[8];
          const std::int64_t count = n - b < 8 ? n - b : 8;
          for (std::int64_t i = count; i < 8; ++i) sums[i] = lows[i] = V::set_i32(0);
          for (std::int64_t i = 0; i < count; ++i) {
            sums[i] = row_sum<V, Q>(block, x, lows[i]);
            d[r][b + i] = read<std::uint16_t>(block + offsetof(Block, scale_f16));
            if constexpr (kMin) d_min[r][b + i] = read<std::uint16_t>(block + offsetof(Block, min_scale_f16));
            for (std::size_t line = 0; line < sizeof(Block); line += 64)
              __builtin_prefetch(block + kAhead + line, 0, 2);
            block += sizeof(Block);
            x.q += K::block_len;
            x.sums += K::block_len / K::group * 2;
          }
          V::store_i32(&total[r][b], V::sums_of(sums));
          if constexpr (kMin) V::store_i32(&taken[r][b], V::sums_of(lows));
        }
      }
      const std::uint8_t* x_scale = m.x + layout.scales + static_cast<std::size_t>(begin) * sizeof(float);
      const auto ints = [](const std::int32_t* p) __attribute__((always_inline)) { return V::load_bytes(p); };
      const auto halves = [](const std::uint16_t* p) __attribute__((always_inline)) {
        return V::to_words(V::load_f16(p));
      };
      for (std::int64_t b = 0; b < n; b += 8) {
        typename V::Words sum[8];
        typename V::Words scale[8];
        typename V::Words low[8];
        typename V::Words min_scale[8];
        turned_places<V>(sum, &total[0][b], kDepth, ints);
        turned_places<V>(scale, &d[0][b], kDepth, halves);
        if constexpr (kMin) {
          turned_places<V>(low, &taken[0][b], kDepth, ints);
          turned_places<V>(min_scale, &d_min[0][b], kDepth, halves);
        }
        for (std::int64_t i = 0; i < 8 && b + i < n; ++i, x_scale += sizeof(float)) {
          const auto x = V::set(read<float>(x_scale));
          out = float_step<V>(out, sum[i], V::as_f32(scale[i]), x);
          if constexpr (kMin) out = float_step<V>(out, low[i], V::sub(V::zero(), V::as_f32(min_scale[i])), x);
        }
      }
    }
    if (n_rows == kLanes)
      V::store(m.out + row, out);
    else
      V::store_part(m.out + row, out, n_rows);
  }
}

}  // namespace
