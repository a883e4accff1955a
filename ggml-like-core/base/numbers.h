// Half and brain floats (half.h), and size arithmetic that cannot wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ggml-like-core/base/half.h"

namespace core {

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
