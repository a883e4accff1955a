// AVX2 with VNNI of 256 bits: four products of unsigned codes and signed activations into 32 bits, without
// saturation.
#pragma once

#include "ggml-like-core/kernels/simd/avx2.h"

namespace {

struct Avx2Vnni : Avx2 {
  static constexpr int quant_vectors(int) { return 2; }
  static constexpr bool unsigned_codes = true;
  using Pairs = __m256i;
  static constexpr int chain(int) { return 8; }
  template <bool is_signed>
  static Pairs dot4(Pairs sum, Words codes, const void* x) {
    static_assert(!is_signed);
    return _mm256_dpbusd_avx_epi32(sum, codes, _mm256_set1_epi32(read<std::int32_t>(x)));
  }
  static i32 add_pairs(i32 sum, Pairs p) { return _mm256_add_epi32(sum, p); }
  static constexpr bool pairs_are_sums = true;
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) {
    return _mm256_add_epi32(sum, _mm256_mullo_epi32(p, scale));
  }
  static i32 to_scale(i32 v) { return v; }
  static std::int32_t to_scale_of_lane(std::int32_t v) { return v; }

  static i32 dot2(i32 sum, Words words, const void* x) {
    return kept(_mm256_dpwssd_avx_epi32(sum, words, _mm256_set1_epi32(read<std::int32_t>(x))));
  }
};

}  // namespace
