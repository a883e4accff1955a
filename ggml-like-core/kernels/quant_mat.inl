// Matrix products with quantized weights: int8 activations, one integer sum per group, exact, then one float
// step per group in order. Included only by make_table.inl.
//
// Rows stand in lanes. The codes of V::lanes rows are unpacked once into strips [k / 4][lane][4 bytes] with
// their scales [group][lane] beside them, and serve every token: no sums across lanes, and the same float
// steps for an output element whatever tile it falls in.
#pragma once

#include "ggml-like-core/kernels/activation.h"
#include "ggml-like-core/kernels/decode.inl"
#include "ggml-like-core/kernels/float_mat.inl"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/simd/scalar.h"

namespace {

template <class V, class Q>
void quant_dequantize_row(float* out, const void* row, std::int64_t k) {
  constexpr int kGroup = Codes<Q>::group;
  constexpr int kBlock = Q::block_len;
  const auto* p = static_cast<const std::uint8_t*>(row);
  // The scales of one block are made by the scalar vector type, whose only lane is this row.
  alignas(64) float scales[kBlock / kGroup];
  alignas(64) float mins[kBlock / kGroup];
  alignas(64) std::uint8_t codes[kBlock];
  for (std::int64_t i = 0; i < k; i += kBlock, p += sizeof(typename Q::Block)) {
    const std::uint8_t* const block[1] = {p};
    scales_of<Scalar, Q>(scales, mins, block);
    codes_of<Scalar, Q>(codes, block);
    for (int j = 0; j < kBlock; j += V::lanes) {
      const auto code =
          kSigned<Scalar, Q>
              ? V::template shift_right_signed<24>(V::template shift_left<24>(V::load_u8(codes + j)))
              : V::add_i32(V::load_u8(codes + j), V::set_i32(-kOffset<Scalar, Q>));
      auto weight = V::mul(V::set(scales[j / kGroup]), V::to_f32(code));
      if constexpr (Codes<Q>::has_min) weight = V::sub(weight, V::set(mins[j / kGroup]));
      V::store(out + i + j, weight);
    }
  }
}

template <class Q>
std::size_t quant_activation_bytes(std::int64_t k) {
  return core::activation_layout(k, Codes<Q>::group).bytes;
}

// sums: with minimums, float -scale * sum(q) of each group; otherwise int32 -offset * sum(q), where the
// integer sum of the group begins.
template <class V, class Q>
void quant_convert_activation(void* out, const float* x, std::int64_t k) {
  constexpr int kGroup = Codes<Q>::group;
  constexpr int kPieces = 32 / V::lanes;
  const core::ActivationLayout layout = core::activation_layout(k, kGroup);
  auto* bytes = static_cast<std::uint8_t*>(out);
  auto* q = static_cast<std::int8_t*>(out);
  for (std::int64_t i = 0; i < k; i += 32) {
    auto most = V::abs(V::load(x + i));
    for (int p = 1; p < kPieces; ++p) most = V::max(most, V::abs(V::load(x + i + p * V::lanes)));
    const float largest = V::largest(most);
    const bool tiny = largest < 1e-30F;  // 127 / largest would not be finite
    const float scale = tiny ? 0 : largest / 127;
    const auto inverse = V::set(tiny ? 0 : 127 / largest);
    for (int p = 0; p < kPieces; ++p) {
      const std::int64_t at = i + p * V::lanes;
      V::store_i8(q + at, V::mul(V::load(x + at), inverse));
    }
    write(bytes + layout.scales + static_cast<std::size_t>(i / 32) * sizeof(float), scale);
    for (std::int64_t j = i; j < i + 32; j += kGroup) {
      int sum = 0;
      for (std::int64_t l = j; l < j + kGroup; ++l) sum += q[l];
      std::uint8_t* p = bytes + layout.sums + static_cast<std::size_t>(j / kGroup) * sizeof(float);
      if constexpr (Codes<Q>::has_min)
        write(p, -(scale * static_cast<float>(sum)));
      else
        write(p, static_cast<std::int32_t>(-kOffset<V, Q> * sum));
    }
  }
}

// Unpacked weights of V::lanes rows and some blocks of k.
struct Strip {
  std::uint8_t* codes;  // [k / 4][lane][4]
  float* scales;        // [k / group][lane]
  float* mins;          // the same, where the format has them
};

// rows[r]: the first block wanted of row r. ahead: from a byte to the one that is wanted next time. Many
// short pieces of rows are not a stream that processors foresee: told of them, they read at full speed.
template <class V, class Q>
void unpack(const Strip& strip, const std::uint8_t* const (&rows)[V::lanes], std::int64_t blocks,
            std::size_t ahead) {
  constexpr int kLanes = V::lanes;
  constexpr int kGroups = Q::block_len / Codes<Q>::group;
  const std::uint8_t* block[kLanes];
  for (int r = 0; r < kLanes; ++r) block[r] = rows[r];
  for (std::int64_t b = 0; b < blocks; ++b) {
    scales_of<V, Q>(strip.scales + b * kGroups * kLanes, strip.mins + b * kGroups * kLanes, block);
    codes_of<V, Q>(strip.codes + b * Q::block_len * kLanes, block);
    for (int r = 0; r < kLanes; ++r) {
      for (std::size_t line = 0; line < sizeof(typename Q::Block); line += 64)
        __builtin_prefetch(block[r] + ahead + line, 0, 2);
      block[r] += sizeof(typename Q::Block);
    }
  }
}

// Activations of C tokens from one k on; strides in bytes.
struct ActivationView {
  const std::uint8_t* q;
  const std::uint8_t* scales;
  const std::uint8_t* sums;
  std::size_t stride;
};

// out[c][lane] (+)= strip . x[c] over groups.
template <class V, class Q, int C>
[[gnu::noinline]] void quant_tile(float* out, std::int64_t out_stride, std::int64_t rows, const Strip& strip,
                                  const ActivationView& x, std::int64_t groups, bool begins) {
  constexpr int kLanes = V::lanes;
  constexpr int kSteps = Codes<Q>::group / 4;
  constexpr int kChain = V::chain(Codes<Q>::max_code) < kSteps ? V::chain(Codes<Q>::max_code) : kSteps;
  const std::uint8_t* codes = strip.codes;
  const float* scales = strip.scales;
  const float* mins = strip.mins;
  const std::uint8_t* q = x.q;
  const std::size_t stride = x.stride;
  typename V::f32 total[C];
  unroll<C>([&](auto c) {
    const float* p = out + c.value * out_stride;
    total[c.value] = begins ? V::zero() : rows == kLanes ? V::load(p) : V::load_part(p, rows);
  });
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::uint8_t* x_scale =
        x.scales + static_cast<std::size_t>(g * Codes<Q>::group / 32) * sizeof(float);
    const std::uint8_t* x_sum = x.sums + static_cast<std::size_t>(g) * sizeof(float);
    typename V::i32 sum[C];
    unroll<kSteps / kChain>([&](auto part) {
      typename V::Pairs pairs[C];
      unroll<C>([&](auto c) { pairs[c.value] = V::no_pairs(); });
      unroll<kChain>([&](auto j) {
        constexpr int kStep = decltype(part)::value * kChain + decltype(j)::value;
        const auto code = V::load_words(codes + kStep * 4 * kLanes);
        unroll<C>([&](auto c) {
          pairs[c.value] =
              V::template dot4<kSigned<V, Q>>(pairs[c.value], code, q + c.value * stride + 4 * kStep);
        });
      });
      unroll<C>([&](auto c) {
        if constexpr (decltype(part)::value > 0)
          sum[c.value] = V::add_pairs(sum[c.value], pairs[c.value]);
        else if constexpr (kOffset<V, Q> == 0)
          sum[c.value] = V::add_pairs(V::set_i32(0), pairs[c.value]);
        else
          sum[c.value] =
              V::add_pairs(V::set_i32(read<std::int32_t>(x_sum + c.value * stride)), pairs[c.value]);
      });
    });
    const auto scale = V::load(scales);
    unroll<C>([&](auto c) {
      const auto both = V::mul(scale, V::set(read<float>(x_scale + c.value * stride)));
      total[c.value] = V::fma(V::to_f32(sum[c.value]), both, total[c.value]);
    });
    if constexpr (Codes<Q>::has_min) {
      const auto min = V::load(mins);
      unroll<C>([&](auto c) {
        total[c.value] = V::fma(min, V::set(read<float>(x_sum + c.value * stride)), total[c.value]);
      });
      mins += kLanes;
    }
    codes += Codes<Q>::group * kLanes;
    scales += kLanes;
    q += Codes<Q>::group;
  }
  unroll<C>([&](auto c) {
    float* p = out + c.value * out_stride;
    if (rows == kLanes)
      V::store(p, total[c.value]);
    else
      V::store_part(p, total[c.value], rows);
  });
}

// All tokens, C at a time and the rest by smaller tiles. begin(t): where tile t begins.
template <class V, class Q, int C>
void quant_tokens(float* out, std::int64_t out_stride, std::int64_t rows, const Strip& strip,
                  ActivationView x, std::int64_t tokens, std::int64_t groups, bool begins) {
  for (; tokens >= C; tokens -= C) {
    quant_tile<V, Q, C>(out, out_stride, rows, strip, x, groups, begins);
    out += C * out_stride;
    x.q += C * x.stride;
    x.scales += C * x.stride;
    x.sums += C * x.stride;
  }
  if constexpr (C > 1)
    if (tokens > 0)
      quant_tokens<V, Q, (C > 4 ? C - 4 : C / 2)>(out, out_stride, rows, strip, x, tokens, groups, begins);
}

// kRows rows are unpacked kDepth weights deep: the strips stay in cache while the tokens sweep over them.
template <class V, class Q, int kRows, int kDepth>
void quant_strips(const MatArguments& m) {
  constexpr int kLanes = V::lanes;
  constexpr int kGroup = Codes<Q>::group;
  constexpr int kStrips = kRows / kLanes;
  static_assert(kRows % kLanes == 0 && kDepth % 256 == 0);
  alignas(64) std::uint8_t codes[kRows * kDepth];
  alignas(64) float scales[kRows * kDepth / kGroup];
  alignas(64) float mins[Codes<Q>::has_min ? kRows * kDepth / kGroup : 1];
  const core::ActivationLayout layout = core::activation_layout(m.k, kGroup);
  for (std::int64_t row = 0; row < m.rows; row += kRows) {
    for (std::int64_t k = 0; k < m.k; k += kDepth) {
      const std::int64_t depth = m.k - k < kDepth ? m.k - k : kDepth;
      const std::int64_t groups = depth / kGroup;
      Strip strips[kStrips];
      std::int64_t count = 0;
      for (std::int64_t r = row; r < m.rows && r < row + kRows; r += kLanes, ++count) {
        const std::size_t at = static_cast<std::size_t>(count) * static_cast<std::size_t>(depth) * kLanes;
        strips[count] = {codes + at, scales + at / kGroup, Codes<Q>::has_min ? mins + at / kGroup : nullptr};
        const std::uint8_t* rows[kLanes];
        for (int l = 0; l < kLanes; ++l) {  // lanes beyond the last row repeat it and are not stored
          const std::int64_t source = r + l < m.rows ? r + l : m.rows - 1;
          rows[l] = m.w + static_cast<std::size_t>(source) * m.w_stride +
                    static_cast<std::size_t>(k / Q::block_len) * sizeof(typename Q::Block);
        }
        unpack<V, Q>(strips[count], rows, depth / Q::block_len, kLanes * m.w_stride);
      }
      for (std::int64_t token = 0; token < m.tokens; token += V::quant_columns) {
        const std::int64_t n = m.tokens - token < V::quant_columns ? m.tokens - token : V::quant_columns;
        const std::uint8_t* x = m.x + static_cast<std::size_t>(token) * m.x_stride;
        const ActivationView view{x + k, x + layout.scales + static_cast<std::size_t>(k / 32) * sizeof(float),
                                  x + layout.sums + static_cast<std::size_t>(k / kGroup) * sizeof(float),
                                  m.x_stride};
        for (std::int64_t s = 0; s < count; ++s) {
          const std::int64_t r = row + s * kLanes;
          quant_tokens<V, Q, V::quant_columns>(m.out + token * m.out_stride + r, m.out_stride,
                                               m.rows - r < kLanes ? m.rows - r : kLanes, strips[s], view, n,
                                               groups, k == 0);
        }
      }
    }
  }
}

template <class V, class Q>
void quant_mat_mul(float* out, std::int64_t out_stride, const void* w, std::size_t w_stride,
                   std::int64_t rows, const void* x, std::size_t x_stride, std::int64_t tokens,
                   std::int64_t k) {
  const MatArguments m{out,      out_stride, static_cast<const std::uint8_t*>(w),
                       w_stride, rows,       static_cast<const std::uint8_t*>(x),
                       x_stride, tokens,     k};
  if (tokens <= V::quant_columns)
    quant_strips<V, Q, V::lanes, 512>(m);  // read once: the strip should not leave the L1 cache
  else
    quant_strips<V, Q, 64, 2048>(m);  // 128 KiB of codes
}

template <class V, class Q>
constexpr core::MatKernels quant_kernels() {
  return {&quant_dequantize_row<V, Q>, &quant_convert_activation<V, Q>, &quant_activation_bytes<Q>,
          &quant_mat_mul<V, Q>};
}

}  // namespace
