// The softmax of attention in fixed point: from scores to integer weights, one block of positions at a time.
// Included only by make_table.inl.
#pragma once

#include "ggml-like-core/kernels/functions.inl"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/rows.inl"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

// What attend_fixed keeps of each query of a tile while it goes over the blocks.
template <class V>
struct FixedState {
  alignas(64) float maximum[core::kFixedTile];
  alignas(64) float inverse[core::kFixedTile];          // of the block's weight scale
  alignas(64) float total[core::kFixedTile][V::lanes];  // of exponentials, by lane
};

// What a query summed so far, total by lane and part[width], counts less by factor.
template <class V>
[[gnu::noinline]] void lower_sums(float* part, float* total, std::int64_t width, float factor) {
  const auto f = V::set(factor);
  V::store(total, V::mul(V::load(total), f));
  for (std::int64_t d = 0; d < width; d += V::lanes) V::store(part + d, V::mul(V::load(part + d), f));
}

// Lane i: combine of all lanes of rows[i].
template <class V, class Combine>
[[gnu::always_inline]] inline typename V::f32 across(typename V::f32 (&rows)[V::lanes],
                                                     const Combine& combine) {
  V::transpose(rows);
  for (int step = V::lanes / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) rows[i] = combine(rows[i], rows[i + step]);
  return rows[0];
}

// From scores of a block to weights, for V::lanes queries from number `at` on that see all of it: integers
// exp2(score - maximum so far) * scale of the value / weight_scale. Together, because each query alone would
// wait for its maxima: here lanes are queries.
template <class V>
[[gnu::noinline]] void fixed_weights_whole(std::int16_t* weights, float* weight_scales, float* parts,
                                           std::int64_t part_floats, std::int64_t width, float* scores,
                                           const float* value_scales, FixedState<V>& state, std::int64_t at) {
  constexpr int kPieces = core::kKvBlock / V::lanes;
  const auto larger = [](typename V::f32 a, typename V::f32 b) __attribute__((always_inline)) {
    return V::max(a, b);
  };
  typename V::f32 rows[V::lanes];
  unroll<V::lanes>([&](auto i) __attribute__((always_inline)) {
    const float* row = scores + i.value * core::kKvBlock;
    auto most = V::load(row);
    unroll<kPieces - 1>([&](auto p) __attribute__((always_inline)) {
      most = V::max(V::load(row + (p.value + 1) * V::lanes), most);
    });
    rows[i.value] = most;
  });
  const auto before = V::load(state.maximum + at);
  const auto maximum = V::max(across<V>(rows, larger), before);
  // The differences are 0 or more; not equal to 0 is also a query whose scores are no numbers.
  if (!(V::sum(V::sub(maximum, before)) == 0)) {
    alignas(64) float factor[V::lanes];
    V::store(factor, exp2_coarse<V>(V::sub(before, maximum)));
    V::store(state.maximum + at, maximum);
    for (int i = 0; i < V::lanes; ++i)
      if (factor[i] != 1) lower_sums<V>(parts + i * part_floats, state.total[at + i], width, factor[i]);
  }
  for (int i = 0; i < V::lanes; ++i) {
    float* row = scores + i * core::kKvBlock;
    const auto shift = V::set(state.maximum[at + i]);
    auto total = V::zero();
    auto most = V::zero();
    unroll<kPieces>([&](auto p) __attribute__((always_inline)) {
      const auto e = exp2_coarse<V>(V::sub(V::load(row + p.value * V::lanes), shift));
      total = V::add(total, e);
      const auto w = V::mul(e, V::load(value_scales + p.value * V::lanes));
      most = V::max(w, most);
      V::store(row + p.value * V::lanes, w);
    });
    V::store(state.total[at + i], V::add(V::load(state.total[at + i]), total));
    rows[i] = most;
  }
  const auto largest_weight = across<V>(rows, larger);
  constexpr auto kMost = static_cast<float>(core::kMostWeight);
  V::store(weight_scales, V::div(largest_weight, V::set(kMost)));
  V::store(state.inverse + at, V::select_less(V::set(0x1p-120F), largest_weight,
                                              V::div(V::set(kMost), largest_weight), V::zero()));
  for (int i = 0; i < V::lanes; ++i) {
    const auto inverse = V::set(state.inverse[at + i]);
    unroll<kPieces>([&](auto p) __attribute__((always_inline)) {
      const std::int64_t key = i * core::kKvBlock + p.value * V::lanes;
      V::store_i16(weights + key, V::mul(V::load(scores + key), inverse));
    });
  }
}

// The same, bit for bit, for query `at` alone, which sees the first `seen` positions; weights behind them are
// 0.
template <class V>
void fixed_weights(std::int16_t* weights, float* weight_scale, float* part, std::int64_t width, float* scores,
                   const float* value_scales, std::int64_t seen, FixedState<V>& state, std::int64_t at) {
  const float block_maximum = largest<V>(scores, seen);
  float& maximum = state.maximum[at];
  if (!(block_maximum <= maximum)) {
    alignas(64) float factor[V::lanes];
    V::store(factor, exp2_coarse<V>(V::set(maximum - block_maximum)));
    maximum = block_maximum;
    lower_sums<V>(part, state.total[at], width, factor[0]);
  }
  auto total = V::zero();
  auto most = V::zero();
  const auto shift = V::set(maximum);
  for_pieces<V>(seen, [&](std::int64_t key, std::int64_t n) {
    const auto e = first<V>(exp2_coarse<V>(V::sub(V::load(scores + key), shift)), V::zero(), n);
    total = V::add(total, e);
    const auto w = first<V>(V::mul(e, V::load(value_scales + key)), V::zero(), n);
    most = V::max(w, most);
    V::store(scores + key, w);
  });
  V::store(state.total[at], V::add(V::load(state.total[at]), total));
  const float largest_weight = V::largest(most);
  *weight_scale = largest_weight / static_cast<float>(core::kMostWeight);
  const auto inverse =
      V::set(largest_weight > 0x1p-120F ? static_cast<float>(core::kMostWeight) / largest_weight : 0.0F);
  std::int64_t key = 0;
  for (; key < seen; key += V::lanes) V::store_i16(weights + key, V::mul(V::load(scores + key), inverse));
  for (; key < core::kKvBlock; key += V::lanes) V::store_i16(weights + key, V::zero());
}

}  // namespace
