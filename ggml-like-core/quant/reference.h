// The definition of every format in slow scalar code. Kernels are tested against this forever.
#pragma once

#include <cstdint>
#include <span>

#include "ggml-like-core/quant/formats.h"

namespace core {

// out[i] = the i-th weight. row: row_bytes(dtype, out.size()) bytes. dtype: not a tiled one.
void dequantize_row(std::span<float> out, DType dtype, const void* row);

// Whole rows of tiles (tile.h) from the same rows one after another, and back. dtype: the tiled one; both
// have the same number of bytes, a multiple of kTileRows * row_bytes(dtype, cols).
void rows_to_tiles(std::span<std::byte> tiles, std::span<const std::byte> rows, DType dtype,
                   std::int64_t cols);
void tiles_to_rows(std::span<std::byte> rows, std::span<const std::byte> tiles, DType dtype,
                   std::int64_t cols);

// The nearest row in this format by the format's own search (F16, BF16: nearest even; Q8_0, Q4_0: from the
// largest magnitude; Q4_K, Q5_K, Q6_K: least squares weighted by magnitude over candidate scales). row:
// row_bytes(dtype, x.size()) bytes. Deterministic. Not-a-number and infinite inputs are the caller's to
// refuse.
void quantize_row(void* row, DType dtype, std::span<const float> x);

// sum_i weight[i] * x[i], in double.
double dot(DType dtype, const void* row, std::span<const float> x);

}  // namespace core
