// One row of the kernel table from one vector type. Included only by isa/<isa>.cpp, after kernel_table.h and
// simd/<isa>.h.
#pragma once

#include "ggml-like-core/kernels/attention.inl"
#include "ggml-like-core/kernels/fixed_attention.inl"
#include "ggml-like-core/kernels/fixed_mat.inl"
#include "ggml-like-core/kernels/float_mat.inl"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/pair_mat.inl"
#include "ggml-like-core/kernels/peaks.inl"
#include "ggml-like-core/kernels/quant_mat.inl"
#include "ggml-like-core/kernels/rows.inl"

namespace {

template <class V, class Q>
constexpr core::MatKernels mat_kernels() {
  if constexpr (Q::block_len == 1 && Q::dtype != core::DType::f32 && V::fixed)
    return fixed_kernels<V, Q>();
  else if constexpr (Q::block_len == 1)
    return float_kernels<V, Q>();
  else
    return quant_kernels<V, Q>();
}

template <class V, class T>
constexpr core::MatKernels tiled_kernels() {
  if constexpr (T::Row::block_len == 1)
    return pair_kernels<V>();
  else
    return quant_kernels<V, typename T::Row, TileSource<V>>();
}

template <class V, class... Q, class... T>
constexpr core::KernelTable make_table(const char* name, std::uint32_t required, core::FormatList<Q...>,
                                       core::FormatList<T...>) {
  return {.name = name,
          .required = required,
          .mat = {mat_kernels<V, Q>()..., tiled_kernels<V, T>()...},
          .rms_norm = &rms_norm<V>,
          .layer_norm = &layer_norm<V>,
          .rope = &rope<V>,
          .add = &add<V>,
          .multiply_add = &multiply_add<V>,
          .silu_mul = &silu_mul<V>,
          .gelu_tanh = &gelu_tanh<V>,
          .gelu_erf = &gelu_erf<V>,
          .softmax = &softmax<V>,
          .attention = &attention<V>,
          .attention_scratch_bytes = &attention_scratch_bytes,
          .fixed = fixed_attention<V>(),
          .peak_f32 = &peak_f32<V>,
          .peak_16_bit = &peak_16_bit<V>,
          .peak_int8 = &peak_int8<V>,
          .read_all = &read_all<V>};
}

template <class V>
constexpr core::KernelTable make_table(const char* name, std::uint32_t required) {
  return make_table<V>(name, required, core::AllFormats{}, core::TiledFormats{});
}

}  // namespace
