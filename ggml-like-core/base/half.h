// Half and brain floats as bits. Conversions to f32 are lossless, conversions from f32 round to nearest even.
// Plain: always inlined and free of the standard library's templates, so that files compiled for one
// instruction set may include it without leaving a copy that the linker could keep for the whole program.
#pragma once

#include <cstdint>

namespace core {

[[gnu::always_inline]] constexpr float bf16_to_f32(std::uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
}

// NaN stays NaN (quieted).
[[gnu::always_inline]] constexpr std::uint16_t f32_to_bf16(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

[[gnu::always_inline]] constexpr float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t rest = bits & 0x7fffU;
  if (rest >= 0x7c00U)
    return __builtin_bit_cast(float, sign | 0x7f800000U | (rest & 0x3ffU) << 13);              // inf, nan
  if (rest >= 0x0400U) return __builtin_bit_cast(float, sign | ((rest << 13) + 0x38000000U));  // normal
  const float magnitude = static_cast<float>(rest) * 0x1p-24F;  // subnormal: exact
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(std::uint32_t, magnitude));
}

[[gnu::always_inline]] constexpr std::uint16_t f32_to_f16(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t rest = bits & 0x7fffffffU;
  if (rest > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  if (rest >= 0x477ff000U)
    return static_cast<std::uint16_t>(sign | 0x7c00U);  // 65520 and over round to infinity
  if (rest < 0x38800000U) {  // below 2^-14: adding 0.5 aligns the 2^-24 steps with the f32 mantissa's last
                             // bit, and rounds
    const float aligned = __builtin_bit_cast(float, rest) + 0.5F;
    return static_cast<std::uint16_t>(sign | (__builtin_bit_cast(std::uint32_t, aligned) - 0x3f000000U));
  }
  const std::uint32_t rounded = rest + 0xfffU + ((rest >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

}  // namespace core
