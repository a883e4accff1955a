// Matrix products with quantized weights and int8 activations. Included only by make_table.inl.
//
// Rows stand in lanes. Some rows are unpacked once into strips (quant_kind.inl) that serve every token: no
// sums across lanes. Unpacking depends on the format, the rest on its kind only.
#pragma once

#include "ggml-like-core/kernels/activation.h"
#include "ggml-like-core/kernels/decode.inl"
#include "ggml-like-core/kernels/float_mat.inl"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/quant_tile.inl"
#include "ggml-like-core/kernels/row_mat.inl"
#include "ggml-like-core/kernels/tile_mat.inl"

namespace {

template <class V, class Q, class Source>
void quant_dequantize_row(float* out, const void* w, std::size_t w_stride, std::int64_t row, std::int64_t k) {
  using Definition = core::CodesOf<Q>;
  constexpr int kBlock = Q::block_len;
  constexpr int kGroup = Definition::group;
  const auto* p = static_cast<const std::uint8_t*>(w) + static_cast<std::size_t>(row) * w_stride;
  std::int8_t codes[kBlock];
  for (std::int64_t i = 0; i < k; i += kBlock, p += sizeof(typename Q::Block)) {
    typename Q::Block block;
    if constexpr (Source::tiles)
      block = core::block_of_tile<typename Q::Block>(w, w_stride, row, i / kBlock);
    else
      block = read<typename Q::Block>(p);
    Definition::codes(codes, block);
    std::int8_t sub_scales[kBlock / kGroup] = {1};
    std::int8_t sub_mins[kBlock / kGroup] = {1};
    if constexpr (Definition::has_sub_scales) Definition::sub_scales(sub_scales, block);
    if constexpr (Definition::has_sub_scales && Definition::has_min) Definition::sub_mins(sub_mins, block);
    for (int g = 0; g < kBlock / kGroup; ++g) {
      const auto scale = V::set(Definition::scale(block) * static_cast<float>(sub_scales[g]));
      for (int j = g * kGroup; j < (g + 1) * kGroup; j += V::lanes) {
        const auto byte = V::load_u8(codes + j);
        const auto code = V::template shift_right_signed<24>(V::template shift_left<24>(byte));
        auto weight = V::mul(scale, V::to_f32(code));
        if constexpr (Definition::has_min)
          weight = V::sub(weight, V::set(Definition::min_scale(block) * static_cast<float>(sub_mins[g])));
        V::store(out + i + j, weight);
      }
    }
  }
}

template <class K>
constexpr core::ActivationLayout activation_layout_of(std::int64_t k) {
  return core::activation_layout(k, K::block_len, K::group);
}

template <class K>
std::size_t quant_activation_bytes(std::int64_t k) {
  return activation_layout_of<K>(k).bytes;
}

// sums of each group, where K corrects: blocks of 256: int16 sum(q). Blocks of 32: with minimums, float
// scale * sum(q); otherwise int32 -offset * sum(q), where the integer sum of the group begins.
template <class V, class K, int offset>
void quant_convert_activation(void* out, const float* x, std::int64_t k) {
  constexpr int kStep = K::block_len;
  const core::ActivationLayout layout = activation_layout_of<K>(k);
  auto* bytes = static_cast<std::uint8_t*>(out);
  auto* q = static_cast<std::int8_t*>(out);
  std::uint8_t* sums = bytes + layout.sums;
  for (std::int64_t i = 0; i < k; i += kStep) {
    auto most = V::abs(V::load(x + i));
    for (int p = V::lanes; p < kStep; p += V::lanes) most = V::max(most, V::abs(V::load(x + i + p)));
    const float largest = V::largest(most);
    const bool tiny = largest < 1e-30F;  // 127 / largest would not be finite
    const float scale = tiny ? 0 : largest / 127;
    const auto inverse = V::set(tiny ? 0 : 127 / largest);
    for (int p = 0; p < kStep; p += V::lanes) V::store_i8(q + i + p, V::mul(V::load(x + i + p), inverse));
    write(bytes + layout.scales + static_cast<std::size_t>(i / kStep) * sizeof(float), scale);
    if constexpr (K::correction == Correction::none) continue;
    for (std::int64_t j = i; j < i + kStep; j += K::group) {
      int sum = 0;
      for (std::int64_t l = j; l < j + K::group; ++l) sum += q[l];
      if constexpr (K::super) {
        write(sums, static_cast<std::int16_t>(sum));
        sums += sizeof(std::int16_t);
      } else {
        if constexpr (K::correction == Correction::min)
          write(sums, scale * static_cast<float>(sum));
        else
          write(sums, static_cast<std::int32_t>(-offset * sum));
        sums += sizeof(float);
      }
    }
  }
}

// All tokens, C at a time and the rest by smaller tiles.
template <class V, class K, int C>
void quant_tokens(float* out, std::int64_t out_stride, std::int64_t rows, const Strip& strip,
                  ActivationView x, std::int64_t tokens, std::int64_t blocks, bool begins) {
  constexpr int R = kVectors<V, K>;
  // piece(floats of out, floats of the tile, rows of one vector that there are)
  const auto for_pieces_of = [&](TileSums<V, R, C> & sums, const auto& piece) __attribute__((always_inline)) {
    for (int c = 0; c < C; ++c)
      for (int r = 0; r < R && r * V::lanes < rows; ++r)
        piece(out + c * out_stride + r * V::lanes, sums.out[c][r],
              rows - r * V::lanes < V::lanes ? rows - r * V::lanes : V::lanes);
  };
  TileSums<V, R, C> sums;
  for (; tokens >= C; tokens -= C) {
    if (begins || rows < R * V::lanes)
      for (int c = 0; c < C; ++c)
        for (int r = 0; r < R; ++r) V::store(sums.out[c][r], V::zero());
    if (!begins)
      for_pieces_of(sums, [](float* y, float* sum, std::int64_t n) {
        V::store(sum, n == V::lanes ? V::load(y) : V::load_part(y, n));
      });
    // They are far apart: asked for now, they have come when the sums are stored.
    for (int c = 0; c < C; ++c)
      for (int r = 0; r < R; ++r) __builtin_prefetch(out + c * out_stride + r * V::lanes, 1, 2);
    if constexpr (kBeginsAtOffset<V, K>)
      for (int c = 0; c < C; ++c) {
        const auto* sum = reinterpret_cast<const std::int16_t*>(x.sums + c * x.stride);
        for (std::int64_t g = 0; g < blocks * (K::block_len / K::group); ++g)
          sums.begin[c][g] = -strip.offset * sum[g];
      }
    if constexpr (K::super)
      super_tile<V, K, R, C>(sums, strip, x, blocks);
    else
      block_tile<V, K, R, C>(sums, strip, x, blocks);
    for_pieces_of(sums, [](float* y, float* sum, std::int64_t n) {
      if (n == V::lanes)
        V::store(y, V::load(sum));
      else
        V::store_part(y, V::load(sum), n);
    });
    out += C * out_stride;
    x.q += C * x.stride;
    x.scales += C * x.stride;
    x.sums += C * x.stride;
  }
  if constexpr (C > 1)
    if (tokens > 0)
      quant_tokens<V, K, (C > 4 ? 4 : C / 2)>(out, out_stride, rows, strip, x, tokens, blocks, begins);
}

// All that is known of a format beside its kind.
template <class V>
struct FormatView {
  // Makes a vector of a strip.
  void (*unpack)(Strip out, const MatArguments& m, std::int64_t row, std::int64_t block, std::int64_t blocks);
  std::int32_t offset;  // of the codes
};

// kRows rows are unpacked kDepth weights deep: the strips stay in cache while the tokens sweep over them.
template <class V, class K, int kRows, int kDepth>
void quant_strips(const MatArguments& m, const FormatView<V>& format) {
  constexpr int R = kVectors<V, K>;
  constexpr int kLanes = R * V::lanes;
  constexpr int kStrips = kRows / kLanes;
  constexpr std::int64_t kSuper = K::super ? 1 : 0;
  static_assert(kRows % kLanes == 0 && kDepth % 256 == 0 && kDepth / K::group <= kMostGroups);
  alignas(64) std::uint8_t codes[kRows * kDepth];
  alignas(64) std::int32_t scales[K::super ? kRows * kDepth / K::group : 1];
  alignas(64) std::int32_t mins[K::super ? kRows * kDepth / K::group / 2 : 1];
  alignas(64) float d[2][kRows * kDepth / K::block_len];
  const core::ActivationLayout layout = activation_layout_of<K>(m.k);
  for (std::int64_t row = 0; row < m.rows; row += kRows) {
    for (std::int64_t k = 0; k < m.k; k += kDepth) {
      const std::int64_t depth = m.k - k < kDepth ? m.k - k : kDepth;
      const std::int64_t blocks = depth / K::block_len;
      Strip strips[kStrips];
      std::int64_t count = 0;
      for (std::int64_t r = row; r < m.rows && r < row + kRows; r += kLanes, ++count) {
        const std::int64_t at = count * depth * kLanes;
        const std::int64_t group_at = kSuper * (at / K::group);
        strips[count] = {codes + at,
                         scales + group_at,
                         mins + group_at / 2,
                         d[0] + at / K::block_len,
                         d[1] + at / K::block_len,
                         format.offset};
        for (int v = 0; v < R; ++v) {
          const std::int64_t lane = v * V::lanes;
          const Strip& s = strips[count];
          format.unpack({s.codes + 4 * lane, s.scales + kSuper * lane, s.mins + kSuper * lane, s.d + lane,
                         s.d_min + lane, format.offset},
                        m, r + lane, k / K::block_len, blocks);
        }
      }
      for (std::int64_t token = 0; token < m.tokens; token += V::quant_columns) {
        const std::int64_t n = m.tokens - token < V::quant_columns ? m.tokens - token : V::quant_columns;
        const std::uint8_t* x = m.x + static_cast<std::size_t>(token) * m.x_stride;
        constexpr std::size_t kSumBytes = K::super ? sizeof(std::int16_t) : sizeof(float);
        const ActivationView view{
            x + k, x + layout.scales + static_cast<std::size_t>(k / K::block_len) * sizeof(float),
            x + layout.sums + static_cast<std::size_t>(k / K::group) * kSumBytes, m.x_stride};
        for (std::int64_t s = 0; s < count; ++s) {
          const std::int64_t r = row + s * kLanes;
          quant_tokens<V, K, V::quant_columns>(m.out + token * m.out_stride + r, m.out_stride,
                                               m.rows - r < kLanes ? m.rows - r : kLanes, strips[s], view, n,
                                               blocks, k == 0);
        }
      }
    }
  }
}

template <class V, class K>
void quant_product(const MatArguments& m, const FormatView<V>& format) {
  if (m.tokens <= 8 * V::quant_columns)
    quant_strips<V, K, kVectors<V, K> * V::lanes, 512>(m, format);  // stays in the L1 cache
  else
    quant_strips<V, K, 64, 2048>(m, format);  // 128 KiB of codes
}

template <class V, class Q, class Source>
void quant_mat_mul(float* out, std::int64_t out_stride, const void* w, std::size_t w_stride,
                   std::int64_t rows, const void* x, std::size_t x_stride, std::int64_t tokens,
                   std::int64_t k) {
  using K = KindOf<V, Q>;
  const MatArguments m{out,      out_stride, static_cast<const std::uint8_t*>(w),
                       w_stride, rows,       static_cast<const std::uint8_t*>(x),
                       x_stride, tokens,     k};
  if constexpr (Source::tiles) {
    if (tokens == 1) return tile_product<V, Q>(m, activation_layout_of<K>(k));
  } else if constexpr (V::row_products && kHasRowCode<Q>) {
    if (tokens == 1) return row_product<typename V::Rows, Q>(m, activation_layout_of<K>(k));
  }
  quant_product<V, K>(m, {&unpack<V, Q, kVectors<V, K>, Source>, kOffset<V, Q>});
}

template <class V, class Q, class Source = RowSource<V>>
constexpr core::MatKernels quant_kernels() {
  using K = KindOf<V, Q>;
  constexpr int kActivationOffset = K::super ? 0 : kOffset<V, Q>;
  return {&quant_dequantize_row<V, Q, Source>, &quant_convert_activation<V, K, kActivationOffset>,
          &quant_activation_bytes<K>, &quant_mat_mul<V, Q, Source>};
}

}  // namespace
