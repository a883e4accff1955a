// AVX-512 with VNNI: four products of unsigned codes and signed activations into 32 bits, without saturation.
#pragma once

#include "ggml-like-core/kernels/simd/avx512.h"

namespace {

// Rows of weights: sums of pairs of products are scaled and added in one step.
struct Avx512VnniPairs : Avx512 {
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) { return _mm512_dpwssd_epi32(sum, p, scale); }
};
struct Avx512VnniRows : Avx2 {
  using Wide = Avx512VnniPairs;
};

struct Avx512Vnni : Avx512 {
  using Rows = Avx512VnniRows;
  static constexpr int quant_vectors(int) { return 2; }
  static constexpr bool unsigned_codes = true;
  using Pairs = __m512i;
  static constexpr int chain(int) { return 8; }
  template <bool is_signed>
  static Pairs dot4(Pairs sum, Words codes, const void* x) {
    static_assert(!is_signed);
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(read<std::int32_t>(x)));
  }
  static i32 add_pairs(i32 sum, Pairs p) { return _mm512_add_epi32(sum, p); }
  static constexpr bool pairs_are_sums = true;
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) {
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(p, scale));
  }
  static i32 to_scale(i32 v) { return v; }
  static std::int32_t to_scale_of_lane(std::int32_t v) { return v; }

  static i32 dot2(i32 sum, Words words, const void* x) {
    return kept(_mm512_dpwssd_epi32(sum, words, _mm512_set1_epi32(read<std::int32_t>(x))));
  }
};

}  // namespace
