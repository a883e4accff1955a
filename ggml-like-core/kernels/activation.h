// How convert_activation lays out a row for quantized weights. Plain (see quant/blocks.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace core {

// Offsets in bytes from the start of the row, which holds int8 q[k], then float scales[k / step], then what
// one weight format asks of each of its groups of weights: see quant_mat.inl.
//
// Of every step values: scale = largest magnitude / 127, q = nearest even of x / scale, so q is in [-127,
// 127]. step is the block length of the weight format, 32 or 256.
struct ActivationLayout {
  std::size_t scales;
  std::size_t sums;
  std::size_t bytes;  // of the whole row, a multiple of 64
};

// group: weights under one scale, 16 or 32; it divides step, which divides k.
[[gnu::always_inline]] constexpr ActivationLayout activation_layout(std::int64_t k, int step, int group) {
  const auto n = static_cast<std::size_t>(k);
  const std::size_t scales = (n + 63) / 64 * 64;
  const std::size_t sums = scales + n / static_cast<std::size_t>(step) * sizeof(float);
  const std::size_t sum_bytes = step == 32 ? 4 : 2;
  return {scales, sums, (sums + n / static_cast<std::size_t>(group) * sum_bytes + 63) / 64 * 64};
}

}  // namespace core
