// What the processor can do, as bits that kernel tables require.
#pragma once

#include <cstdint>
#include <string>

#include "ggml-like-core/base/cpu_bits.h"

namespace core {

// The CpuFeature bits of this machine, as the operating system lets us use them.
std::uint32_t cpu_features();

// "avx2 fma f16c" for the bits of features.
std::string cpu_features_text(std::uint32_t features);

}  // namespace core
