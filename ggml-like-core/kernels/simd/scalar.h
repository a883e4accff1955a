// The vector type with one lane: the definition of every name that kernels use, and the fallback.
//
// f32: lanes floats. i32: lanes 32-bit integers. Bytes: 32 unsigned bytes, the codes of one group of one row.
// Pairs: what dot4 sums into; how many calls it can take is chain(max_code).
#pragma once

#include "ggml-like-core/base/half.h"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

struct Scalar {
  static constexpr int lanes = 1;
  static constexpr int tile_rows = 2;      // rows (or vectors of lanes) of a register tile of floats
  static constexpr int tile_columns = 4;   // columns of it
  static constexpr int quant_columns = 4;  // tokens of a register tile of integers
  static constexpr int quant_vectors(int) { return 1; }  // vectors of rows of it, for a chain of dot4
  static constexpr int registers = 16;
  static constexpr bool fixed = true;  // whether BF16 and F16 weights are multiplied in 16-bit fixed point
  static constexpr bool row_products = false;
  static constexpr int fixed_columns = 4;  // tokens of a register tile of 16-bit products

  using f32 = float;
  static f32 zero() { return 0; }
  static f32 set(float x) { return x; }
  static f32 load(const void* p) { return read<float>(p); }
  static void store(void* p, f32 v) { write(p, v); }
  // The first n lanes, 1 <= n < lanes; the others are 0.
  static f32 load_part(const void* p, std::int64_t) { return load(p); }
  static void store_part(void* p, f32 v, std::int64_t) { store(p, v); }
  static f32 load_f16(const void* p) { return core::f16_to_f32(read<std::uint16_t>(p)); }
  static f32 load_f16_part(const void* p, std::int64_t) { return load_f16(p); }
  static f32 load_bf16(const void* p) { return core::bf16_to_f32(read<std::uint16_t>(p)); }
  static f32 load_bf16_part(const void* p, std::int64_t) { return load_bf16(p); }

  static f32 add(f32 a, f32 b) { return a + b; }
  static f32 sub(f32 a, f32 b) { return a - b; }
  static f32 mul(f32 a, f32 b) { return a * b; }
  static f32 div(f32 a, f32 b) { return a / b; }
  static f32 fma(f32 a, f32 b, f32 c) {
    return a * b + c;
  }  // one rounding or two: as the instruction set has it
  static f32 min(f32 a, f32 b) { return a < b ? a : b; }  // b where one of them is not a number
  static f32 max(f32 a, f32 b) { return a > b ? a : b; }
  static f32 abs(f32 a) { return __builtin_fabsf(a); }
  static f32 round(f32 a) { return (a + 12582912.0F) - 12582912.0F; }  // nearest even, |a| < 2^22: 1.5 * 2^23
  static f32 select_less(f32 a, f32 b, f32 yes, f32 no) { return a < b ? yes : no; }  // a < b ? yes : no
  static f32 first(f32 v, f32, std::int64_t) {
    return v;
  }  // lanes 0..n-1 of v, the others of rest; 1 <= n <= lanes
  // v * 2^n, n integral, |n| <= 252.
  static f32 scale2(f32 v, f32 n) {
    const int whole = static_cast<int>(n);
    const int half = whole / 2;
    return v * power2(half) * power2(whole - half);
  }
  static float sum(f32 v) { return v; }
  static float largest(f32 v) { return v; }
  static void transpose(f32 (&)[lanes]) {}
  static void store_i8(void* p, f32 v) {
    write(p, static_cast<std::int8_t>(round(v)));
  }  // nearest even, |v| <= 127

  using i32 = std::int32_t;
  static i32 set_i32(std::int32_t x) { return x; }
  static i32 load_u8(const void* p) { return read<std::uint8_t>(p); }  // widened
  static i32 load_i32(const std::int32_t* p) { return *p; }            // p is aligned to 4 * lanes
  static void store_i32(std::int32_t* p, i32 v) { *p = v; }
  static i32 add_i32(i32 a, i32 b) { return a + b; }
  static i32 sub_i32(i32 a, i32 b) { return a - b; }
  static i32 and_i32(i32 a, std::uint32_t mask) { return bits(word(a) & mask); }
  static i32 or_i32(i32 a, i32 b) { return a | b; }
  template <int n>
  static i32 shift_left(i32 a) {
    return bits(word(a) << n);
  }
  template <int n>
  static i32 shift_right(i32 a) {  // zeros come in
    return bits(word(a) >> n);
  }
  template <int n>
  static i32 shift_right_signed(i32 a) {
    return a >> n;
  }
  static f32 to_f32(i32 a) { return static_cast<float>(a); }
  static f32 low_f16(i32 a) {
    return core::f16_to_f32(static_cast<std::uint16_t>(word(a)));
  }  // of each low half

  struct Bytes {
    std::uint32_t word[8];
  };
  static Bytes load_bytes(const void* p) { return read<Bytes>(p); }
  static Bytes load_16_bytes(const void* p) {
    Bytes b{};
    __builtin_memcpy(&b, p, 16);
    return b;
  }
  // words[j]: bytes 4 j .. 4 j + 3 of every row.
  using Words = std::uint32_t;
  static void interleave(Words (&words)[8], const Bytes (&rows)[lanes]) {
    for (int j = 0; j < 8; ++j) words[j] = rows[0].word[j];
  }
  static Words load_words(const void* p) { return read<Words>(p); }
  static void store_words(void* p, Words w) { write(p, w); }  // p is aligned to 4 * lanes
  static void store_words_anywhere(void* p, Words w) { write(p, w); }
  static i32 to_i32(Words w) { return bits(w); }
  static f32 as_f32(i32 w) { return __builtin_bit_cast(float, w); }  // the bits as they are
  static Words to_words(f32 v) { return __builtin_bit_cast(Words, v); }
  // ((byte >> right) & mask) << left of every byte; nothing may fall out on the left.
  template <int right, std::uint8_t mask, int left = 0>
  static Words bits_of(Words w) {
    return ((w >> right) & (0x01010101U * mask)) << left;
  }
  static Words join(Words a, Words b) { return a | b; }
  static Words flip_sign(Words w) { return w ^ 0x80808080U; }       // byte ^ 128
  static Words lookup(Words w, const std::uint8_t (&values)[16]) {  // values[byte], bytes 0 .. 15
    Words out = 0;
    for (unsigned i = 0; i < 4; ++i) out |= Words{values[(w >> (8 * i)) & 15U]} << (8 * i);
    return out;
  }

  // dot4: of each lane four codes, times one dword of four activations. Signed codes only where
  // unsigned_codes is false.
  static constexpr bool unsigned_codes = false;  // whether codes 0..255 may be used
  using Pairs = std::int32_t;
  static constexpr int chain(int) { return 8; }
  static Pairs no_pairs() { return 0; }
  template <bool is_signed>
  static Pairs dot4(Pairs sum, Words codes, const void* x) {
    const auto* a = static_cast<const std::int8_t*>(x);
    for (int i = 0; i < 4; ++i) {
      const auto byte = static_cast<std::uint8_t>(codes >> (8 * i));
      sum += (is_signed ? static_cast<std::int8_t>(byte) : static_cast<int>(byte)) * a[i];
    }
    return sum;
  }
  static i32 add_pairs(i32 sum, Pairs p) { return sum + p; }
  static constexpr bool pairs_are_sums = true;  // Pairs is i32, and dot4 may begin with a sum
  static constexpr int pair_registers = 1;
  // sum + scale * p of each lane, scale made by to_scale from numbers of at most 16 bits with sign.
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) { return sum + scale * p; }
  static i32 to_scale(i32 v) { return v; }
  static std::int32_t to_scale_of_lane(std::int32_t v) { return v; }
  static i32 kept(i32 v) { return v; }  // in its register, and steps in order: see quant_tile.inl

  // 16-bit integers. dot2: sum + pair . x of each lane, words: one pair a lane, x: the address of one pair
  // for all lanes. The caller sees to it that sums fit; -32768 is not used.
  static i32 dot2(i32 sum, Words words, const void* x) {
    const auto pair = read<Pair>(x);
    return sum + static_cast<std::int16_t>(words) * pair.low + (bits(words) >> 16) * pair.high;
  }
  // 2 * lanes floats as 16-bit integers, and pairs of BF16 times factor: nearest even, |v| <= 32767.
  static Words i16_of(f32 a, f32 b) { return (word(whole(a)) & 0xffffU) | word(whole(b)) << 16; }
  static Words i16_of_bf16(Words w, f32 factor) {
    return i16_of(__builtin_bit_cast(float, w << 16) * factor,
                  __builtin_bit_cast(float, w & 0xffff0000U) * factor);
  }
  // Of 128 floats of 16 bits the largest magnitude, as its bits.
  static std::uint16_t largest_of_128(const void* p) {
    int most = 0;
    for (int i = 0; i < 128; ++i) {
      const int bits = read<std::uint16_t>(static_cast<const std::uint16_t*>(p) + i) & 0x7fff;
      most = bits > most ? bits : most;
    }
    return static_cast<std::uint16_t>(most);
  }
  // Of two halves each lane: the larger of what there was and of the magnitude in pair.
  static Words most_16(Words most, Words pair) {
    const Words low = (pair & 0x7fffU) > (most & 0xffffU) ? pair & 0x7fffU : most & 0xffffU;
    const Words high = ((pair >> 16) & 0x7fffU) > most >> 16 ? (pair >> 16) & 0x7fffU : most >> 16;
    return low | high << 16;
  }
  static i32 load_i32(const void* p) { return read<i32>(p); }
  static void store_i16(void* p, f32 v) {
    write(p, static_cast<std::int16_t>(whole(min(32767.0F, max(v, -32768.0F)))));
  }                                       // nearest even, saturated, |v| < 2^31; not a number: -32768
  static Words widen_i8(const void* p) {  // 2 * lanes bytes with signs -> as many 16-bit integers
    const auto pair = read<BytePair>(p);
    return (word(pair.low) & 0xffffU) | word(pair.high) << 16;
  }
  static Words widen_i4(const void* p) {  // lanes bytes: low and high nibble, both - 8
    const auto byte = read<std::uint8_t>(p);
    return (word((byte & 15) - 8) & 0xffffU) | word((byte >> 4) - 8) << 16;
  }
  // v * 2^n, n integral; v and the result are normal.
  static f32 scale2_normal(f32 v, f32 n) { return v * power2(static_cast<int>(n)); }

 private:
  struct Pair {
    std::int16_t low, high;
  };
  struct BytePair {
    std::int8_t low, high;
  };
  static std::int32_t whole(float v) { return static_cast<std::int32_t>(round(v)); }
  static std::uint32_t word(std::int32_t a) { return static_cast<std::uint32_t>(a); }
  static std::int32_t bits(std::uint32_t a) { return static_cast<std::int32_t>(a); }
  static float power2(int n) { return __builtin_bit_cast(float, (n + 127) << 23); }  // -126 <= n <= 127
};

}  // namespace
