// AVX-512 and AVX-VNNI for a processor that has AVX2 only: found before the compiler's own header, so that
// the tables of those instruction sets can be tested anywhere. SIMDe has most intrinsics; version 0.7 lacks
// those below.
#pragma once

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <cstring>

namespace {

// out[i] = f(in[i]) for all elements, of types Out and In, of registers R and P.
template <class R, class Out, class In, int n, class P, class F>
R emulate(const P& p, const F& f) {
  In in[n];
  Out out[n];
  static_assert(sizeof in == sizeof p);
  std::memcpy(in, &p, sizeof in);
  for (int i = 0; i < n; ++i) out[i] = f(in[i]);
  static_assert(sizeof out == sizeof(R));
  R r;
  std::memcpy(&r, out, sizeof r);
  return r;
}

struct Halves {
  __m256 low, high;
};
struct WholeHalves {
  __m256i low, high;
};
template <class To, class From>
To joined(const From& halves) {
  To all;
  static_assert(sizeof all == sizeof halves);
  std::memcpy(&all, &halves, sizeof all);
  return all;
}

inline simde__m512 emulated_cvtepi32_ps(simde__m512i v) {
  const auto h = joined<WholeHalves>(v);
  return joined<simde__m512>(Halves{_mm256_cvtepi32_ps(h.low), _mm256_cvtepi32_ps(h.high)});
}
inline simde__m512i emulated_cvtps_epi32(simde__m512 v) {
  const auto h = joined<Halves>(v);
  return joined<simde__m512i>(WholeHalves{_mm256_cvtps_epi32(h.low), _mm256_cvtps_epi32(h.high)});
}
inline simde__m512 emulated_cvtph_ps(__m256i v) {
  return joined<simde__m512>(
      Halves{_mm256_cvtph_ps(_mm256_castsi256_si128(v)), _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1))});
}
inline simde__m512i emulated_cvtepu16_epi32(__m256i v) {
  return emulate<simde__m512i, std::uint32_t, std::uint16_t, 16>(v, [](std::uint16_t x) { return x; });
}
inline simde__m512i emulated_cvtepu8_epi32(__m128i v) {
  return emulate<simde__m512i, std::uint32_t, std::uint8_t, 16>(v, [](std::uint8_t x) { return x; });
}
inline __m256i emulated_cvtepi32_epi16(simde__m512i v) {
  return emulate<__m256i, std::uint16_t, std::uint32_t, 16>(
      v, [](std::uint32_t x) { return static_cast<std::uint16_t>(x); });
}
inline simde__m512i emulated_srai_epi32(simde__m512i v, unsigned n) {
  return emulate<simde__m512i, std::int32_t, std::int32_t, 16>(v, [n](std::int32_t x) { return x >> n; });
}
inline std::int32_t emulated_reduce_add_epi32(simde__m512i v) {
  std::uint32_t in[16];
  std::memcpy(in, &v, sizeof in);
  std::uint32_t sum = 0;
  for (const std::uint32_t x : in) sum += x;
  return static_cast<std::int32_t>(sum);
}
inline __m256 emulated_extractf32x8_ps(simde__m512 v, int half) {
  const auto h = joined<Halves>(v);
  return half == 0 ? h.low : h.high;
}
template <class R, class T, int n>
R emulated_maskz_load(unsigned mask, const void* p) {
  T out[n] = {};
  for (int i = 0; i < n; ++i)
    if ((mask >> i & 1U) != 0) std::memcpy(out + i, static_cast<const T*>(p) + i, sizeof(T));
  R r;
  std::memcpy(&r, out, sizeof r);
  return r;
}
inline void emulated_mask_store(void* p, unsigned mask, simde__m512 v) {
  float in[16];
  std::memcpy(in, &v, sizeof in);
  for (int i = 0; i < 16; ++i)
    if ((mask >> i & 1U) != 0) std::memcpy(static_cast<float*>(p) + i, in + i, sizeof(float));
}

}  // namespace

#undef _mm512_madd_epi16  // takes four arguments there
#undef _mm512_srai_epi32  // names for which there are no functions
#undef _mm512_extractf32x8_ps
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#define _mm512_cvtepi32_ps(v) emulated_cvtepi32_ps(v)
#define _mm512_cvtps_epi32(v) emulated_cvtps_epi32(v)
#define _mm512_cvtph_ps(v) emulated_cvtph_ps(v)
#define _mm512_cvtepu16_epi32(v) emulated_cvtepu16_epi32(v)
#define _mm512_cvtepu8_epi32(v) emulated_cvtepu8_epi32(v)
#define _mm512_cvtepi32_epi16(v) emulated_cvtepi32_epi16(v)
#define _mm512_reduce_add_epi32(v) emulated_reduce_add_epi32(v)
#define _mm512_srai_epi32(v, n) emulated_srai_epi32(v, n)
#define _mm512_extractf32x8_ps(v, n) emulated_extractf32x8_ps(v, n)
#define _mm512_maskz_loadu_ps(mask, p) emulated_maskz_load<simde__m512, float, 16>(mask, p)
#define _mm256_maskz_loadu_epi16(mask, p) emulated_maskz_load<__m256i, std::uint16_t, 16>(mask, p)
#define _mm512_mask_storeu_ps(p, mask, v) emulated_mask_store(p, mask, v)
#define _mm256_dpbusd_avx_epi32(sum, a, b) simde_mm256_dpbusd_epi32(sum, a, b)
#define _mm256_dpwssd_avx_epi32(sum, a, b) simde_mm256_dpwssd_epi32(sum, a, b)
