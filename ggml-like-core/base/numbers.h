// Half and brain floats as bits, and size arithmetic that cannot wrap.
// Everything is inline, branch-light and exact: conversions to f32 are lossless, conversions from f32 round
// to nearest even.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace core {

constexpr float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// NaN stays NaN (quieted).
constexpr std::uint16_t f32_to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

constexpr float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t rest = bits & 0x7fffU;
  if (rest >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (rest & 0x3ffU) << 13);  // inf, nan
  if (rest >= 0x0400U) return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000U));         // normal
  const float magnitude = static_cast<float>(rest) * 0x1p-24F;  // subnormal: exact
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

constexpr std::uint16_t f32_to_f16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t rest = bits & 0x7fffffffU;
  if (rest > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  if (rest >= 0x477ff000U)
    return static_cast<std::uint16_t>(sign | 0x7c00U);  // 65520 and over round to infinity
  if (rest < 0x38800000U) {  // below 2^-14: adding 0.5 aligns the 2^-24 steps with the f32 mantissa's last
                             // bit, and rounds
    const float aligned = std::bit_cast<float>(rest) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(aligned) - 0x3f000000U));
  }
  const std::uint32_t rounded = rest + 0xfffU + ((rest >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

// a * b and a + b of sizes read from a file: nothing where the result does not fit.
constexpr std::optional<std::size_t> checked_mul(std::size_t a, std::size_t b) {
  std::size_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}
constexpr std::optional<std::size_t> checked_add(std::size_t a, std::size_t b) {
  std::size_t out = 0;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

// The least multiple of step that is at least n. step: a power of two. n is trusted not to be near the end of
// the range.
constexpr std::size_t round_up(std::size_t n, std::size_t step) { return (n + step - 1) & ~(step - 1); }
constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return (n + d - 1) / d; }

}  // namespace core
