// Four lanes of NEON: the baseline of 64-bit ARM. What each name means: scalar.h.
#pragma once

#include <arm_neon.h>

#include "ggml-like-core/kernels/simd/common.h"

namespace {

struct Neon {
  static constexpr int lanes = 4;
  static constexpr int tile_rows = 4;  // 4 x 6 sums, 4 rows and 1 column: 29 of 32 registers
  static constexpr int tile_columns = 6;
  static constexpr int quant_columns = 4;
  static constexpr int quant_vectors(int) { return 1; }
  static constexpr int registers = 32;
  static constexpr bool fixed = false;  // 16-bit products are no faster than floats
  static constexpr bool row_products = false;

  using f32 = float32x4_t;
  static f32 zero() { return vdupq_n_f32(0); }
  static f32 set(float x) { return vdupq_n_f32(x); }
  static f32 load(const void* p) {
    return vreinterpretq_f32_u8(vld1q_u8(static_cast<const std::uint8_t*>(p)));
  }
  static void store(void* p, f32 v) { vst1q_u8(static_cast<std::uint8_t*>(p), vreinterpretq_u8_f32(v)); }
  static f32 load_part(const void* p, std::int64_t n) {
    alignas(16) std::uint8_t four[16] = {};
    copy(four, p, n * 4);
    return load(four);
  }
  static void store_part(void* p, f32 v, std::int64_t n) {
    alignas(16) std::uint8_t four[16];
    store(four, v);
    copy(p, four, n * 4);
  }
  static f32 load_f16(const void* p) { return widen_f16(load4(p)); }
  static f32 load_f16_part(const void* p, std::int64_t n) { return widen_f16(load4_part(p, n)); }
  static f32 load_bf16(const void* p) { return widen_bf16(load4(p)); }
  static f32 load_bf16_part(const void* p, std::int64_t n) { return widen_bf16(load4_part(p, n)); }

  static f32 add(f32 a, f32 b) { return vaddq_f32(a, b); }
  static f32 sub(f32 a, f32 b) { return vsubq_f32(a, b); }
  static f32 mul(f32 a, f32 b) { return vmulq_f32(a, b); }
  static f32 div(f32 a, f32 b) { return vdivq_f32(a, b); }
  static f32 fma(f32 a, f32 b, f32 c) { return vfmaq_f32(c, a, b); }
  static f32 min(f32 a, f32 b) { return vminq_f32(a, b); }
  static f32 max(f32 a, f32 b) { return vmaxq_f32(a, b); }
  static f32 abs(f32 a) { return vabsq_f32(a); }
  static f32 round(f32 a) { return vrndnq_f32(a); }
  static f32 select_less(f32 a, f32 b, f32 yes, f32 no) { return vbslq_f32(vcltq_f32(a, b), yes, no); }
  static f32 first(f32 v, f32 rest, std::int64_t n) {
    const std::int32_t places[4] = {0, 1, 2, 3};
    return vbslq_f32(vcgtq_s32(set_i32(static_cast<std::int32_t>(n)), vld1q_s32(places)), v, rest);
  }
  static f32 scale2(f32 v, f32 n) {
    const int32x4_t whole = vcvtnq_s32_f32(n);
    const int32x4_t half = vshrq_n_s32(whole, 1);
    return mul(mul(v, power2(half)), power2(vsubq_s32(whole, half)));
  }
  static float sum(f32 v) { return vaddvq_f32(v); }
  static float largest(f32 v) { return vmaxvq_f32(v); }
  static void transpose(f32 (&rows)[lanes]) {
    const float32x4_t even_low = vtrn1q_f32(rows[0], rows[1]);
    const float32x4_t odd_low = vtrn2q_f32(rows[0], rows[1]);
    const float32x4_t even_high = vtrn1q_f32(rows[2], rows[3]);
    const float32x4_t odd_high = vtrn2q_f32(rows[2], rows[3]);
    rows[0] = vcombine_f32(vget_low_f32(even_low), vget_low_f32(even_high));
    rows[1] = vcombine_f32(vget_low_f32(odd_low), vget_low_f32(odd_high));
    rows[2] = vcombine_f32(vget_high_f32(even_low), vget_high_f32(even_high));
    rows[3] = vcombine_f32(vget_high_f32(odd_low), vget_high_f32(odd_high));
  }
  static void store_i8(void* p, f32 v) {
    const int16x4_t half = vmovn_s32(vcvtnq_s32_f32(v));
    const int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
    write(p, vget_lane_u32(vreinterpret_u32_s8(bytes), 0));
  }

  using i32 = int32x4_t;
  static i32 set_i32(std::int32_t x) { return vdupq_n_s32(x); }
  static i32 load_u8(const void* p) {
    const uint8x8_t four = vreinterpret_u8_u32(vdup_n_u32(read<std::uint32_t>(p)));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(four))));
  }
  static i32 load_i32(const std::int32_t* p) { return vld1q_s32(p); }
  static void store_i32(std::int32_t* p, i32 v) { vst1q_s32(p, v); }
  static i32 sub_i32(i32 a, i32 b) { return vsubq_s32(a, b); }
  static i32 add_i32(i32 a, i32 b) { return vaddq_s32(a, b); }
  static i32 and_i32(i32 a, std::uint32_t mask) {
    return vandq_s32(a, set_i32(static_cast<std::int32_t>(mask)));
  }
  static i32 or_i32(i32 a, i32 b) { return vorrq_s32(a, b); }
  template <int n>
  static i32 shift_left(i32 a) {
    return vshlq_s32(a, vdupq_n_s32(n));
  }
  template <int n>
  static i32 shift_right(i32 a) {
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
  }
  template <int n>
  static i32 shift_right_signed(i32 a) {
    return vshlq_s32(a, vdupq_n_s32(-n));
  }
  static f32 to_f32(i32 a) { return vcvtq_f32_s32(a); }
  static f32 low_f16(i32 a) { return widen_f16(vmovn_u32(vreinterpretq_u32_s32(a))); }

  struct Bytes {
    uint8x16_t low, high;
  };
  static Bytes load_bytes(const void* p) {
    const auto* bytes = static_cast<const std::uint8_t*>(p);
    return {vld1q_u8(bytes), vld1q_u8(bytes + 16)};
  }
  static Bytes load_16_bytes(const void* p) {
    return {vld1q_u8(static_cast<const std::uint8_t*>(p)), vdupq_n_u8(0)};
  }
  using Words = uint8x16_t;
  static void interleave(Words (&words)[8], const Bytes (&rows)[lanes]) {
    f32 low[4];
    f32 high[4];
    for (int r = 0; r < 4; ++r) {
      low[r] = vreinterpretq_f32_u8(rows[r].low);
      high[r] = vreinterpretq_f32_u8(rows[r].high);
    }
    transpose(low);
    transpose(high);
    for (int j = 0; j < 4; ++j) {
      words[j] = vreinterpretq_u8_f32(low[j]);
      words[4 + j] = vreinterpretq_u8_f32(high[j]);
    }
  }
  static Words load_words(const void* p) { return vld1q_u8(static_cast<const std::uint8_t*>(p)); }
  static void store_words(void* p, Words w) { vst1q_u8(static_cast<std::uint8_t*>(p), w); }
  static i32 to_i32(Words w) { return vreinterpretq_s32_u8(w); }
  static f32 as_f32(i32 w) { return vreinterpretq_f32_s32(w); }
  template <int right, std::uint8_t mask, int left = 0>
  static Words bits_of(Words w) {
    return vshlq_n_u8(vandq_u8(vshlq_u8(w, vdupq_n_s8(-right)), vdupq_n_u8(mask)), left);
  }
  static Words join(Words a, Words b) { return vorrq_u8(a, b); }
  static Words flip_sign(Words w) { return veorq_u8(w, vdupq_n_u8(128)); }
  static Words lookup(Words w, const std::uint8_t (&values)[16]) { return vqtbl1q_u8(vld1q_u8(values), w); }

  // Products are summed in 16 bits, one to each sum: as many as fit 32767 where each is at most 127 *
  // max_code. Signed codes are at most 128 in magnitude: 2 * 127 * 128 = 32512. Unsigned ones are at most
  // 127, so that they may be read as signed.
  static constexpr bool unsigned_codes = false;
  struct Pairs {
    int16x8_t low, high;  // rows 0 and 1, rows 2 and 3; four sums each
  };
  static constexpr int chain(int max_code) { return max_code > 127 ? 2 : 32767 / (127 * max_code); }
  static Pairs no_pairs() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
  template <bool>
  static Pairs dot4(Pairs sum, Words words, const void* x) {
    const int8x16_t codes = vreinterpretq_s8_u8(words);
    const int8x8_t four = vreinterpret_s8_u32(vdup_n_u32(read<std::uint32_t>(x)));
    return {vmlal_s8(sum.low, vget_low_s8(codes), four), vmlal_s8(sum.high, vget_high_s8(codes), four)};
  }
  static i32 add_pairs(i32 sum, Pairs p) {
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(p.low), vpaddlq_s16(p.high)));
  }
  static constexpr bool pairs_are_sums = false;
  static constexpr int pair_registers = 2;
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) {
    return vmlaq_s32(sum, vpaddq_s32(vpaddlq_s16(p.low), vpaddlq_s16(p.high)), scale);
  }
  static i32 to_scale(i32 v) { return v; }
  static std::int32_t to_scale_of_lane(std::int32_t v) { return v; }
  static Pairs kept(Pairs p) {
    asm volatile("" : "+w"(p.low), "+w"(p.high));
    return p;
  }
  static i32 kept(i32 v) {
    asm volatile("" : "+w"(v));
    return v;
  }

  static i32 dot2(i32 sum, Words words, const void* x) {
    const int16x8_t w = vreinterpretq_s16_u8(words);
    const int16x8_t pair = vreinterpretq_s16_u32(vdupq_n_u32(read<std::uint32_t>(x)));
    return vaddq_s32(sum,
                     vpaddq_s32(vmull_s16(vget_low_s16(w), vget_low_s16(pair)), vmull_high_s16(w, pair)));
  }
  static void store_i16(void* p, f32 v) { write(p, vqmovn_s32(vcvtnq_s32_f32(v))); }
  static Words widen_i8(const void* p) {
    return vreinterpretq_u8_s16(vmovl_s8(vreinterpret_s8_u8(vld1_u8(static_cast<const std::uint8_t*>(p)))));
  }
  static Words widen_i4(const void* p) {
    const i32 bytes = load_u8(p);
    const i32 nibbles = and_i32(or_i32(bytes, shift_left<12>(bytes)), 0x000f000fU);
    return vreinterpretq_u8_s16(vsubq_s16(vreinterpretq_s16_s32(nibbles), vdupq_n_s16(8)));
  }
  static f32 scale2_normal(f32 v, f32 n) { return mul(v, power2(vcvtnq_s32_f32(n))); }

 private:
  static void copy(void* to, const void* from, std::int64_t bytes) {
    for (std::int64_t i = 0; i < bytes; ++i)
      static_cast<std::uint8_t*>(to)[i] = static_cast<const std::uint8_t*>(from)[i];
  }
  static uint16x4_t load4(const void* p) {
    return vreinterpret_u16_u8(vld1_u8(static_cast<const std::uint8_t*>(p)));
  }
  static uint16x4_t load4_part(const void* p, std::int64_t n) {
    alignas(8) std::uint8_t four[8] = {};
    copy(four, p, n * 2);
    return load4(four);
  }
  static f32 widen_f16(uint16x4_t bits) { return vcvt_f32_f16(vreinterpret_f16_u16(bits)); }
  static f32 widen_bf16(uint16x4_t bits) { return vreinterpretq_f32_u32(vshll_n_u16(bits, 16)); }
  static f32 power2(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
  }
};

}  // namespace
