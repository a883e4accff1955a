// Matrix products: activations are converted once, then strips of weight rows are handed out.
#include <cblas.h>

#include <cstring>

#include "ggml-like-core/backend/cpu/op_context.h"
#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

constexpr std::int64_t kTokenBlock =
    512;                                  // tokens of one chunk, so that narrow weights can be shared out too
constexpr std::int64_t kBlasTokens = 64;  // of one call of OpenBLAS

void multiply_strip_blas(const OpContext& c, const MatProduct& p, std::int64_t first, std::int64_t last,
                         const std::byte* converted, std::int64_t n, float* out, std::int64_t out_stride) {
  const std::int64_t rows = last - first;
  const std::int64_t stride =
      static_cast<std::int64_t>(converted_bytes(c.mat(p.dtype), true, p.k) / sizeof(float));
  auto* w = reinterpret_cast<float*>(c.each);
  for (std::int64_t r = 0; r < rows; ++r)
    c.mat(p.dtype).dequantize_row(w + r * p.k,
                                  p.weight + p.row_stride() * static_cast<std::size_t>(first + r), p.k);
  for (std::int64_t t = 0; t < n; t += kBlasTokens) {
    const std::int64_t count = std::min(kBlasTokens, n - t);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(count), static_cast<int>(rows),
                static_cast<int>(p.k), 1.0F, reinterpret_cast<const float*>(converted) + t * stride,
                static_cast<int>(stride), w, static_cast<int>(p.k), 0.0F, out + t * out_stride,
                static_cast<int>(out_stride));
  }
}

}  // namespace

std::size_t converted_bytes(const MatKernels& mat, bool blas, std::int64_t k) {
  return blas ? round_up(static_cast<std::size_t>(k) * sizeof(float), 64) : mat.activation_bytes(k);
}

void convert_row(const MatKernels& mat, bool blas, void* out, const float* x, std::int64_t k) {
  if (blas)
    std::memcpy(out, x, static_cast<std::size_t>(k) * sizeof(float));
  else
    mat.convert_activation(out, x, k);
}

std::size_t strip_scratch_bytes(const MatProduct& p, bool blas) {
  if (!blas) return 0;
  return static_cast<std::size_t>(kStripRows * p.k) * sizeof(float);
}

void multiply_strip(const OpContext& c, const MatProduct& p, std::int64_t first, std::int64_t last,
                    const std::byte* converted, std::int64_t n, float* out, std::int64_t out_stride) {
  if (c.blas) return multiply_strip_blas(c, p, first, last, converted, n, out, out_stride);
  const MatKernels& mat = c.mat(p.dtype);
  mat.mat_mul(out, out_stride, p.weight + p.row_stride() * static_cast<std::size_t>(first), p.row_stride(),
              last - first, converted, mat.activation_bytes(p.k), n, p.k);
}

Workspace workspace(const MatMul& op, const Node& node, const PlanContext& c) {
  const MatProduct p{op.weight->data, op.weight->dtype, op.weight->rows, op.weight->cols};
  const std::int64_t n = c.info(node.inputs[0]).rows;
  return {.shared = converted_bytes(c.mat(p.dtype), c.blas, p.k) * static_cast<std::size_t>(n),
          .each = strip_scratch_bytes(p, c.blas)};
}

void run_op(const MatMul& op, const Node& node, OpContext& c) {
  const MatProduct p{op.weight->data, op.weight->dtype, op.weight->rows, op.weight->cols};
  const float* x = c.f32(node.inputs[0]);
  const std::int64_t n = c.info(node.inputs[0]).rows;
  float* out = c.out(node.outputs[0]);
  const MatKernels& mat = c.mat(p.dtype);
  const std::size_t row = converted_bytes(mat, c.blas, p.k);
  c.rows(n, [&](std::int64_t t) {
    convert_row(mat, c.blas, c.shared + row * static_cast<std::size_t>(t), x + t * p.k, p.k);
  });
  c.worker->barrier();

  const std::int64_t token_blocks = ceil_div(n, kTokenBlock);
  c.worker->chunks(ceil_div(p.rows, kStripRows) * token_blocks, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t first = chunk / token_blocks * kStripRows;
    const std::int64_t last = std::min(first + kStripRows, p.rows);
    const std::int64_t t0 = chunk % token_blocks * kTokenBlock;
    const std::int64_t tokens = std::min(kTokenBlock, n - t0);
    float* tile = out + t0 * p.rows + first;
    multiply_strip(c, p, first, last, c.shared + row * static_cast<std::size_t>(t0), tokens, tile, p.rows);
    for (std::int64_t t = 0; t < tokens; ++t) {
      float* y = tile + t * p.rows;
      if (op.bias != nullptr) c.kernels->add(y, y, op.bias->floats() + first, last - first);
      if (op.activation == Activation::gelu_tanh) c.kernels->gelu_tanh(y, y, last - first);
      if (op.activation == Activation::gelu_erf) c.kernels->gelu_erf(y, y, last - first);
    }
  });
}

}  // namespace core
