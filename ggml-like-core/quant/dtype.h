// Element types as GGUF numbers them.
#pragma once

#include <cstdint>

namespace core {

// On-disk ids (GGUF v3, and our own): never change.
enum class DType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_K = 10,
  q3_K = 11,
  q4_K = 12,
  q5_K = 13,
  q6_K = 14,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  i32 = 26,  // indexes inside graphs; not a weight format
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  x4 = 504,  // from here on our own
  x5 = 505,
  x6 = 506,
  x7 = 507,
  x8 = 508,
};

// Ours, which nobody else reads, are those from here on.
inline constexpr std::uint32_t kFirstOwnId = 500;

// Our own ids: the format of the same rows, 16 together.
constexpr DType tiled(DType row) { return static_cast<DType>(static_cast<std::uint32_t>(row) + 1000); }

}  // namespace core
