// Eight lanes of AVX2 with FMA and F16C. What each name means: scalar.h.
#pragma once

#include <immintrin.h>

#include "ggml-like-core/kernels/simd/common.h"
#include "ggml-like-core/kernels/simd/kept.h"

namespace {

struct Avx2 {
  static constexpr int lanes = 8;
  static constexpr int tile_rows = 2;  // 2 x 6 sums, 2 rows and 1 column: 15 of 16 registers
  static constexpr int tile_columns = 6;
  static constexpr int quant_columns = 6;
  static constexpr int quant_vectors(int chain) { return chain < 4 ? 1 : 2; }
  static constexpr int registers = 16;
  static constexpr bool fixed = true;
  static constexpr int fixed_columns = 4;
  static constexpr bool row_products = true;
  using Rows = Avx2;  // what row_mat.inl multiplies with

  using f32 = __m256;
  static f32 zero() { return _mm256_setzero_ps(); }
  static f32 set(float x) { return _mm256_set1_ps(x); }
  static f32 load(const void* p) { return _mm256_loadu_ps(static_cast<const float*>(p)); }
  static void store(void* p, f32 v) { _mm256_storeu_ps(static_cast<float*>(p), v); }
  static f32 load_part(const void* p, std::int64_t n) {
    return _mm256_maskload_ps(static_cast<const float*>(p), first_mask(n));
  }
  static void store_part(void* p, f32 v, std::int64_t n) {
    _mm256_maskstore_ps(static_cast<float*>(p), first_mask(n), v);
  }
  static f32 load_f16(const void* p) { return _mm256_cvtph_ps(load8(p)); }
  static f32 load_f16_part(const void* p, std::int64_t n) { return _mm256_cvtph_ps(load8_part(p, n)); }
  static f32 load_bf16(const void* p) { return widen_bf16(load8(p)); }
  static f32 load_bf16_part(const void* p, std::int64_t n) { return widen_bf16(load8_part(p, n)); }

  static f32 add(f32 a, f32 b) { return _mm256_add_ps(a, b); }
  static f32 sub(f32 a, f32 b) { return _mm256_sub_ps(a, b); }
  static f32 mul(f32 a, f32 b) { return _mm256_mul_ps(a, b); }
  static f32 div(f32 a, f32 b) { return _mm256_div_ps(a, b); }
  static f32 fma(f32 a, f32 b, f32 c) { return _mm256_fmadd_ps(a, b, c); }
  static f32 min(f32 a, f32 b) { return _mm256_min_ps(a, b); }
  static f32 max(f32 a, f32 b) { return _mm256_max_ps(a, b); }
  static f32 abs(f32 a) { return _mm256_andnot_ps(set(-0.0F), a); }
  static f32 round(f32 a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static f32 select_less(f32 a, f32 b, f32 yes, f32 no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static f32 first(f32 v, f32 rest, std::int64_t n) {
    return _mm256_blendv_ps(rest, v, _mm256_castsi256_ps(first_mask(n)));
  }
  static f32 scale2(f32 v, f32 n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return mul(mul(v, power2(half)), power2(_mm256_sub_epi32(whole, half)));
  }
  static float sum(f32 v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static float largest(f32 v) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static void transpose(f32 (&rows)[lanes]) {
    __m256i words[8];
    for (int i = 0; i < 8; ++i) words[i] = _mm256_castps_si256(rows[i]);
    transpose_words(words);
    for (int i = 0; i < 8; ++i) rows[i] = _mm256_castsi256_ps(words[i]);
  }
  static void store_i8(void* p, f32 v) {
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packs_epi16(half, half));
  }

  using i32 = __m256i;
  static i32 set_i32(std::int32_t x) { return _mm256_set1_epi32(x); }
  static i32 load_u8(const void* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
  }
  static i32 load_i32(const std::int32_t* p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  }
  static void store_i32(std::int32_t* p, i32 v) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), v); }
  static i32 sub_i32(i32 a, i32 b) { return _mm256_sub_epi32(a, b); }
  static i32 add_i32(i32 a, i32 b) { return _mm256_add_epi32(a, b); }
  static i32 and_i32(i32 a, std::uint32_t mask) {
    return _mm256_and_si256(a, set_i32(static_cast<std::int32_t>(mask)));
  }
  static i32 or_i32(i32 a, i32 b) { return _mm256_or_si256(a, b); }
  template <int n>
  static i32 shift_left(i32 a) {
    return _mm256_slli_epi32(a, n);
  }
  template <int n>
  static i32 shift_right(i32 a) {
    return _mm256_srli_epi32(a, n);
  }
  template <int n>
  static i32 shift_right_signed(i32 a) {
    return _mm256_srai_epi32(a, n);
  }
  static f32 to_f32(i32 a) { return _mm256_cvtepi32_ps(a); }
  static f32 low_f16(i32 a) {
    const __m256i low = and_i32(a, 0xffffU);
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
  }

  using Bytes = __m256i;
  static Bytes load_bytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static Bytes load_16_bytes(const void* p) { return _mm256_zextsi128_si256(load8(p)); }
  using Words = __m256i;
  static void interleave(Words (&words)[8], const Bytes (&rows)[lanes]) {
    for (int i = 0; i < 8; ++i) words[i] = rows[i];
    transpose_words(words);
  }
  static Words load_words(const void* p) { return load_bytes(p); }
  static void store_words(void* p, Words w) { _mm256_store_si256(static_cast<__m256i*>(p), w); }
  static void store_words_anywhere(void* p, Words w) { _mm256_storeu_si256(static_cast<__m256i*>(p), w); }
  static i32 to_i32(Words w) { return w; }
  static f32 as_f32(i32 w) { return _mm256_castsi256_ps(w); }
  static Words to_words(f32 v) { return _mm256_castps_si256(v); }
  // Shifts are of 16 bits; what crosses a byte is masked away.
  template <int right, std::uint8_t mask, int left = 0>
  static Words bits_of(Words w) {
    if constexpr (right > left) w = _mm256_srli_epi16(w, right - left);
    if constexpr (right < left) w = _mm256_slli_epi16(w, left - right);
    return _mm256_and_si256(w, _mm256_set1_epi8(static_cast<char>(mask << left)));
  }
  static Words join(Words a, Words b) { return _mm256_or_si256(a, b); }
  static Words flip_sign(Words w) { return _mm256_xor_si256(w, _mm256_set1_epi8(-128)); }
  static Words lookup(Words w, const std::uint8_t (&values)[16]) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load8(values)), w);
  }

  // maddubs sums two products in 16 bits and would saturate: a pair of products is at most 2 * 127 *
  // max_code, and as many pairs may be added as fit 32767. Signed codes are at most 128 in magnitude: 2 * 127
  // * 128 = 32512.
  static constexpr bool unsigned_codes = false;
  using Pairs = __m256i;
  static constexpr int chain(int max_code) { return max_code > 127 ? 1 : 32767 / (2 * 127 * max_code); }
  static Pairs no_pairs() { return _mm256_setzero_si256(); }
  template <bool is_signed>
  static Pairs dot4(Pairs sum, Words codes, const void* x) {
    return _mm256_add_epi16(sum, dot_each<is_signed>(codes, _mm256_set1_epi32(read<std::int32_t>(x))));
  }
  // The same, each lane with its own four of x, which is never -128, so that its negative fits.
  template <bool is_signed>
  static Pairs dot_each(Words codes, Words x) {
    if constexpr (is_signed)
      return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes));
    else
      return _mm256_maddubs_epi16(codes, x);
  }
  static i32 add_pairs(i32 sum, Pairs p) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(p, _mm256_set1_epi16(1)));
  }
  static constexpr bool pairs_are_sums = false;
  static constexpr int pair_registers = 1;
  // The scale stands twice in each lane, once for each of its sums of pairs.
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(p, scale));
  }
  static i32 to_scale(i32 v) {
    const __m128i low_halves = _mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13);
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(low_halves));
  }
  static std::int32_t to_scale_of_lane(std::int32_t v) { return (v & 0xffff) | v << 16; }
  static i32 kept(i32 v) { return ::kept(v); }

  static i32 dot2(i32 sum, Words words, const void* x) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(words, _mm256_set1_epi32(read<std::int32_t>(x))));
    asm("" : "+x"(sum));  // or g++ moves all products of a tile before the first sum, out of registers
    return sum;
  }
  static Words i16_of(f32 a, f32 b) {
    const __m256i halves = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
    return _mm256_permute4x64_epi64(halves, 0xd8);
  }
  static Words i16_of_bf16(Words w, f32 factor) {
    const __m256i high = _mm256_set1_epi32(static_cast<std::int32_t>(0xffff0000U));
    const f32 a = _mm256_castsi256_ps(_mm256_slli_epi32(w, 16));
    const f32 b = _mm256_castsi256_ps(_mm256_and_si256(w, high));
    return _mm256_blend_epi16(_mm256_cvtps_epi32(mul(a, factor)),
                              _mm256_slli_epi32(_mm256_cvtps_epi32(mul(b, factor)), 16), 0xaa);
  }
  static std::uint16_t largest_of_128(const void* p) {
    __m256i most[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int i = 0; i < 8; ++i)
      most[i % 2] = most_16(most[i % 2], load_bytes(static_cast<const std::uint8_t*>(p) + 32 * i));
    return largest_half(_mm256_max_epu16(most[0], most[1]));
  }
  static Words most_16(Words most, Words pair) {
    return _mm256_max_epu16(most, _mm256_and_si256(pair, _mm256_set1_epi16(0x7fff)));
  }
  // Of 16 unsigned halves.
  static std::uint16_t largest_half(__m256i v) {
    const __m128i eight = _mm_max_epu16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const __m128i all = _mm_set1_epi16(-1);
    return static_cast<std::uint16_t>(~_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(eight, all))));
  }
  static i32 load_i32(const void* p) { return load_bytes(p); }
  static void store_i16(void* p, f32 v) {
    const __m256i whole = _mm256_cvtps_epi32(v);
    _mm_storeu_si128(static_cast<__m128i*>(p),
                     _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1)));
  }
  static Words widen_i8(const void* p) { return _mm256_cvtepi8_epi16(load8(p)); }
  static Words widen_i4(const void* p) {
    const __m256i bytes = load_u8(p);
    const __m256i nibbles = and_i32(or_i32(bytes, shift_left<12>(bytes)), 0x000f000fU);
    return _mm256_sub_epi16(nibbles, _mm256_set1_epi16(8));
  }

  // --- rows of weights, k in lanes ---
  // Products of 16-bit integers, in pairs.
  static i32 dot_halves(Words a, Words b) { return _mm256_madd_epi16(a, b); }
  // Lane r: the sum of all lanes of parts[r].
  static i32 sums_of(const i32 (&parts)[lanes]) {
    const __m256i low =
        _mm256_hadd_epi32(_mm256_hadd_epi32(parts[0], parts[1]), _mm256_hadd_epi32(parts[2], parts[3]));
    const __m256i high =
        _mm256_hadd_epi32(_mm256_hadd_epi32(parts[4], parts[5]), _mm256_hadd_epi32(parts[6], parts[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                            _mm256_permute2x128_si256(low, high, 0x31));
  }
  // 16 bytes with signs as 16-bit integers: the 8 even ones, then the 8 odd ones.
  static Words even_and_odd_i8(const void* p) {
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(load8(p), order));
  }
  // 8 bytes as 16-bit integers, twice.
  static Words widen_8_bytes(std::uint64_t bytes) {
    return _mm256_broadcastsi128_si256(
        _mm_cvtepu8_epi16(_mm_cvtsi64_si128(static_cast<std::int64_t>(bytes))));
  }
  static Words widen_8_signed_bytes(std::uint64_t bytes) {
    return _mm256_broadcastsi128_si256(
        _mm_cvtepi8_epi16(_mm_cvtsi64_si128(static_cast<std::int64_t>(bytes))));
  }
  // What takes the codes of rows, here this type itself: a wider one has an upper half for the second of two.
  using Wide = Avx2;
  template <int>
  static Words twice(Words w) {
    return w;
  }
  // Number `first` of 8 in both halves, everywhere in its half: a scale as to_scale makes it.
  template <int first, int>
  static i32 scales_of_two(Words halves) {
    return _mm256_shuffle_epi8(halves, _mm256_set1_epi16((2 * first + 1) << 8 | 2 * first));
  }
  static i32 halves_added(i32 sum) { return sum; }
  // 8 bytes times 8 16-bit integers, 8 16-bit integers (the low half of a vector) times 8, and 16 bytes with
  // signs times 16: products in pairs.
  static i32 dot_8_bytes(std::uint64_t bytes, const void* i16) {
    const __m128i wide = _mm_cvtepu8_epi16(_mm_cvtsi64_si128(static_cast<std::int64_t>(bytes)));
    return _mm256_zextsi128_si256(_mm_madd_epi16(wide, load8(i16)));
  }
  static i32 dot_8_halves(Words eight, const void* i16) {
    return _mm256_zextsi128_si256(_mm_madd_epi16(_mm256_castsi256_si128(eight), load8(i16)));
  }
  static i32 dot_16_bytes(const void* bytes, const void* i16) {
    return _mm256_madd_epi16(_mm256_cvtepi8_epi16(load8(bytes)), load_bytes(i16));
  }

  static f32 scale2_normal(f32 v, f32 n) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(v), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
  }

 private:
  static __m256i first_mask(std::int64_t n) {
    const __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(set_i32(static_cast<std::int32_t>(n)), places);
  }
  static __m128i load8(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static __m128i load8_part(const void* p, std::int64_t n) {
    alignas(16) std::uint16_t eight[8] = {};
    for (std::int64_t i = 0; i < n; ++i)
      eight[i] = read<std::uint16_t>(static_cast<const std::uint8_t*>(p) + 2 * i);
    return load8(eight);
  }
  static f32 widen_bf16(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static f32 power2(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, set_i32(127)), 23));
  }
  static void transpose_words(__m256i (&row)[8]) {
    __m256i quad[8];  // quad[4 * i + j]: words j and 4 + j of rows 4 i .. 4 i + 3
    for (int i = 0; i < 8; i += 4) {
      const __m256i a = _mm256_unpacklo_epi32(row[i], row[i + 1]);
      const __m256i b = _mm256_unpackhi_epi32(row[i], row[i + 1]);
      const __m256i c = _mm256_unpacklo_epi32(row[i + 2], row[i + 3]);
      const __m256i d = _mm256_unpackhi_epi32(row[i + 2], row[i + 3]);
      quad[i] = _mm256_unpacklo_epi64(a, c);
      quad[i + 1] = _mm256_unpackhi_epi64(a, c);
      quad[i + 2] = _mm256_unpacklo_epi64(b, d);
      quad[i + 3] = _mm256_unpackhi_epi64(b, d);
    }
    for (int j = 0; j < 4; ++j) {
      row[j] = _mm256_permute2x128_si256(quad[j], quad[j + 4], 0x20);
      row[j + 4] = _mm256_permute2x128_si256(quad[j], quad[j + 4], 0x31);
    }
  }
};

}  // namespace
