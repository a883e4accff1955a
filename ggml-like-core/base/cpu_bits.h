// Names of what a processor can do, as bits that kernel tables require. Plain: files compiled for one
// instruction set include it; everyone else includes cpu_features.h.
#pragma once

#include <cstdint>

namespace core {

enum CpuFeature : std::uint32_t {
  kAvx2 = 1U << 0,
  kFma = 1U << 1,
  kF16c = 1U << 2,
  kAvx512 = 1U << 3,  // F, BW, VL and DQ together
  kAvx512Vnni = 1U << 4,
  kAvx512Bf16 = 1U << 5,
  kAvxVnni = 1U << 6,  // VNNI of 256 bits without AVX-512
  kNeon = 1U << 8,
  kDotprod = 1U << 9,
  kI8mm = 1U << 10,
};

}  // namespace core
