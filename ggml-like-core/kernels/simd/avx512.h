// Sixteen lanes of AVX-512 (F, BW, VL, DQ), without and with VNNI. What each name means: scalar.h.
#pragma once

#include <immintrin.h>

#include "ggml-like-core/kernels/simd/avx2.h"
#include "ggml-like-core/kernels/simd/common.h"
#include "ggml-like-core/kernels/simd/kept.h"

namespace {

struct Avx512;

// One token and rows of weights: 64 codes at once, what follows from their sums 8 lanes wide.
struct Avx512Rows : Avx2 {
  using Wide = Avx512;
};

struct Avx512 {
  static constexpr int lanes = 16;
  static constexpr int tile_rows = 4;  // 4 x 6 sums, 4 rows and 1 column: 29 of 32 registers
  static constexpr int tile_columns = 6;
  static constexpr int quant_columns = 6;
  static constexpr int quant_vectors(int chain) { return chain == 1 ? 1 : 2; }
  static constexpr int registers = 32;
  static constexpr bool fixed = true;
  static constexpr int fixed_columns = 12;
  static constexpr bool row_products = true;
  using Rows = Avx512Rows;

  using f32 = __m512;
  static f32 zero() { return _mm512_setzero_ps(); }
  static f32 set(float x) { return _mm512_set1_ps(x); }
  static f32 load(const void* p) { return _mm512_loadu_ps(p); }
  static void store(void* p, f32 v) { _mm512_storeu_ps(p, v); }
  static f32 load_part(const void* p, std::int64_t n) { return _mm512_maskz_loadu_ps(first_mask(n), p); }
  static void store_part(void* p, f32 v, std::int64_t n) { _mm512_mask_storeu_ps(p, first_mask(n), v); }
  static f32 load_f16(const void* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static f32 load_f16_part(const void* p, std::int64_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_mask(n), p));
  }
  static f32 load_bf16(const void* p) {
    return widen_bf16(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static f32 load_bf16_part(const void* p, std::int64_t n) {
    return widen_bf16(_mm256_maskz_loadu_epi16(first_mask(n), p));
  }

  static f32 add(f32 a, f32 b) { return _mm512_add_ps(a, b); }
  static f32 sub(f32 a, f32 b) { return _mm512_sub_ps(a, b); }
  static f32 mul(f32 a, f32 b) { return _mm512_mul_ps(a, b); }
  static f32 div(f32 a, f32 b) { return _mm512_div_ps(a, b); }
  static f32 fma(f32 a, f32 b, f32 c) { return _mm512_fmadd_ps(a, b, c); }
  static f32 min(f32 a, f32 b) { return _mm512_min_ps(a, b); }
  static f32 max(f32 a, f32 b) { return _mm512_max_ps(a, b); }
  static f32 abs(f32 a) { return _mm512_abs_ps(a); }
  static f32 round(f32 a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static f32 select_less(f32 a, f32 b, f32 yes, f32 no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static f32 first(f32 v, f32 rest, std::int64_t n) { return _mm512_mask_blend_ps(first_mask(n), rest, v); }
  static f32 scale2(f32 v, f32 n) { return _mm512_scalef_ps(v, n); }
  static float sum(f32 v) {
    const __m256 eight = _mm256_add_ps(low_half(v), high_half(v));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static float largest(f32 v) {
    const __m256 eight = _mm256_max_ps(low_half(v), high_half(v));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static void transpose(f32 (&rows)[lanes]) {
    __m512i quad[16];  // quad[4 * i + j]: words j, 4 + j, 8 + j and 12 + j of rows 4 i .. 4 i + 3
    for (int i = 0; i < 16; i += 4)
      quads(quad + i, _mm512_castps_si512(rows[i]), _mm512_castps_si512(rows[i + 1]),
            _mm512_castps_si512(rows[i + 2]), _mm512_castps_si512(rows[i + 3]));
    for (int j = 0; j < 4; ++j) {
      const __m512i even_low = _mm512_shuffle_i32x4(quad[j], quad[4 + j], 0x88);
      const __m512i odd_low = _mm512_shuffle_i32x4(quad[j], quad[4 + j], 0xdd);
      const __m512i even_high = _mm512_shuffle_i32x4(quad[8 + j], quad[12 + j], 0x88);
      const __m512i odd_high = _mm512_shuffle_i32x4(quad[8 + j], quad[12 + j], 0xdd);
      rows[j] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(even_low, even_high, 0x88));
      rows[4 + j] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(odd_low, odd_high, 0x88));
      rows[8 + j] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(even_low, even_high, 0xdd));
      rows[12 + j] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(odd_low, odd_high, 0xdd));
    }
  }
  static void store_i8(void* p, f32 v) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
  }

  using i32 = __m512i;
  static i32 set_i32(std::int32_t x) { return _mm512_set1_epi32(x); }
  static i32 load_u8(const void* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static i32 load_i32(const std::int32_t* p) { return _mm512_load_si512(p); }
  static void store_i32(std::int32_t* p, i32 v) { _mm512_store_si512(p, v); }
  static i32 sub_i32(i32 a, i32 b) { return _mm512_sub_epi32(a, b); }
  static i32 add_i32(i32 a, i32 b) { return _mm512_add_epi32(a, b); }
  static i32 and_i32(i32 a, std::uint32_t mask) {
    return _mm512_and_si512(a, set_i32(static_cast<std::int32_t>(mask)));
  }
  static i32 or_i32(i32 a, i32 b) { return _mm512_or_si512(a, b); }
  template <int n>
  static i32 shift_left(i32 a) {
    return _mm512_slli_epi32(a, n);
  }
  template <int n>
  static i32 shift_right(i32 a) {
    return _mm512_srli_epi32(a, n);
  }
  template <int n>
  static i32 shift_right_signed(i32 a) {
    return _mm512_srai_epi32(a, n);
  }
  static f32 to_f32(i32 a) { return _mm512_cvtepi32_ps(a); }
  static f32 low_f16(i32 a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)); }

  using Bytes = __m256i;
  static Bytes load_bytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static Bytes load_16_bytes(const void* p) {
    return _mm256_zextsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  using Words = __m512i;
  static void interleave(Words (&words)[8], const Bytes (&rows)[lanes]) {
    __m512i low[4];   // low[j]: words j and 4 + j of rows 0..3, then of rows 4..7
    __m512i high[4];  // of rows 8..11 and 12..15
    quads(low, pair(rows[0], rows[4]), pair(rows[1], rows[5]), pair(rows[2], rows[6]),
          pair(rows[3], rows[7]));
    quads(high, pair(rows[8], rows[12]), pair(rows[9], rows[13]), pair(rows[10], rows[14]),
          pair(rows[11], rows[15]));
    for (int j = 0; j < 4; ++j) {
      words[j] = _mm512_shuffle_i32x4(low[j], high[j], 0x88);
      words[4 + j] = _mm512_shuffle_i32x4(low[j], high[j], 0xdd);
    }
  }
  static Words load_words(const void* p) { return _mm512_loadu_si512(p); }
  static void store_words(void* p, Words w) { _mm512_store_si512(p, w); }
  static void store_words_anywhere(void* p, Words w) { _mm512_storeu_si512(p, w); }
  static i32 to_i32(Words w) { return w; }
  static f32 as_f32(i32 w) { return _mm512_castsi512_ps(w); }
  static Words to_words(f32 v) { return _mm512_castps_si512(v); }
  // Shifts are of 16 bits; what crosses a byte is masked away.
  template <int right, std::uint8_t mask, int left = 0>
  static Words bits_of(Words w) {
    if constexpr (right > left) w = _mm512_srli_epi16(w, right - left);
    if constexpr (right < left) w = _mm512_slli_epi16(w, left - right);
    return _mm512_and_si512(w, _mm512_set1_epi8(static_cast<char>(mask << left)));
  }
  static Words join(Words a, Words b) { return _mm512_or_si512(a, b); }
  static Words flip_sign(Words w) { return _mm512_xor_si512(w, _mm512_set1_epi8(-128)); }
  static Words lookup(Words w, const std::uint8_t (&values)[16]) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), w);
  }

  // maddubs sums two products in 16 bits and would saturate: a pair of products is at most 2 * 127 *
  // max_code, and as many pairs may be added as fit 32767. Signed codes are at most 128 in magnitude: 2 * 127
  // * 128 = 32512.
  static constexpr bool unsigned_codes = false;
  using Pairs = __m512i;
  static constexpr int chain(int max_code) { return max_code > 127 ? 1 : 32767 / (2 * 127 * max_code); }
  static Pairs no_pairs() { return _mm512_setzero_si512(); }
  template <bool is_signed>
  static Pairs dot4(Pairs sum, Words codes, const void* x) {
    return _mm512_add_epi16(sum, dot_each<is_signed>(codes, _mm512_set1_epi32(read<std::int32_t>(x))));
  }
  // The same, each lane with its own four of x, which is never -128, so that its negative fits.
  template <bool is_signed>
  static Pairs dot_each(Words codes, Words x) {
    if constexpr (is_signed)
      return _mm512_maddubs_epi16(_mm512_abs_epi8(codes),
                                  _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(codes), no_pairs(), x));
    else
      return _mm512_maddubs_epi16(codes, x);
  }
  static i32 add_pairs(i32 sum, Pairs p) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(p, _mm512_set1_epi16(1)));
  }
  static constexpr bool pairs_are_sums = false;
  static constexpr int pair_registers = 1;
  // The scale stands twice in each lane, once for each of its sums of pairs.
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(p, scale));
  }
  static i32 to_scale(i32 v) { return or_i32(and_i32(v, 0xffffU), shift_left<16>(v)); }
  static std::int32_t to_scale_of_lane(std::int32_t v) { return (v & 0xffff) | v << 16; }
  static i32 kept(i32 v) { return ::kept(v); }

  static i32 dot2(i32 sum, Words words, const void* x) {
    return kept(_mm512_add_epi32(sum, _mm512_madd_epi16(words, _mm512_set1_epi32(read<std::int32_t>(x)))));
  }
  static Words i16_of(f32 a, f32 b) {
    const __m512i mixed = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    return _mm512_permutexvar_epi64(order, mixed);
  }
  static Words i16_of_bf16(Words w, f32 factor) {
    const f32 a = _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
    const f32 b = _mm512_castsi512_ps(and_i32(w, 0xffff0000U));
    return _mm512_mask_blend_epi16(0xaaaaaaaaU, _mm512_cvtps_epi32(mul(a, factor)),
                                   _mm512_slli_epi32(_mm512_cvtps_epi32(mul(b, factor)), 16));
  }
  static std::uint16_t largest_of_128(const void* p) {
    __m512i most[2] = {no_pairs(), no_pairs()};
    for (int i = 0; i < 4; ++i)
      most[i % 2] = most_16(most[i % 2], load_words(static_cast<const std::uint8_t*>(p) + 64 * i));
    const __m512i all = _mm512_max_epu16(most[0], most[1]);
    return Avx2::largest_half(
        _mm256_max_epu16(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1)));
  }
  static Words most_16(Words most, Words pair) {
    return _mm512_max_epu16(most, _mm512_and_si512(pair, _mm512_set1_epi16(0x7fff)));
  }
  static i32 load_i32(const void* p) { return _mm512_loadu_si512(p); }
  static void store_i16(void* p, f32 v) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)));
  }
  static Words widen_i8(const void* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static Words widen_i4(const void* p) {
    const __m512i bytes = load_u8(p);
    const __m512i nibbles = and_i32(or_i32(bytes, shift_left<12>(bytes)), 0x000f000fU);
    return _mm512_sub_epi16(nibbles, _mm512_set1_epi16(8));
  }
  static f32 scale2_normal(f32 v, f32 n) { return scale2(v, n); }

  // --- rows of weights, k in lanes: what avx2.h says, and the second of two in the upper half ---
  // right: of the upper half, by how many bits it is shifted, in 16.
  template <int right>
  static Words twice(Bytes b) {
    return pair(b, right == 0 ? b : _mm256_srli_epi16(b, right));
  }
  template <int first, int second>
  static i32 scales_of_two(Words halves) {
    constexpr std::int16_t kFirst = (2 * first + 1) << 8 | 2 * first;
    constexpr std::int16_t kSecond = (2 * second + 1) << 8 | 2 * second;
    return _mm512_shuffle_epi8(halves, pair(_mm256_set1_epi16(kFirst), _mm256_set1_epi16(kSecond)));
  }
  static __m256i halves_added(i32 sum) {
    return _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
  }

 private:
  static __mmask16 first_mask(std::int64_t n) { return static_cast<__mmask16>((1U << n) - 1U); }
  static f32 widen_bf16(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static __m256 low_half(f32 v) { return _mm512_castps512_ps256(v); }
  static __m256 high_half(f32 v) { return _mm512_extractf32x8_ps(v, 1); }
  static __m512i pair(__m256i low, __m256i high) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
  // out[j]: word j of each 128 bits of a, b, c, d.
  static void quads(__m512i* out, __m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab_low = _mm512_unpacklo_epi32(a, b);
    const __m512i ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi32(c, d);
    const __m512i cd_high = _mm512_unpackhi_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
    out[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
    out[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    out[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
  }
};

}  // namespace
