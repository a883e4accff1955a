// 32 bytes in a register of AVX2: the codes of one group of one row, for AVX2 and AVX-512 alike.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

struct X86Bytes {
  using Bytes = __m256i;
  static Bytes load_bytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static Bytes load_nibbles(const void* p) {
    const __m128i raw = _mm_loadu_si128(static_cast<const __m128i*>(p));
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(raw, 4), raw), _mm256_set1_epi8(15));
  }
  // Shifts are of 16 bits; what crosses a byte on the right is masked away.
  template <int right, std::uint8_t mask, int left = 0>
  static Bytes bits_of(Bytes b) {
    const __m256i kept =
        _mm256_and_si256(_mm256_srli_epi16(b, right), _mm256_set1_epi8(static_cast<char>(mask)));
    return _mm256_slli_epi16(kept, left);
  }
  static Bytes join(Bytes a, Bytes b) { return _mm256_or_si256(a, b); }
  static Bytes flip_sign(Bytes b) { return _mm256_xor_si256(b, _mm256_set1_epi8(-128)); }
};

}  // namespace
