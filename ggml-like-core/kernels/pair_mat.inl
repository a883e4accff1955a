// Matrix products with BF16 weights in tiles of rows (quant/tile.h): pairs of weights go from memory straight
// into the products, rows in lanes. The same integers and the same float steps as with rows one after another
// (fixed_mat.inl; float_mat.inl where that is quicker), so the same bits. Included only by make_table.inl.
#pragma once

#include "ggml-like-core/base/half.h"
#include "ggml-like-core/kernels/fixed_mat.inl"
#include "ggml-like-core/quant/tile.h"

namespace {

constexpr std::int64_t kPairBytes = core::kTileRows * 4;  // from a pair of rows to the next one

// The pair of row `row` that begins at weight k. Rows beyond the last tile are those of the last tile.
inline const std::uint8_t* pair_at(const MatArguments& m, std::int64_t row, std::int64_t k) {
  const std::int64_t first = (row < m.rows ? row : m.rows - 1) / core::kTileRows * core::kTileRows;
  return m.w + static_cast<std::size_t>(first) * m.w_stride +
         static_cast<std::size_t>(k / 2 * kPairBytes + row % core::kTileRows * 4);
}

inline std::int64_t pairs_of_group(std::int64_t n) { return (n < kFixedGroup ? n : kFixedGroup) / 2; }

// weight_scale of V::lanes rows: the largest magnitudes of their even and of their odd weights.
template <class V>
struct PairScales {
  typename V::f32 value, inverse;
  explicit PairScales(typename V::Words largest) {
    const auto both = V::to_i32(largest);
    const auto top =
        V::max(V::as_f32(V::template shift_left<16>(both)), V::as_f32(V::and_i32(both, 0xffff0000U)));
    const auto exponent = V::and_i32(V::to_i32(V::to_words(top)), 0x7f800000U);
    const auto in_range = [&](typename V::i32 bits) __attribute__((always_inline)) {
      const auto below = V::select_less(top, V::set(0x1p127F), V::as_f32(bits), V::zero());
      return V::select_less(top, V::set(0x1p-100F), V::zero(), below);
    };
    value = in_range(V::sub_i32(exponent, V::set_i32(kScaleDown << 23U)));
    inverse =
        in_range(V::sub_i32(V::set_i32(static_cast<std::int32_t>((254U + kScaleDown) << 23U)), exponent));
  }
};

// As fixed_unpack.
template <class V>
void pair_unpack(const FixedStrip& strip, const MatArguments& m, std::int64_t row, std::int64_t k,
                 std::int64_t n) {
  constexpr int kWord = 4 * V::lanes;
  std::uint8_t* out = strip.codes;
  float* scales = strip.scales;
  for (std::int64_t i = 0; i < n; i += kFixedGroup, scales += V::lanes) {
    const std::uint8_t* p = pair_at(m, row, k + i);
    const std::int64_t pairs = pairs_of_group(n - i);
    auto largest = V::to_words(V::zero());
    for (std::int64_t j = 0; j < pairs; ++j) largest = V::most_16(largest, V::load_words(p + j * kPairBytes));
    const PairScales<V> scale(largest);
    V::store(scales, scale.value);
    for (std::int64_t j = 0; j < pairs; ++j, out += kWord)
      V::store_words(out, V::i16_of_bf16(V::load_words(p + j * kPairBytes), scale.inverse));
    const std::int64_t rest = (kFixedGroup / 2 - pairs) * kWord;  // of the last group
    __builtin_memset(out, 0, static_cast<std::size_t>(rest));
    out += rest;
  }
}

// One token: nothing is kept.
template <class V>
[[gnu::noinline]] void pair_product(const MatArguments& m) {
  constexpr int kVectors = static_cast<int>(core::kTileRows) / V::lanes;
  constexpr std::int64_t kAhead = 4096;
  const std::uint8_t* x_scales = m.x + fixed_scales_at(m.k);
  const auto each = [](const auto& body) __attribute__((always_inline)) { unroll<kVectors>(body); };
  for (std::int64_t row = 0; row < m.rows; row += core::kTileRows) {
    typename V::f32 out[kVectors];
    each([&](auto v) __attribute__((always_inline)) { out[v.value] = V::zero(); });
    for (std::int64_t i = 0; i < m.k; i += kFixedGroup) {
      const std::int64_t pairs = pairs_of_group(m.k - i);
      const std::uint8_t* tile = pair_at(m, row, i);
      const auto words = [&](std::int64_t j, int v) __attribute__((always_inline)) {
        return V::load_words(tile + (j * kPairBytes + 4 * V::lanes * v));
      };
      typename V::Words largest[kVectors];
      each([&](auto v) __attribute__((always_inline)) { largest[v.value] = V::to_words(V::zero()); });
      for (std::int64_t j = 0; j < pairs; ++j) {
        __builtin_prefetch(tile + (j * kPairBytes + kAhead), 0, 2);
        each([&](auto v) __attribute__((always_inline)) {
          largest[v.value] = V::most_16(largest[v.value], words(j, v.value));
        });
      }
      const std::uint8_t* x = m.x + static_cast<std::size_t>(i) * sizeof(std::int16_t);
      typename V::f32 inverse[kVectors];
      typename V::f32 scale[kVectors];
      typename V::i32 sum[kVectors];
      const auto x_scale =
          V::set(read<float>(x_scales + static_cast<std::size_t>(i / kFixedGroup) * sizeof(float)));
      each([&](auto v) __attribute__((always_inline)) {
        const PairScales<V> of(largest[v.value]);
        inverse[v.value] = of.inverse;
        scale[v.value] = V::mul(of.value, x_scale);
        sum[v.value] = V::set_i32(0);
      });
      for (std::int64_t j = 0; j < pairs; ++j)
        each([&](auto v) __attribute__((always_inline)) {
          sum[v.value] =
              V::dot2(sum[v.value], V::i16_of_bf16(words(j, v.value), inverse[v.value]), x + 4 * j);
        });
      each([&](auto v) __attribute__((always_inline)) {
        out[v.value] = V::fma(V::to_f32(sum[v.value]), scale[v.value], out[v.value]);
      });
    }
    each([&](auto v) __attribute__((always_inline)) {
      const std::int64_t n = m.rows - row - v.value * V::lanes;
      if (n > 0) store<V>(m.out + row + v.value * V::lanes, out[v.value], n < V::lanes ? n : V::lanes);
    });
  }
}

// V::lanes rows times C tokens as floats. Sums stand apart by the lane that float_tile would have k in.
template <class V, int C>
[[gnu::noinline]] void pair_float_tile(const MatArguments& m, std::int64_t row, std::int64_t token) {
  typename V::f32 sum[C][V::lanes];
  for (auto& column : sum)
    for (auto& lane : column) lane = V::zero();
  const std::uint8_t* p = pair_at(m, row, 0);
  const std::uint8_t* x = m.x + static_cast<std::size_t>(token) * m.x_stride;
  for (std::int64_t i = 0; i < m.k; i += V::lanes) {
    unroll<V::lanes / 2>([&](auto j) __attribute__((always_inline)) {
      constexpr int kLane = 2 * decltype(j)::value;
      if (i + kLane >= m.k) return;
      const auto both = V::to_i32(V::load_words(p));
      p += kPairBytes;
      const auto even = V::as_f32(V::template shift_left<16>(both));
      const auto odd = V::as_f32(V::and_i32(both, 0xffff0000U));
      unroll<C>([&](auto c) __attribute__((always_inline)) {
        const std::uint8_t* at = x + static_cast<std::size_t>(c.value) * m.x_stride +
                                 static_cast<std::size_t>(i + kLane) * sizeof(float);
        sum[c.value][kLane] = V::fma(even, V::set(read<float>(at)), sum[c.value][kLane]);
        sum[c.value][kLane + 1] =
            V::fma(odd, V::set(read<float>(at + sizeof(float))), sum[c.value][kLane + 1]);
      });
    });
  }
  for (int c = 0; c < C; ++c) {
    V::transpose(sum[c]);
    for (int r = 0; r < V::lanes && row + r < m.rows; ++r)
      m.out[(token + c) * m.out_stride + row + r] = V::sum(sum[c][r]);
  }
}

template <class V>
void pair_mat_mul(float* out, std::int64_t out_stride, const void* w, std::size_t w_stride, std::int64_t rows,
                  const void* x, std::size_t x_stride, std::int64_t tokens, std::int64_t k) {
  const MatArguments m{out,      out_stride, static_cast<const std::uint8_t*>(w),
                       w_stride, rows,       static_cast<const std::uint8_t*>(x),
                       x_stride, tokens,     k};
  if constexpr (V::fixed) {
    if (tokens == 1) return pair_product<V>(m);
    fixed_product<V, &pair_unpack<V>>(m);
  } else {
    for (std::int64_t row = 0; row < rows; row += V::lanes)
      fixed_tokens<4>(0, tokens, [&](auto columns, std::int64_t token) {
        pair_float_tile<V, decltype(columns)::value>(m, row, token);
      });
  }
}

inline void pair_dequantize_row(float* out, const void* w, std::size_t stride, std::int64_t row,
                                std::int64_t k) {
  for (std::int64_t i = 0; i < k; i += 2) {
    const auto pair = core::block_of_tile<core::BF16_X16::Block>(w, stride, row, i / 2);
    out[i] = core::bf16_to_f32(pair.value_bf16[0]);
    out[i + 1] = core::bf16_to_f32(pair.value_bf16[1]);
  }
}

template <class V>
constexpr core::MatKernels pair_kernels() {
  if constexpr (V::fixed)
    return {&pair_dequantize_row, &fixed_convert_activation<V>, &fixed_activation_bytes, &pair_mat_mul<V>};
  else
    return {&pair_dequantize_row, &float_convert_activation, &float_activation_bytes, &pair_mat_mul<V>};
}

}  // namespace
