// Matrix products with BF16 and F16 weights in 16-bit fixed point. Included only by make_table.inl.
//
// Groups of 128 along k have one scale in each row of weights and of activations: weights become integers of
// at most kMostWeight, activations of at most kMostActivation, and 128 of their products fit 32 bits, so that
// the sum of a group is exact. One float step a group, in order. Against bf16 products (8 bits of mantissa on
// both sides) what is lost is smaller: a weight within 16 times of the largest of its group keeps all its
// bits.
//
// Rows stand in lanes, as in quant_mat.inl: V::lanes rows are unpacked into a strip [k / 2][lane][2] that
// serves every token.
#pragma once

#include "ggml-like-core/kernels/float_mat.inl"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

constexpr int kFixedGroup = 128;
constexpr int kMostWeight = 4095;
constexpr int kMostActivation = 4095;
static_assert(std::int64_t{kMostWeight} * kMostActivation * kFixedGroup <= 2147483647);

constexpr std::int64_t fixed_groups(std::int64_t k) { return (k + kFixedGroup - 1) / kFixedGroup; }

// One row of activations: integers of whole groups, the last one filled with zeros, then the groups' scales.
inline std::size_t fixed_scales_at(std::int64_t k) {
  return static_cast<std::size_t>(fixed_groups(k)) * kFixedGroup * sizeof(std::int16_t);
}
inline std::size_t fixed_activation_bytes(std::int64_t k) {
  const std::size_t scales = static_cast<std::size_t>(fixed_groups(k)) * sizeof(float);
  return fixed_scales_at(k) + (scales + 63) / 64 * 64;
}

// What the floats of a group with this largest magnitude are divided by, and its inverse. {0, 0}: they count
// as 0.
struct FixedScale {
  float value, inverse;
};
inline FixedScale activation_scale(float top) {
  constexpr auto kMost = static_cast<float>(kMostActivation);
  if (!(top >= 1e-30F)) return {0, 0};  // kMost / top would not be finite
  return {top / kMost, kMost / top};
}
// A power of two, so that weights keep their bits.
inline FixedScale weight_scale(float top) {
  const std::uint32_t exponent = __builtin_bit_cast(std::uint32_t, top) >> 23U;
  if (exponent < 27 || exponent > 253) return {0, 0};
  constexpr std::uint32_t kDown = 11;  // 2^(exponent + 1) / 4096
  return {__builtin_bit_cast(float, (exponent - kDown) << 23U),
          __builtin_bit_cast(float, (254 - (exponent - kDown)) << 23U)};
}

// The n <= kFixedGroup floats that load(i) gives, V::lanes at a time, as integers; the rest of the group is
// 0. Returns the scale.
template <class V, class Load>
[[gnu::always_inline]] inline float fix_group(void* out, std::int64_t n, FixedScale (*scale_of)(float),
                                              const Load& load) {
  constexpr int kPieces = kFixedGroup / V::lanes;
  constexpr bool kKept = 2 * kPieces <= V::registers;  // else it is cheaper to load them again
  const auto piece_at = [&](std::int64_t at) __attribute__((always_inline)) {
    return at < n ? load(at) : V::zero();
  };
  typename V::f32 piece[kPieces];
  typename V::f32 largest[2] = {V::zero(), V::zero()};
  unroll<kPieces>([&](auto p) __attribute__((always_inline)) {
    const auto v = piece_at(p.value * V::lanes);
    if constexpr (kKept) piece[p.value] = v;
    largest[p.value % 2] = V::max(largest[p.value % 2], V::abs(v));
  });
  const FixedScale scale = scale_of(V::largest(V::max(largest[0], largest[1])));
  const auto inverse = V::set(scale.inverse);
  auto* p16 = static_cast<std::int16_t*>(out);
  unroll<kPieces / 2>([&](auto p) __attribute__((always_inline)) {
    constexpr int kFirst = 2 * decltype(p)::value;
    if constexpr (!kKept) {
      piece[kFirst] = piece_at(kFirst * V::lanes);
      piece[kFirst + 1] = piece_at((kFirst + 1) * V::lanes);
    }
    V::store_2_i16(p16 + kFirst * V::lanes, V::mul(piece[kFirst], inverse),
                   V::mul(piece[kFirst + 1], inverse));
  });
  return scale.value;
}

template <class V>
void fixed_convert_activation(void* out, const float* x, std::int64_t k) {
  auto* bytes = static_cast<std::uint8_t*>(out);
  std::uint8_t* scales = bytes + fixed_scales_at(k);
  for (std::int64_t i = 0; i < k; i += kFixedGroup, scales += sizeof(float)) {
    const std::int64_t n = k - i < kFixedGroup ? k - i : kFixedGroup;
    const float scale =
        fix_group<V>(bytes + static_cast<std::size_t>(i) * sizeof(std::int16_t), n, activation_scale,
                     [&](std::int64_t at) {
                       return n - at >= V::lanes ? V::load(x + i + at) : V::load_part(x + i + at, n - at);
                     });
    write(scales, scale);
  }
}

// The n <= kFixedGroup weights of a row at p as integers.
template <class V, class Q>
[[gnu::always_inline]] inline float fix_weights(void* out, const std::uint8_t* p, std::int64_t n) {
  const auto at_end = [p](std::int64_t at) {
    return p + static_cast<std::size_t>(at) * sizeof(typename Q::Block);
  };
  if (n == kFixedGroup)
    return fix_group<V>(out, n, weight_scale,
                        [&](std::int64_t at) { return load_weights<V, Q>(at_end(at)); });
  return fix_group<V>(out, n, weight_scale, [&](std::int64_t at) {
    return n - at >= V::lanes ? load_weights<V, Q>(at_end(at)) : load_weights_part<V, Q>(at_end(at), n - at);
  });
}

// Unpacked weights of V::lanes rows.
struct FixedStrip {
  std::uint8_t* codes;  // [k / 2][lane][2] of 16 bits
  float* scales;        // [group][lane]
};

// rows[r]: the first weight wanted of row r; n weights from there on. ahead: from a byte to the one that is
// wanted next time.
template <class V, class Q>
void fixed_unpack(const FixedStrip& strip, const std::uint8_t* const (&rows)[V::lanes], std::int64_t n,
                  std::size_t ahead) {
  constexpr std::size_t kWeight = sizeof(typename Q::Block);
  constexpr int kWord = 4 * V::lanes;
  alignas(64) std::int16_t turned[V::lanes][kFixedGroup];
  std::uint8_t* out = strip.codes;
  float* scales = strip.scales;
  for (std::int64_t i = 0; i < n; i += kFixedGroup, scales += V::lanes, out += kFixedGroup / 2 * kWord) {
    const std::int64_t count = n - i < kFixedGroup ? n - i : kFixedGroup;
    for (int r = 0; r < V::lanes; ++r) {
      const std::uint8_t* row = rows[r] + static_cast<std::size_t>(i) * kWeight;
      for (std::size_t line = 0; line < kFixedGroup * kWeight; line += 64)
        __builtin_prefetch(row + ahead + line, 0, 2);
      scales[r] = fix_weights<V, Q>(turned[r], row, count);
    }
    for (int part = 0; part < kFixedGroup / 16; ++part) {  // 32 bytes of every row at a time
      typename V::Bytes bytes[V::lanes];
      unroll<V::lanes>([&](auto r) __attribute__((always_inline)) {
        bytes[r.value] = V::load_bytes(&turned[r.value][16 * part]);
      });
      typename V::Words words[8];
      V::interleave(words, bytes);
      unroll<8>([&](auto j) __attribute__((always_inline)) {
        V::store_words(out + (8 * part + j.value) * kWord, words[j.value]);
      });
    }
  }
}

// The activations of a tile from one k on; strides in bytes.
struct FixedView {
  const std::uint8_t* q;
  const std::uint8_t* scales;
  std::size_t stride;
};

// The floats of a tile, which live in memory: there are not registers enough for both kinds of sums
// everywhere. here(): the same, at an address that the compiler does not know. It would rather have them in
// registers, and those on the stack.
template <class V, int R, int C>
struct FixedSums {
  alignas(64) float total[C][R][V::lanes];
  [[gnu::always_inline]] FixedSums* here() {
    FixedSums* sums = this;
    asm volatile("" : "+r"(sums));
    return sums;
  }
};

// out[c][strip r][lane] (+)= strips . x[c] over groups. n_rows: rows of the last strip that are there.
template <class V, int R, int C>
[[gnu::noinline]] void fixed_tile(float* out, std::int64_t out_stride, std::int64_t n_rows,
                                  const FixedStrip* strips, const FixedView& x, std::int64_t groups,
                                  bool begins) {
  constexpr int kLanes = V::lanes;
  constexpr int kSteps = kFixedGroup / 2;
  constexpr int kBases = (C + 3) / 4;  // an address serves four columns: more would not fit the registers
  const std::size_t stride = x.stride;
  const std::uint8_t* codes[R];
  const float* scales[R];
  const std::uint8_t* q[kBases];
  for (int r = 0; r < R; ++r) {
    codes[r] = strips[r].codes;
    scales[r] = strips[r].scales;
  }
  for (int b = 0; b < kBases; ++b) q[b] = x.q + 4 * static_cast<std::size_t>(b) * stride;
  const std::uint8_t* x_scales = x.scales;
  FixedSums<V, R, C> sums;
  const auto each = [&](const auto& body) __attribute__((always_inline)) {
    unroll<C>([&](auto c) __attribute__((always_inline)) {
      unroll<R>([&](auto r) __attribute__((always_inline)) { body(c, r); });
    });
  };
  const auto whole = [&](int r) __attribute__((always_inline)) { return r + 1 < R || n_rows == kLanes; };
  auto* const before = sums.here();
  each([&](auto c, auto r) __attribute__((always_inline)) {
    const float* p = out + c.value * out_stride + r.value * kLanes;
    __builtin_prefetch(p, 1, 3);  // written when the tile is done, until when it may come from memory
    V::store(before->total[c.value][r.value], begins           ? V::zero()
                                              : whole(r.value) ? V::load(p)
                                                               : V::load_part(p, n_rows));
  });
  for (std::int64_t g = 0; g < groups; ++g) {
    typename V::i32 sum[C][R];
    each([&](auto c, auto r) __attribute__((always_inline)) { sum[c.value][r.value] = V::set_i32(0); });
    for (int j = 0; j < kSteps; j += 4) {
      unroll<4>([&](auto step) __attribute__((always_inline)) {
        typename V::Words w[R];
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          w[r.value] = V::load_words(codes[r.value] + step.value * 4 * kLanes);
        });
        unroll<C>([&](auto c) __attribute__((always_inline)) {
          const std::uint8_t* pair = q[c.value / 4] + c.value % 4 * stride + 4 * step.value;
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            sum[c.value][r.value] = V::dot2(sum[c.value][r.value], w[r.value], pair);
          });
        });
      });
      unroll<R>([&](auto r) __attribute__((always_inline)) { codes[r.value] += 4 * 4 * kLanes; });
      unroll<kBases>([&](auto b) __attribute__((always_inline)) { q[b.value] += 4 * 4; });
    }
    auto* const memory = sums.here();
    each([&](auto c, auto r) __attribute__((always_inline)) {
      const auto both = V::mul(V::load(scales[r.value]), V::set(read<float>(x_scales + c.value * stride)));
      float* p = memory->total[c.value][r.value];
      V::store(p, V::fma(V::to_f32(sum[c.value][r.value]), both, V::load(p)));
    });
    for (int r = 0; r < R; ++r) scales[r] += kLanes;
    x_scales += sizeof(float);
  }
  auto* const after = sums.here();
  each([&](auto c, auto r) __attribute__((always_inline)) {
    float* p = out + c.value * out_stride + r.value * kLanes;
    const auto v = V::load(after->total[c.value][r.value]);
    if (whole(r.value))
      V::store(p, v);
    else
      V::store_part(p, v, n_rows);
  });
}

// body(Index<C>, first token) for all tokens, C at a time and the rest by smaller tiles.
template <int C, class Body>
void fixed_tokens(std::int64_t first, std::int64_t tokens, const Body& body) {
  for (; first + C <= tokens; first += C) body(Index<C>{}, first);
  if constexpr (C > 1)
    if (first < tokens) fixed_tokens<(C > 4 ? C - 4 : C / 2)>(first, tokens, body);
}

// Asks for part `part` of `parts` of the `count` tokens that follow the first `behind` of x, depth numbers
// each: they lie too far apart for the processor to guess them.
inline void fetch_columns(const FixedView& x, std::int64_t count, std::int64_t behind, std::int64_t part,
                          std::int64_t parts, std::int64_t depth) {
  const auto bytes = static_cast<std::size_t>(depth) * sizeof(std::int16_t);
  for (std::int64_t c = 0; c < count; ++c) {
    const std::uint8_t* column = x.q + static_cast<std::size_t>(behind + c) * x.stride;
    for (std::size_t at = static_cast<std::size_t>(part) * 64; at < bytes;
         at += static_cast<std::size_t>(parts) * 64)
      __builtin_prefetch(column + at, 0, 2);
  }
}

// kRows rows are unpacked kDepth weights deep, for the L2 cache; the tokens of a tile stay in the L1 cache
// while all these rows sweep over them.
template <class V, class Q, int kRows, int kDepth>
void fixed_strips(const MatArguments& m) {
  constexpr int kLanes = V::lanes;
  constexpr int kStrips = kRows / kLanes;
  constexpr int kTogether = kStrips < 2 ? 1 : 2;
  static_assert(kRows % kLanes == 0 && kDepth % kFixedGroup == 0);
  alignas(64) std::uint8_t codes[sizeof(std::int16_t) * kRows * kDepth];
  alignas(64) float scales[kRows * kDepth / kFixedGroup];
  for (std::int64_t row = 0; row < m.rows; row += kRows) {
    for (std::int64_t k = 0; k < m.k; k += kDepth) {
      const std::int64_t depth = m.k - k < kDepth ? m.k - k : kDepth;
      const std::int64_t groups = fixed_groups(depth);
      FixedStrip strips[kStrips];
      std::int64_t count = 0;
      for (std::int64_t r = row; r < m.rows && r < row + kRows; r += kLanes, ++count) {
        const std::int64_t at = count * groups * kLanes;
        strips[count] = {codes + sizeof(std::int16_t) * static_cast<std::size_t>(at) * kFixedGroup,
                         scales + at};
        const std::uint8_t* rows[kLanes];
        for (int l = 0; l < kLanes; ++l) {  // lanes beyond the last row repeat it and are not stored
          const std::int64_t source = r + l < m.rows ? r + l : m.rows - 1;
          rows[l] = m.w + static_cast<std::size_t>(source) * m.w_stride +
                    static_cast<std::size_t>(k) * sizeof(typename Q::Block);
        }
        fixed_unpack<V, Q>(strips[count], rows, depth, kLanes * m.w_stride);
      }
      const std::uint8_t* x = m.x + static_cast<std::size_t>(k) * sizeof(std::int16_t);
      const std::uint8_t* x_scales =
          m.x + fixed_scales_at(m.k) + static_cast<std::size_t>(k / kFixedGroup) * sizeof(float);
      fixed_tokens<V::fixed_columns>(0, m.tokens, [&](auto columns, std::int64_t token) {
        constexpr int C = decltype(columns)::value;
        const auto at = static_cast<std::size_t>(token) * m.x_stride;
        const FixedView view{x + at, x_scales + at, m.x_stride};
        float* out = m.out + token * m.out_stride;
        std::int64_t s = 0;
        if constexpr (kTogether == 2)
          for (; s + 1 < count; s += 2) {
            fetch_columns(view, m.tokens - token - C < C ? m.tokens - token - C : C, C, s / 2,
                          (count + 1) / 2, depth);
            const std::int64_t r = row + s * kLanes;
            const std::int64_t left = m.rows - r - kLanes;  // of the second
            fixed_tile<V, 2, C>(out + r, m.out_stride, left < kLanes ? left : kLanes, strips + s, view,
                                groups, k == 0);
          }
        for (; s < count; ++s) {
          const std::int64_t r = row + s * kLanes;
          const std::int64_t left = m.rows - r;
          fixed_tile<V, 1, C>(out + r, m.out_stride, left < kLanes ? left : kLanes, strips + s, view, groups,
                              k == 0);
        }
      });
    }
  }
}

// One token: every weight is used once, so nothing is turned. The same integers and the same float steps.
template <class V, class Q>
void fixed_one_token(const MatArguments& m) {
  constexpr int kLanes = V::lanes;
  constexpr std::size_t kWeight = sizeof(typename Q::Block);
  const std::uint8_t* x_scales = m.x + fixed_scales_at(m.k);
  for (std::int64_t row = 0; row < m.rows; row += kLanes) {
    const std::int64_t count = m.rows - row < kLanes ? m.rows - row : kLanes;
    const std::uint8_t* w = m.w + static_cast<std::size_t>(row) * m.w_stride;
    auto total = V::zero();
    for (std::int64_t i = 0; i < m.k; i += kFixedGroup) {
      const std::int64_t n = m.k - i < kFixedGroup ? m.k - i : kFixedGroup;
      alignas(64) std::int32_t sums[kLanes] = {};
      alignas(64) float scales[kLanes] = {};
      for (std::int64_t r = 0; r < count; ++r) {
        alignas(64) std::int16_t group[kFixedGroup];
        const std::uint8_t* p =
            w + static_cast<std::size_t>(r) * m.w_stride + static_cast<std::size_t>(i) * kWeight;
        for (std::size_t line = 0; line < kFixedGroup * kWeight; line += 64)
          __builtin_prefetch(p + kLanes * m.w_stride + line, 0, 2);
        scales[r] = fix_weights<V, Q>(group, p, n);
        const std::uint8_t* x = m.x + static_cast<std::size_t>(i) * sizeof(std::int16_t);
        for (int half = 0; half < kFixedGroup; half += 64)
          sums[r] += V::dot64_i16(group + half, x + static_cast<std::size_t>(half) * sizeof(std::int16_t));
      }
      const auto both =
          V::mul(V::load(scales),
                 V::set(read<float>(x_scales + static_cast<std::size_t>(i / kFixedGroup) * sizeof(float))));
      total = V::fma(V::to_f32(V::load_i32(sums)), both, total);
    }
    if (count == kLanes)
      V::store(m.out + row, total);
    else
      V::store_part(m.out + row, total, count);
  }
}

template <class V, class Q>
void fixed_mat_mul(float* out, std::int64_t out_stride, const void* w, std::size_t w_stride,
                   std::int64_t rows, const void* x, std::size_t x_stride, std::int64_t tokens,
                   std::int64_t k) {
  const MatArguments m{out,      out_stride, static_cast<const std::uint8_t*>(w),
                       w_stride, rows,       static_cast<const std::uint8_t*>(x),
                       x_stride, tokens,     k};
  if (tokens == 1) return fixed_one_token<V, Q>(m);
  if (tokens <= V::fixed_columns)
    fixed_strips<V, Q, V::lanes, 256>(m);  // read once: the strip should not leave the L1 cache
  else
    fixed_strips<V, Q, 128, 1024>(m);  // 256 KiB of codes
}

template <class V, class Q>
constexpr core::MatKernels fixed_kernels() {
  return {&float_dequantize_row<V, Q>, &fixed_convert_activation<V>, &fixed_activation_bytes,
          &fixed_mat_mul<V, Q>};
}

}  // namespace
