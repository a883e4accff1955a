// What the tiles of a product with quantized weights depend on. Formats of one kind share them: a new format
// is a line of quant/codes.h and, to be unpacked fast, vector code in decode.inl. Included only by
// decode.inl.
#pragma once

#include "ggml-like-core/kernels/simd/common.h"
#include "ggml-like-core/quant/codes.h"

namespace {

// What a sum over unsigned codes needs besides: nothing, offset * sum(x) taken away, or min * sum(x) taken
// away.
enum class Correction { none, offset, min };

template <bool is_super, int group_length, int chain_length, bool is_signed, Correction what>
struct Kind {
  static constexpr bool super = is_super;  // blocks of 256 with integer scales, or of 32 with a float
  static constexpr int block_len = super ? 256 : 32;
  static constexpr int group = group_length;       // weights under one scale, 16 or 32
  static constexpr int chain = chain_length;       // calls of dot4 before its sums would not fit
  static constexpr bool signed_codes = is_signed;  // codes as defined, from -128 on
  static constexpr Correction correction = what;
};

// What is added to the codes of Q to have them unsigned: the smallest power of two that does.
template <class Q>
constexpr int natural_offset() {
  using Definition = core::CodesOf<Q>;
  if (Definition::has_min) return 0;
  int offset = 8;
  while (offset < -Definition::least_code || offset <= Definition::most_code) offset *= 2;
  return offset;
}
template <class Q>
inline constexpr int kMaxCode = core::CodesOf<Q>::has_min ? core::CodesOf<Q>::most_code
                                                          : 2 * natural_offset<Q>() - 1;
// Where V cannot take codes over 127 they stay signed.
template <class V, class Q>
inline constexpr bool kSigned = kMaxCode<Q> > 127 && !V::unsigned_codes;
template <class V, class Q>
inline constexpr int kOffset = kSigned<V, Q> ? 0 : natural_offset<Q>();

template <int a, int b>
inline constexpr int kSmaller = a < b ? a : b;
template <class V, class Q>
using KindOf = Kind<Q::block_len == 256, core::CodesOf<Q>::group,
                    kSmaller<V::chain(kMaxCode<Q>), core::CodesOf<Q>::group / 4>, kSigned<V, Q>,
                    core::CodesOf<Q>::has_min ? Correction::min
                    : kOffset<V, Q> == 0      ? Correction::none
                                              : Correction::offset>;

// Unpacked weights of some blocks of k and kVectors<V, K> vectors of V::lanes rows.
//
// Sums of products of integers fit 32 bits in any format whose codes, sub-scales and sub-minimums fit 8: with
// x in
// [-127, 127], |sum over 256 of scale * code * x| <= 256 * 128 * 255 * 127 < 2^31, and what is taken away for
// the offset is at most 256 * 128 * 128 * 127 < 2^30. As 16-bit integers: sum(x) of a group <= 32 * 127, and
// offset * scale <= 128 * 128.
struct Strip {
  std::uint8_t* codes;   // [k / 4][vector][lane][4]
  std::int32_t* scales;  // super: [k / group][vector][lane], as V::to_scale makes them
  std::int32_t*
      mins;      // super: [k / group / 2][vector][lane] of two 16-bit integers: minimums, or offset * scale
  float* d;      // [k / block_len][vector][lane]
  float* d_min;  // the same, negated, where there are minimums
  std::int32_t offset;  // of the codes
};

}  // namespace
