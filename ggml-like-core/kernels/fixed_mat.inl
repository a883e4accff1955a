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

#include "ggml-like-core/base/half.h"
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
constexpr std::uint32_t kScaleDown = 11;  // from an exponent to that of 2^(exponent + 1) / 4096
// A power of two, so that weights keep their bits. largest: the bits of the largest magnitude.
template <class Q>
inline FixedScale weight_scale(std::uint16_t largest) {
  const float top = Q::dtype == core::DType::f16 ? core::f16_to_f32(largest) : core::bf16_to_f32(largest);
  const std::uint32_t exponent = __builtin_bit_cast(std::uint32_t, top) >> 23U;
  if (exponent < 27 || exponent > 253) return {0, 0};
  return {__builtin_bit_cast(float, (exponent - kScaleDown) << 23U),
          __builtin_bit_cast(float, (254 - (exponent - kScaleDown)) << 23U)};
}

// The n <= kFixedGroup floats at x as integers; the rest of the group is 0. Returns the scale.
template <class V>
[[gnu::always_inline]] inline float fix_activations(void* out, const float* x, std::int64_t n) {
  constexpr int kPieces = kFixedGroup / V::lanes;
  constexpr bool kKept = 2 * kPieces <= V::registers;  // else it is cheaper to load them again
  const auto piece_at = [&](std::int64_t at) __attribute__((always_inline)) {
    return at >= n ? V::zero() : n - at >= V::lanes ? V::load(x + at) : V::load_part(x + at, n - at);
  };
  typename V::f32 piece[kPieces];
  typename V::f32 largest[2] = {V::zero(), V::zero()};
  unroll<kPieces>([&](auto p) __attribute__((always_inline)) {
    const auto v = piece_at(p.value * V::lanes);
    if constexpr (kKept) piece[p.value] = v;
    largest[p.value % 2] = V::max(largest[p.value % 2], V::abs(v));
  });
  const FixedScale scale = activation_scale(V::largest(V::max(largest[0], largest[1])));
  const auto inverse = V::set(scale.inverse);
  auto* p16 = static_cast<std::int16_t*>(out);
  unroll<kPieces / 2>([&](auto p) __attribute__((always_inline)) {
    constexpr int kFirst = 2 * decltype(p)::value;
    if constexpr (!kKept) {
      piece[kFirst] = piece_at(kFirst * V::lanes);
      piece[kFirst + 1] = piece_at((kFirst + 1) * V::lanes);
    }
    V::store_words_anywhere(p16 + kFirst * V::lanes,
                            V::i16_of(V::mul(piece[kFirst], inverse), V::mul(piece[kFirst + 1], inverse)));
  });
  return scale.value;
}

template <class V>
void fixed_convert_activation(void* out, const float* x, std::int64_t k) {
  auto* bytes = static_cast<std::uint8_t*>(out);
  std::uint8_t* scales = bytes + fixed_scales_at(k);
  for (std::int64_t i = 0; i < k; i += kFixedGroup, scales += sizeof(float)) {
    const std::int64_t n = k - i < kFixedGroup ? k - i : kFixedGroup;
    write(scales, fix_activations<V>(bytes + static_cast<std::size_t>(i) * sizeof(std::int16_t), x + i, n));
  }
}

constexpr std::size_t kGroupBytes = kFixedGroup * sizeof(std::uint16_t);  // of weights

// A whole group at p, where n weights are left of the row; a shorter one in `room`, with zeros behind it.
inline const std::uint8_t* whole_group(const std::uint8_t* p, std::int64_t n,
                                       std::uint8_t (&room)[kGroupBytes]) {
  if (n >= kFixedGroup) return p;
  __builtin_memset(room, 0, kGroupBytes);
  __builtin_memcpy(room, p, static_cast<std::size_t>(n) * sizeof(std::uint16_t));
  return room;
}

// 2 * V::lanes weights at p as integers.
template <class V, class Q>
[[gnu::always_inline]] inline typename V::Words fixed_words(const std::uint8_t* p, typename V::f32 inverse) {
  if constexpr (Q::dtype == core::DType::bf16)
    return V::i16_of_bf16(V::load_words(p), inverse);
  else
    return V::i16_of(V::mul(V::load_f16(p), inverse), V::mul(V::load_f16(p + 2 * V::lanes), inverse));
}

// A group of weights as integers. Returns the scale.
template <class V, class Q>
[[gnu::always_inline]] inline float fix_weights(std::int16_t* out, const std::uint8_t* group) {
  const FixedScale scale = weight_scale<Q>(V::largest_of_128(group));
  const auto inverse = V::set(scale.inverse);
  unroll<kFixedGroup / (2 * V::lanes)>([&](auto j) __attribute__((always_inline)) {
    V::store_words(out + 2 * V::lanes * j.value, fixed_words<V, Q>(group + 4 * V::lanes * j.value, inverse));
  });
  return scale.value;
}

// Unpacked weights of V::lanes rows.
struct FixedStrip {
  std::uint8_t* codes;  // [k / 2][lane][2] of 16 bits
  float* scales;        // [group][lane]
};

// n weights of V::lanes rows from `row` on, from weight k on. Lanes beyond the last row repeat it.
template <class V, class Q>
void fixed_unpack(const FixedStrip& strip, const MatArguments& m, std::int64_t row, std::int64_t k,
                  std::int64_t n) {
  constexpr std::size_t kWeight = sizeof(typename Q::Block);
  constexpr int kWord = 4 * V::lanes;
  const std::uint8_t* rows[V::lanes];
  for (int l = 0; l < V::lanes; ++l)
    rows[l] = m.w + static_cast<std::size_t>(row + l < m.rows ? row + l : m.rows - 1) * m.w_stride +
              static_cast<std::size_t>(k) * kWeight;
  alignas(64) std::int16_t turned[V::lanes][kFixedGroup];
  std::uint8_t room[kGroupBytes];
  std::uint8_t* out = strip.codes;
  float* scales = strip.scales;
  for (std::int64_t i = 0; i < n; i += kFixedGroup, scales += V::lanes, out += kFixedGroup / 2 * kWord) {
    for (int r = 0; r < V::lanes; ++r) {
      const std::uint8_t* p = rows[r] + static_cast<std::size_t>(i) * kWeight;
      for (std::size_t line = 0; line < kGroupBytes; line += 64)  // of the strip that comes next
        __builtin_prefetch(p + V::lanes * m.w_stride + line, 0, 2);
      scales[r] = fix_weights<V, Q>(turned[r], whole_group(p, n - i, room));
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
// while all these rows sweep over them. unpack: as fixed_unpack.
template <class V, auto unpack, int kRows, int kDepth>
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
        unpack(strips[count], m, r, k, depth);
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

template <class V, auto unpack>
void fixed_product(const MatArguments& m) {
  if (m.tokens <= V::fixed_columns)
    fixed_strips<V, unpack, V::lanes, 256>(m);  // read once: the strip should not leave the L1 cache
  else
    fixed_strips<V, unpack, 128, 1024>(m);  // 256 KiB of codes
}

// The products of a group of one row, in lanes that add up to their sum.
template <class V, class Q>
[[gnu::always_inline]] inline typename V::i32 fixed_dot(const std::uint8_t* group, const std::uint8_t* x,
                                                        typename V::f32 inverse) {
  typename V::i32 sums[2] = {V::set_i32(0), V::set_i32(0)};
  unroll<kFixedGroup / (2 * V::lanes)>([&](auto j) __attribute__((always_inline)) {
    constexpr int kAt = 4 * V::lanes * decltype(j)::value;
    auto& sum = sums[j.value % 2];
    sum = V::add_i32(sum, V::dot_halves(fixed_words<V, Q>(group + kAt, inverse), V::load_words(x + kAt)));
  });
  return V::add_i32(sums[0], sums[1]);
}

// One token: every weight is used once, so nothing is turned. k stands in lanes, rows are read one after the
// other, as memory likes it, and the sums of their groups are kept; then V::lanes rows take their float steps
// together. The same integers and the same float steps, so the same bits.
template <class V, class Q>
[[gnu::noinline]] void fixed_row_product(const MatArguments& m) {
  constexpr int kLanes = V::lanes;
  constexpr std::int64_t kDepth = 64;  // groups of a row before the next row
  constexpr std::size_t kAhead = 4096;
  static_assert(kLanes == 8);
  alignas(64) std::int32_t total[kLanes][kDepth];
  alignas(64) float scale[kLanes][kDepth];
  std::uint8_t room[kGroupBytes];
  const std::int64_t all = fixed_groups(m.k);
  const std::uint8_t* x_scale = m.x + fixed_scales_at(m.k);
  for (std::int64_t row = 0; row < m.rows; row += kLanes) {
    const std::int64_t n_rows = m.rows - row < kLanes ? m.rows - row : kLanes;
    auto out = V::zero();
    for (std::int64_t begin = 0; begin < all; begin += kDepth) {
      const std::int64_t n = all - begin < kDepth ? all - begin : kDepth;
      for (std::int64_t r = 0; r < n_rows; ++r) {
        const std::uint8_t* p = m.w + static_cast<std::size_t>(row + r) * m.w_stride;
        for (std::int64_t b = 0; b < n; b += 8) {
          typename V::i32 sums[8];
          for (std::int64_t i = 0; i < 8; ++i) {
            sums[i] = V::set_i32(0);
            if (b + i >= n) continue;
            const auto at = static_cast<std::size_t>(begin + b + i) * kGroupBytes;
            for (std::size_t line = 0; line < kGroupBytes; line += 64)
              __builtin_prefetch(p + at + kAhead + line, 0, 2);
            const std::int64_t left = m.k - (begin + b + i) * kFixedGroup;
            const std::uint8_t* group = whole_group(p + at, left, room);
            const FixedScale of = weight_scale<Q>(V::largest_of_128(group));
            scale[r][b + i] = of.value;
            sums[i] = fixed_dot<V, Q>(group, m.x + at, V::set(of.inverse));
          }
          V::store_i32(&total[r][b], V::sums_of(sums));
        }
      }
      for (std::int64_t b = 0; b < n; b += 8) {
        typename V::Words sums[8];
        typename V::Words scales[8];
        const auto words = [](const void* p) __attribute__((always_inline)) { return V::load_bytes(p); };
        turned_places<V>(sums, &total[0][b], kDepth, words);
        turned_places<V>(scales, &scale[0][b], kDepth, words);
        for (std::int64_t i = 0; i < 8 && b + i < n; ++i) {
          const auto at = static_cast<std::size_t>(begin + b + i) * sizeof(float);
          const auto both = V::mul(V::as_f32(scales[i]), V::set(read<float>(x_scale + at)));
          out = V::fma(V::to_f32(sums[i]), both, out);
        }
      }
    }
    if (n_rows == kLanes)
      V::store(m.out + row, out);
    else
      V::store_part(m.out + row, out, n_rows);
  }
}

template <class V, class Q>
void fixed_mat_mul(float* out, std::int64_t out_stride, const void* w, std::size_t w_stride,
                   std::int64_t rows, const void* x, std::size_t x_stride, std::int64_t tokens,
                   std::int64_t k) {
  const MatArguments m{out,      out_stride, static_cast<const std::uint8_t*>(w),
                       w_stride, rows,       static_cast<const std::uint8_t*>(x),
                       x_stride, tokens,     k};
  if constexpr (V::row_products)
    if (tokens == 1) return fixed_row_product<typename V::Rows, Q>(m);
  fixed_product<V, &fixed_unpack<V, Q>>(m);
}

template <class V, class Q>
constexpr core::MatKernels fixed_kernels() {
  return {&float_dequantize_row<V, Q>, &fixed_convert_activation<V>, &fixed_activation_bytes,
          &fixed_mat_mul<V, Q>};
}

}  // namespace
