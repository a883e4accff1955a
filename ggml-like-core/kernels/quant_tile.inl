// The register tile of products with quantized weights: R vectors of rows times C tokens. Products of codes
// and activations are summed as integers, exactly, and become floats once a block, in order: the same steps
// for an output element whatever tile it falls in. Included only by quant_mat.inl.
//
// V::kept tells the compiler to leave a sum in its register and its step where it is written: left alone, it
// adds in another order and runs out of registers (tests/kernels/tiles_do_not_spill.sh).
#pragma once

#include "ggml-like-core/kernels/quant_kind.inl"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

// Vectors of rows of every tile of a kind.
template <class V, class K>
inline constexpr int kVectors =
    // Blocks with a float scale keep float sums beside those of integers: two vectors of both only where
    // little else wants a register.
    !K::super && (K::correction == Correction::min || K::chain < 8) ? 1 : V::quant_vectors(K::chain);

// Activations of C tokens from one k on; stride in bytes.
struct ActivationView {
  const std::uint8_t* q;
  const std::uint8_t* scales;
  const std::uint8_t* sums;
  std::size_t stride;
};

// Whether sums of a group begin with what its offset will add, taken away: a load, where the same at the end
// of a block is products.
template <class V, class K>
inline constexpr bool kBeginsAtOffset =
    K::super&& K::correction == Correction::offset&& V::pairs_are_sums&& K::chain == K::group / 4;

inline constexpr std::int64_t kMostGroups = 128;  // of a strip

// Sums of one tile outside of registers. here(): the same, at an address that the compiler does not know. It
// would rather have them in registers, and those on the stack.
template <class V, int R, int C>
struct TileSums {
  alignas(64) float out[C][R][V::lanes];
  alignas(64) std::int32_t total[C][R][V::lanes];
  alignas(64) std::int32_t begin[C][kMostGroups];  // what the sum of a group begins with: kBeginsAtOffset
  [[gnu::always_inline]] TileSums* here() {
    TileSums* sums = this;
    asm volatile("" : "+r"(sums));
    return sums;
  }
};

// Sums over groups stay in registers beside those of dot4 where there are enough, and in the L1 cache
// otherwise.
template <class V, class K, int R, int C>
constexpr bool sums_in_registers() {
  const bool third = !K::super && K::chain > 1 && K::chain < K::group / 4;  // over parts of a group
  const int sets = (K::chain > 1 ? V::pair_registers : 0) + 1 + (third ? 1 : 0);
  const int constants = K::super || V::pairs_are_sums || K::chain == 1 ? 2 : 5;
  return R * C * sets + 2 * R + constants <= V::registers;
}

// pairs = codes . x of K::chain calls of dot4, from call `first` of a group on.
template <class V, class K, int first, int R, int C>
[[gnu::always_inline]] inline void dot_chain(typename V::Pairs (&pairs)[R][C], const std::uint8_t* codes,
                                             const std::uint8_t* q, std::size_t stride) {
  unroll<K::chain>([&](auto j) {
    constexpr int kStep = first + decltype(j)::value;
    typename V::Words code[R];
    unroll<R>([&](auto r) { code[r.value] = V::load_words(codes + (kStep * R + r.value) * 4 * V::lanes); });
    unroll<C>([&](auto c) {
      unroll<R>([&](auto r) {
        auto& sum = pairs[r.value][c.value];
        sum =
            V::kept(V::template dot4<K::signed_codes>(sum, code[r.value], q + c.value * stride + 4 * kStep));
      });
    });
  });
}

// The same for chains of one, whose sums go on at once: add(sum, pairs) for each.
template <class V, class K, int step, int R, int C, class Add>
[[gnu::always_inline]] inline void dot_once(typename V::i32 (&sum)[R][C], const std::uint8_t* codes,
                                            const std::uint8_t* q, std::size_t stride, const Add& add) {
  unroll<R>([&](auto r) {
    const auto code = V::load_words(codes + (step * R + r.value) * 4 * V::lanes);
    unroll<C>([&](auto c) {
      auto& s = sum[r.value][c.value];
      s = V::kept(
          add(r, s, V::template dot4<K::signed_codes>(V::no_pairs(), code, q + c.value * stride + 4 * step)));
    });
  });
}

// What is taken away from a block of 256: sum over its groups of mins * sum(x). vectors: of the strip.
template <class V, class K, int vectors>
[[gnu::always_inline]] inline typename V::i32 min_sum(const std::int32_t* mins, const std::uint8_t* x_sum) {
  auto low = V::set_i32(0);
  unroll<K::block_len / K::group / 2>([&](auto two) {
    low = V::kept(V::dot2(low, V::load_words(mins + two.value * vectors * V::lanes), x_sum + 4 * two.value));
  });
  return low;
}

// The float step of an output at the end of a block, of every product alike: out + sum * d * x_scale.
// Minimums take another one, with d negative.
template <class V>
[[gnu::always_inline]] inline typename V::f32 float_step(typename V::f32 out, typename V::i32 sum,
                                                         typename V::f32 d, typename V::f32 x_scale) {
  return V::fma(V::to_f32(sum), V::mul(d, x_scale), out);
}

// sums.out += strip . x over blocks of 256 with integer scales.
template <class V, class K, int R, int C>
[[gnu::noinline]] void super_tile(TileSums<V, R, C>& sums, const Strip& strip, const ActivationView& x,
                                  std::int64_t blocks) {
  constexpr bool kInRegisters = sums_in_registers<V, K, R, C>();
  constexpr int kNext = R * V::lanes;
  constexpr int kGroups = K::block_len / K::group;
  const std::uint8_t* codes = strip.codes;
  const std::int32_t* scales = strip.scales;
  const std::int32_t* mins = strip.mins;
  const float* d = strip.d;
  const float* d_min = strip.d_min;
  const std::uint8_t* q = x.q;
  const std::uint8_t* x_scale = x.scales;
  const std::uint8_t* x_sum = x.sums;
  const std::size_t stride = x.stride;
  [[maybe_unused]] const std::int32_t* begin = sums.here()->begin[0];
  for (; blocks > 0; --blocks) {
    typename V::i32 total[R][C];
    unroll<C>([&](auto c) {
      unroll<R>([&](auto r) {
        if constexpr (kInRegisters)
          total[r.value][c.value] = V::set_i32(0);
        else
          V::store_i32(sums.total[c.value][r.value], V::set_i32(0));
      });
    });
    for (int g = 0; g < kGroups; ++g) {
      if constexpr (K::chain == 1) {
        static_assert(kInRegisters);
        unroll<K::group / 4>([&](auto step) {
          dot_once<V, K, step.value>(total, codes, q, stride, [&](auto r, auto sum, auto pairs) {
            return V::add_scaled(sum, pairs, V::load_i32(scales + r.value * V::lanes));
          });
        });
      } else {
        unroll<K::group / 4 / K::chain>([&](auto part) {
          typename V::Pairs pairs[R][C];
          unroll<C>([&](auto c) {
            if constexpr (kBeginsAtOffset<V, K>) {
              const auto first = V::set_i32(begin[c.value * kMostGroups]);
              unroll<R>([&](auto r) { pairs[r.value][c.value] = first; });
            } else {
              unroll<R>([&](auto r) { pairs[r.value][c.value] = V::no_pairs(); });
            }
          });
          dot_chain<V, K, part.value * K::chain>(pairs, codes, q, stride);
          auto* const sums_here = sums.here();
          unroll<R>([&](auto r) {
            const auto scale = V::load_i32(scales + r.value * V::lanes);
            unroll<C>([&](auto c) {
              auto* memory = sums_here->total[c.value][r.value];
              auto& sum = total[r.value][c.value];
              if constexpr (kInRegisters) {
                sum = V::kept(V::add_scaled(sum, pairs[r.value][c.value], scale));
              } else {
                V::store_i32(memory, V::add_scaled(V::load_i32(memory), pairs[r.value][c.value], scale));
              }
            });
          });
        });
      }
      codes += K::group * kNext;
      scales += kNext;
      q += K::group;
      if constexpr (kBeginsAtOffset<V, K>) ++begin;
    }
    auto* const sums_here = sums.here();
    unroll<C>([&](auto c) {
      typename V::i32 low[R];  // what is taken away
      unroll<R>([&](auto r) {
        if constexpr (K::correction != Correction::none && !kBeginsAtOffset<V, K>)
          low[r.value] = min_sum<V, K, R>(mins + r.value * V::lanes, x_sum + c.value * stride);
      });
      const auto scale = V::set(read<float>(x_scale + c.value * stride));
      unroll<R>([&](auto r) {
        auto sum = kInRegisters ? total[r.value][c.value] : V::load_i32(sums_here->total[c.value][r.value]);
        if constexpr (K::correction == Correction::offset && !kBeginsAtOffset<V, K>)
          sum = V::sub_i32(sum, low[r.value]);
        float* memory = sums_here->out[c.value][r.value];
        auto out = float_step<V>(V::load(memory), sum, V::load(d + r.value * V::lanes), scale);
        if constexpr (K::correction == Correction::min)
          out = float_step<V>(out, low[r.value], V::load(d_min + r.value * V::lanes), scale);
        V::store(memory, out);
      });
    });
    x_scale += sizeof(float);
    x_sum += kGroups * sizeof(std::int16_t);
    mins += kGroups / 2 * kNext;
    d += kNext;
    d_min += kNext;
  }
}

// sums.out += strip . x over blocks of 32 with a float scale.
template <class V, class K, int R, int C>
[[gnu::noinline]] void block_tile(TileSums<V, R, C>& sums, const Strip& strip, const ActivationView& x,
                                  std::int64_t blocks) {
  constexpr bool kInRegisters = sums_in_registers<V, K, R, C>();
  constexpr int kNext = R * V::lanes;
  constexpr int kParts = K::group / 4 / K::chain;
  const std::uint8_t* codes = strip.codes;
  const float* d = strip.d;
  const float* d_min = strip.d_min;
  const std::uint8_t* q = x.q;
  const std::uint8_t* x_scale = x.scales;
  const std::uint8_t* x_sum = x.sums;
  const std::size_t stride = x.stride;
  typename V::f32 out[R][C];
  if constexpr (kInRegisters)
    unroll<R>([&](auto r) {
      unroll<C>([&](auto c) { out[r.value][c.value] = V::load(sums.out[c.value][r.value]); });
    });
  for (; blocks > 0; --blocks) {
    auto* const sums_here = sums.here();
    const auto start = [&](auto c) __attribute__((always_inline)) {
      if constexpr (K::correction == Correction::offset)
        return V::set_i32(read<std::int32_t>(x_sum + c.value * stride));
      else
        return V::set_i32(0);
    };
    const auto finish = [&](auto r, auto c, typename V::i32 sum, typename V::f32 scale)
        __attribute__((always_inline)) {
      float* memory = sums_here->out[c.value][r.value];
      auto y = kInRegisters ? out[r.value][c.value] : V::load(memory);
      y = float_step<V>(y, sum, scale, V::set(read<float>(x_scale + c.value * stride)));
      if constexpr (K::correction == Correction::min)
        y = V::fma(V::load(d_min + r.value * V::lanes), V::set(read<float>(x_sum + c.value * stride)), y);
      if constexpr (kInRegisters)
        out[r.value][c.value] = y;
      else
        V::store(memory, y);
    };
    typename V::i32 sum[R][C];
    if constexpr (K::chain == 1) {
      unroll<R>([&](auto r) { unroll<C>([&](auto c) { sum[r.value][c.value] = start(c); }); });
      unroll<K::group / 4>([&](auto step) {
        dot_once<V, K, step.value>(sum, codes, q, stride,
                                   [&](auto, auto s, auto pairs) { return V::add_pairs(s, pairs); });
      });
      unroll<R>([&](auto r) {
        const auto scale = V::load(d + r.value * V::lanes);
        unroll<C>([&](auto c) { finish(r, c, sum[r.value][c.value], scale); });
      });
    } else {
      unroll<kParts>([&](auto part) {
        constexpr bool kFirst = decltype(part)::value == 0;
        constexpr bool kLast = decltype(part)::value == kParts - 1;
        typename V::Pairs pairs[R][C];
        unroll<R>([&](auto r) {
          unroll<C>([&](auto c) {
            if constexpr (V::pairs_are_sums && kFirst)
              pairs[r.value][c.value] = start(c);
            else
              pairs[r.value][c.value] = V::no_pairs();
          });
        });
        dot_chain<V, K, part.value * K::chain>(pairs, codes, q, stride);
        unroll<R>([&](auto r) {
          const auto scale = V::load(d + r.value * V::lanes);
          unroll<C>([&](auto c) {
            auto& s = sum[r.value][c.value];
            auto* memory = sums_here->total[c.value][r.value];
            if constexpr (V::pairs_are_sums && kFirst)
              s = pairs[r.value][c.value];
            else
              s = V::add_pairs(kFirst         ? start(c)
                               : kInRegisters ? s
                                              : V::load_i32(memory),
                               pairs[r.value][c.value]);
            if constexpr (kLast)
              finish(r, c, s, scale);
            else if constexpr (!kInRegisters)
              V::store_i32(memory, s);
          });
        });
      });
    }
    codes += K::group * kNext;
    q += K::group;
    d += kNext;
    if constexpr (K::correction == Correction::min) d_min += kNext;
    x_scale += sizeof(float);
    x_sum += sizeof(float);
  }
  if constexpr (kInRegisters)
    unroll<R>([&](auto r) {
      unroll<C>([&](auto c) { V::store(sums.out[c.value][r.value], out[r.value][c.value]); });
    });
}

}  // namespace
