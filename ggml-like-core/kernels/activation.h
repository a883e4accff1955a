// How convert_activation lays out a row for quantized weights. Plain (see quant/blocks.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace core {

// Of every 32 values: scale = largest magnitude / 127, q = nearest even of x / scale, so q is in [-127, 127].
inline constexpr int kActivationGroup = 32;

// Offsets in bytes from the start of the row, which holds int8 q[k], then float scales[k / 32], then what one
// weight format asks of each of its groups of weights: see quant_mat.inl.
struct ActivationLayout {
  std::size_t scales;
  std::size_t sums;
  std::size_t bytes;  // of the whole row, a multiple of 64
};

// group: weights under one scale, 16 or 32; it divides k.
[[gnu::always_inline]] constexpr ActivationLayout activation_layout(std::int64_t k, int group) {
  const auto n = static_cast<std::size_t>(k);
  const std::size_t scales = (n + 63) / 64 * 64;
  const std::size_t sums = scales + n / kActivationGroup * sizeof(float);
  return {scales, sums, (sums + n / static_cast<std::size_t>(group) * sizeof(float) + 63) / 64 * 64};
}

}  // namespace core
