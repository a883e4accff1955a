// NEON with the 8-bit matrix extension, whose usdot multiplies unsigned codes and signed activations.
#pragma once

#include "ggml-like-core/kernels/simd/neon.h"

namespace {

struct NeonI8mm : Neon {
  static constexpr int quant_columns = 6;
  static constexpr int quant_vectors(int) { return 1; }
  static constexpr bool unsigned_codes = true;
  using Pairs = int32x4_t;
  static constexpr int chain(int) { return 8; }
  static Pairs no_pairs() { return vdupq_n_s32(0); }
  template <bool is_signed>
  static Pairs dot4(Pairs sum, Words codes, const void* x) {
    static_assert(!is_signed);
    return vusdotq_s32(sum, codes, vreinterpretq_s8_u32(vdupq_n_u32(read<std::uint32_t>(x))));
  }
  static i32 add_pairs(i32 sum, Pairs p) { return vaddq_s32(sum, p); }
  static constexpr bool pairs_are_sums = true;
  static constexpr int pair_registers = 1;
  static i32 add_scaled(i32 sum, Pairs p, i32 scale) { return vmlaq_s32(sum, p, scale); }
};

}  // namespace
