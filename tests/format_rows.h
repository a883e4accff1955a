// Rows of any format for tests and benches: quantized where the program has a quantizer, random blocks
// elsewhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <span>

#include "ggml-like-core/base/half.h"
#include "ggml-like-core/quant/formats.h"
#include "ggml-like-core/quant/reference.h"

namespace core {

// The scales of a block, of whatever kind, become scale (a power of two where the format has only those).
template <class Block>
void set_scales(Block& b, float scale) {
  const std::uint16_t f16 = f32_to_f16(scale);
  if constexpr (requires { b.scale_f16; }) b.scale_f16 = f16;
  if constexpr (requires { b.min_scale_f16; }) b.min_scale_f16 = f16;
  if constexpr (requires { b.min_f16; }) b.min_f16 = f16;
  if constexpr (requires { b.scale_exponent; })
    b.scale_exponent = static_cast<std::uint8_t>(128 + std::ilogb(scale));
  if constexpr (std::is_same_v<Block, IQ1_M::Block>)  // in the highest nibbles
    for (int i = 0; i < 4; ++i)
      b.scales[i] = static_cast<std::uint16_t>((b.scales[i] & 0x0fff) | ((f16 >> (4 * i)) & 15) << 12);
}

// A row as large as x, and near x where the format can be written.
inline void some_row(void* row, DType dtype, std::span<const float> x, unsigned seed = 1) {
  if (info(dtype).writable) return quantize_row(row, dtype, x);
  float largest_x = 0;
  for (const float v : x) largest_x = std::max(largest_x, std::abs(v));
  std::mt19937 rng(seed);
  visit(dtype, [&]<class Q>() {
    for (std::size_t i = 0; i < x.size() / Q::block_len; ++i) {
      typename Q::Block block;
      unsigned char bytes[sizeof block];
      for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(rng());
      std::memcpy(&block, bytes, sizeof block);
      set_scales(block, 1);
      float weights[Q::block_len];
      dequantize_row(weights, dtype, &block);
      float largest = 0;
      for (const float v : weights) largest = std::max(largest, std::abs(v));
      set_scales(block, largest_x / largest);
      std::memcpy(static_cast<std::byte*>(row) + i * sizeof block, &block, sizeof block);
    }
  });
}

}  // namespace core
