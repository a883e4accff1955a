// Element types as GGUF numbers them.
#pragma once

#include <cstdint>

namespace core {

// On-disk ids (GGUF v3): never change.
enum class DType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q8_0 = 8,
  q4_K = 12,
  q5_K = 13,
  q6_K = 14,
  i32 = 26,  // indexes inside graphs; not a weight format
  bf16 = 30,
};

}  // namespace core
