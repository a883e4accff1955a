// Matrix products with F32, F16 and BF16 weights: activations stay f32, weights are widened, sums run in
// lanes along k. Included only by make_table.inl.
#pragma once

#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/rows.inl"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

template <class V, class Q>
[[gnu::always_inline]] inline typename V::f32 load_weights(const std::uint8_t* p) {
  if constexpr (Q::dtype == core::DType::f32)
    return V::load(p);
  else if constexpr (Q::dtype == core::DType::f16)
    return V::load_f16(p);
  else
    return V::load_bf16(p);
}

template <class V, class Q>
[[gnu::always_inline]] inline typename V::f32 load_weights_part(const std::uint8_t* p, std::int64_t n) {
  if constexpr (Q::dtype == core::DType::f32)
    return V::load_part(p, n);
  else if constexpr (Q::dtype == core::DType::f16)
    return V::load_f16_part(p, n);
  else
    return V::load_bf16_part(p, n);
}

template <class V, class Q>
void float_dequantize_row(float* out, const void* matrix, std::size_t stride, std::int64_t row,
                          std::int64_t k) {
  const auto* w = static_cast<const std::uint8_t*>(matrix) + static_cast<std::size_t>(row) * stride;
  for_pieces<V>(k, [&](std::int64_t i, std::int64_t n) {
    const std::uint8_t* p = w + static_cast<std::size_t>(i) * sizeof(typename Q::Block);
    store<V>(out + i, n == V::lanes ? load_weights<V, Q>(p) : load_weights_part<V, Q>(p, n), n);
  });
}

inline std::size_t float_activation_bytes(std::int64_t k) {
  return (static_cast<std::size_t>(k) * sizeof(float) + 63) / 64 * 64;
}

inline void float_convert_activation(void* out, const float* x, std::int64_t k) {
  __builtin_memcpy(out, x, static_cast<std::size_t>(k) * sizeof(float));
}

// One matrix product of bytes, as mat_mul takes it.
struct MatArguments {
  float* out;
  std::int64_t out_stride;
  const std::uint8_t* w;
  std::size_t w_stride;
  std::int64_t rows;
  const std::uint8_t* x;
  std::size_t x_stride;
  std::int64_t tokens;
  std::int64_t k;
};

// R rows times C tokens from (row, token) on: R * C sums in registers.
template <class V, class Q, int R, int C>
[[gnu::noinline]] void float_tile(const MatArguments& m, std::int64_t row, std::int64_t token) {
  constexpr std::size_t kWeight = sizeof(typename Q::Block);
  const std::uint8_t* w = m.w + static_cast<std::size_t>(row) * m.w_stride;
  const std::uint8_t* x = m.x + static_cast<std::size_t>(token) * m.x_stride;
  const std::size_t w_stride = m.w_stride;
  const std::size_t x_stride = m.x_stride;
  typename V::f32 sum[R][C];
  unroll<R>([&](auto r) { unroll<C>([&](auto c) { sum[r.value][c.value] = V::zero(); }); });
  const auto step = [&](const auto& weights_of, const auto& activations_of) __attribute__((always_inline)) {
    typename V::f32 weights[R];
    unroll<R>([&](auto r) {
      weights[r.value] = weights_of(w + r.value * w_stride);
      // One token waits for memory: the next rows are asked for now, as rows are too short a stream to be
      // foreseen.
      if constexpr (C == 1) __builtin_prefetch(w + (R + r.value) * w_stride, 0, 2);
    });
    unroll<C>([&](auto c) {
      const auto v = activations_of(x + c.value * x_stride);
      unroll<R>([&](auto r) { sum[r.value][c.value] = V::fma(weights[r.value], v, sum[r.value][c.value]); });
    });
  };
  std::int64_t i = 0;
  for (; i + V::lanes <= m.k; i += V::lanes) {
    step(
        [](const std::uint8_t* p) __attribute__((always_inline)) { return load_weights<V, Q>(p); },
        [](const std::uint8_t* p) __attribute__((always_inline)) { return V::load(p); });
    w += V::lanes * kWeight;
    x += V::lanes * sizeof(float);
  }
  if (i < m.k) {
    const std::int64_t n = m.k - i;
    step(
        [n](const std::uint8_t* p) __attribute__((always_inline)) { return load_weights_part<V, Q>(p, n); },
        [n](const std::uint8_t* p) __attribute__((always_inline)) { return V::load_part(p, n); });
  }
  float* out = m.out + token * m.out_stride + row;
  unroll<R>([&](auto r) {
    unroll<C>([&](auto c) { out[c.value * m.out_stride + r.value] = V::sum(sum[r.value][c.value]); });
  });
}

// All rows from first to last for the last n <= C tokens.
template <class V, class Q, int C>
void float_columns(const MatArguments& m, std::int64_t first, std::int64_t last, std::int64_t token,
                   std::int64_t n) {
  if (n == C) {
    std::int64_t row = first;
    for (; row + V::tile_rows <= last; row += V::tile_rows) float_tile<V, Q, V::tile_rows, C>(m, row, token);
    for (; row < last; ++row) float_tile<V, Q, 1, C>(m, row, token);
  } else if constexpr (C > 1) {
    float_columns<V, Q, C - 1>(m, first, last, token, n);
  }
}

template <class V, class Q>
void float_mat_mul(float* out, std::int64_t out_stride, const void* w, std::size_t w_stride,
                   std::int64_t rows, const void* x, std::size_t x_stride, std::int64_t tokens,
                   std::int64_t k) {
  const MatArguments m{out,      out_stride, static_cast<const std::uint8_t*>(w),
                       w_stride, rows,       static_cast<const std::uint8_t*>(x),
                       x_stride, tokens,     k};
  // Rows whose weights stay in the L2 cache while the tokens sweep over them.
  constexpr std::int64_t kStripBytes = 256 * 1024;
  const std::int64_t fit = kStripBytes / (k * static_cast<std::int64_t>(sizeof(typename Q::Block)) + 1);
  const std::int64_t strip = (fit / V::tile_rows + 1) * V::tile_rows;
  for (std::int64_t row = 0; row < rows; row += strip) {
    const std::int64_t last = row + strip < rows ? row + strip : rows;
    for (std::int64_t token = 0; token < tokens; token += V::tile_columns)
      float_columns<V, Q, V::tile_columns>(
          m, row, last, token, tokens - token < V::tile_columns ? tokens - token : V::tile_columns);
  }
}

template <class V, class Q>
constexpr core::MatKernels float_kernels() {
  return {&float_dequantize_row<V, Q>, &float_convert_activation, &float_activation_bytes,
          &float_mat_mul<V, Q>};
}

}  // namespace
