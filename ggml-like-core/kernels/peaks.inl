// What an instruction set can do at most: loops of the products that the kernels are made of, over a tile
// that stays in registers. Included only by make_table.inl.
#pragma once

#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

// From here on the compiler knows nothing of value: a loop cannot be folded into a formula.
template <class T>
[[gnu::always_inline]] inline void forget(T& value) {
  asm volatile("" : "+m"(value));
}

// A copy is used: value itself may stay in a register until here.
template <class T>
[[gnu::always_inline]] inline void use(T value) {
  asm volatile("" : : "m"(value));
}

// As many sums as a tile of floats has. Each is a factor of its own next product, so that none is the same
// twice.
template <class V>
double peak_f32(std::int64_t rounds) {
  constexpr int kSums = V::tile_rows * V::tile_columns;
  typename V::f32 sum[kSums];
  const auto half = V::set(0.5F);
  const auto one = V::set(1.0F);
  unroll<kSums>([&](auto i) {
    auto begin = V::set(static_cast<float>(i.value));
    forget(begin);
    sum[i.value] = begin;
  });
  for (std::int64_t round = 0; round < rounds; ++round)
    unroll<kSums>([&](auto i) { sum[i.value] = V::fma(sum[i.value], half, one); });
  unroll<kSums>([&](auto i) { use(sum[i.value]); });
  return 2.0 * V::lanes * kSums * static_cast<double>(rounds);
}

// Codes of 4 bits: the longest chains of products before sums are widened. Every product of four is 0, so
// that no sum overflows.
template <class V>
double peak_int8(std::int64_t rounds) {
  constexpr int kRows = 2;
  constexpr int kColumns = 6;
  constexpr int kChain = V::chain(15);
  alignas(64) std::uint8_t bytes[4 * V::lanes];
  alignas(64) std::int8_t x[4 * kColumns];
  for (int i = 0; i < 4 * V::lanes; ++i) bytes[i] = static_cast<std::uint8_t>(i % 16);
  for (int i = 0; i < 4 * kColumns; ++i) x[i] = i % 4 == 0 || i % 4 == 3 ? 7 : -7;
  typename V::Words codes[kRows];
  typename V::i32 sum[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) codes[r] = V::load_words(bytes);
  unroll<kRows>([&](auto r) { unroll<kColumns>([&](auto c) { sum[r.value][c.value] = V::set_i32(0); }); });
  for (std::int64_t i = 0; i < rounds; ++i)
    unroll<kRows>([&](auto r) {
      typename V::Pairs pairs[kColumns];
      unroll<kColumns>([&](auto c) { pairs[c.value] = V::no_pairs(); });
      unroll<kChain>([&](auto) {
        forget(codes[r.value]);
        const auto code = codes[r.value];
        unroll<kColumns>(
            [&](auto c) { pairs[c.value] = V::template dot4<false>(pairs[c.value], code, x + 4 * c.value); });
      });
      unroll<kColumns>(
          [&](auto c) { sum[r.value][c.value] = V::add_pairs(sum[r.value][c.value], pairs[c.value]); });
    });
  unroll<kRows>([&](auto r) { unroll<kColumns>([&](auto c) { use(sum[r.value][c.value]); }); });
  return 2.0 * 4 * V::lanes * kRows * kColumns * kChain * static_cast<double>(rounds);
}

// Products of 16 bits: of integers where the kernels of F16 and BF16 use them, else of floats.
template <class V>
double peak_16_bit(std::int64_t rounds) {
  if constexpr (V::fixed) {
    constexpr int kSums = 12;
    constexpr int kColumns = 4;
    alignas(64) std::uint8_t bytes[4 * V::lanes] = {};
    alignas(64) std::uint8_t x[4 * kColumns] = {};  // zeros: no sum overflows
    forget(bytes);
    forget(x);
    auto words = V::load_words(bytes);
    typename V::i32 sum[kSums];
    unroll<kSums>([&](auto i) {
      auto begin = V::set_i32(0);
      forget(begin);
      sum[i.value] = begin;
    });
    for (std::int64_t round = 0; round < rounds; ++round)
      unroll<kSums>([&](auto i) {
        if constexpr (decltype(i)::value % kColumns == 0) forget(words);
        sum[i.value] = V::dot2(sum[i.value], words, x + 4 * (i.value % kColumns));
      });
    unroll<kSums>([&](auto i) { use(sum[i.value]); });
    return 2.0 * 2 * V::lanes * kSums * static_cast<double>(rounds);
  } else {
    return peak_f32<V>(rounds);
  }
}

// n: a multiple of 8 * V::lanes.
template <class V>
float read_all(const float* x, std::int64_t n) {
  constexpr int kStreams = 8;
  typename V::f32 sum[kStreams];
  unroll<kStreams>([&](auto s) { sum[s.value] = V::zero(); });
  for (std::int64_t i = 0; i < n; i += kStreams * V::lanes)
    unroll<kStreams>(
        [&](auto s) { sum[s.value] = V::add(sum[s.value], V::load(x + i + s.value * V::lanes)); });
  auto total = sum[0];
  for (int s = 1; s < kStreams; ++s) total = V::add(total, sum[s]);
  return V::sum(total);
}

}  // namespace
