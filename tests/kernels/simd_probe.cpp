// Compiled once for each instruction set, with its flags: see tests/CMakeLists.txt.
#include "tests/kernels/simd_probe.h"

#include TARSIER_SIMD_HEADER

namespace {

using V = TARSIER_SIMD_TYPE;

void dot2(std::int32_t* sum, const void* words, const void* x) {
  write(sum, V::dot2(read<V::i32>(sum), V::load_words(words), x));
}

void store_i16(std::int16_t* out, const float* x) { V::store_i16(out, V::load(x)); }

}  // namespace

extern const SimdProbe TARSIER_SIMD_PROBE;
constinit const SimdProbe TARSIER_SIMD_PROBE = {TARSIER_SIMD_NAME, V::lanes, &dot2, &store_i16};
