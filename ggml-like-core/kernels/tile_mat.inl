// One token and weights in tiles of rows (quant/tile.h): codes go from memory straight into the products,
// rows in lanes. The same integers and the same float steps as in quant_tile.inl, so the same bits. Included
// only by quant_mat.inl.
#pragma once

#include "ggml-like-core/kernels/activation.h"
#include "ggml-like-core/kernels/quant_tile.inl"

namespace {

// The sum of one block of V::lanes rows over codes * x, with sub-scales where there are some.
template <class V, class Q>
[[gnu::always_inline]] inline typename V::i32 tile_sum(const TileSource<V>& source, const std::uint8_t* q,
                                                       [[maybe_unused]] const std::int32_t* scales) {
  using K = KindOf<V, Q>;
  constexpr int kSteps = K::group / 4;  // of a group
  typename V::Pairs pairs[K::block_len / K::group];
  auto sum = V::set_i32(0);
  codes_of<V, Q>(
      source, [&](auto step, typename V::Words words) __attribute__((always_inline)) {
        constexpr int kGroup = decltype(step)::value / kSteps;
        constexpr int kOfChain = decltype(step)::value % kSteps % K::chain;
        auto& p = pairs[kGroup];
        p = V::template dot4<K::signed_codes>(kOfChain == 0 ? V::no_pairs() : p, words, q + 4 * step.value);
        if constexpr (kOfChain == K::chain - 1 || decltype(step)::value % kSteps == kSteps - 1) {
          if constexpr (K::super)
            sum = V::add_scaled(sum, p, V::load_i32(scales + kGroup * V::lanes));
          else
            sum = V::add_pairs(sum, p);
        }
      });
  return sum;
}

template <class V, class Q>
[[gnu::noinline]] void tile_product(const MatArguments& m, const core::ActivationLayout& layout) {
  using K = KindOf<V, Q>;
  constexpr int kLanes = V::lanes;
  constexpr int kVectors = static_cast<int>(core::kTileRows) / kLanes;
  constexpr int kGroups = K::block_len / K::group;
  constexpr std::size_t kSumBytes = K::super ? sizeof(std::int16_t) : sizeof(float);
  alignas(64) std::int32_t scales[K::super ? kGroups * kLanes : 1];
  alignas(64) std::int32_t mins[K::super ? kGroups / 2 * kLanes : 1];
  alignas(64) float d[kLanes];
  alignas(64) float d_min[kLanes];
  alignas(64) float out[kVectors][kLanes];
  for (std::int64_t row = 0; row < m.rows; row += core::kTileRows) {
    for (auto& vector : out) V::store(vector, V::zero());
    for (std::int64_t b = 0; b < m.k / K::block_len; ++b) {
      const auto x_scale =
          V::set(read<float>(m.x + layout.scales + static_cast<std::size_t>(b) * sizeof(float)));
      const std::uint8_t* x_sum = m.x + layout.sums + static_cast<std::size_t>(b * kGroups) * kSumBytes;
      for (int v = 0; v < kVectors; ++v) {
        const std::uint8_t* q = m.x + b * K::block_len;
        asm volatile("" : "+r"(q));  // or g++ copies all of it to the stack, once for both vectors
        const TileSource<V> source(m, row + v * kLanes, b, sizeof(typename Q::Block));
        if (v == 0) source.template fetch_ahead<typename Q::Block>();
        scales_of<V, Q, 1>({nullptr, scales, mins, d, d_min, 0}, source);
        auto sum = tile_sum<V, Q>(source, q, scales);
        auto low = V::set_i32(0);
        if constexpr (K::super && K::correction != Correction::none) low = min_sum<V, K, 1>(mins, x_sum);
        if constexpr (K::super && K::correction == Correction::offset) sum = V::sub_i32(sum, low);
        if constexpr (!K::super && K::correction == Correction::offset)
          sum = V::add_i32(sum, V::set_i32(read<std::int32_t>(x_sum)));
        auto y = float_step<V>(V::load(out[v]), sum, V::load(d), x_scale);
        if constexpr (K::correction == Correction::min) y = float_step<V>(y, low, V::load(d_min), x_scale);
        V::store(out[v], y);
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      const std::int64_t n = m.rows - row - v * kLanes;
      if (n >= kLanes)
        V::store(m.out + row + v * kLanes, V::load(out[v]));
      else if (n > 0)
        V::store_part(m.out + row + v * kLanes, V::load(out[v]), n);
    }
  }
}

}  // namespace
