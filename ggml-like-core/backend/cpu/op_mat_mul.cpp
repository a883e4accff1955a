// Matrix products: activations are converted once, then strips of weight rows are handed out.
#include <cblas.h>

#include <cstring>

#include "ggml-like-core/backend/cpu/op_context.h"
#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

constexpr std::int64_t kBlasTokens = 64;  // of one call of OpenBLAS

void multiply_strip_blas(const OpContext& c, const MatProduct& p, std::int64_t first, std::int64_t last,
                         const std::byte* converted, std::int64_t n, float* out, std::int64_t out_stride) {
  const std::int64_t rows = last - first;
  const std::int64_t stride =
      static_cast<std::int64_t>(converted_bytes(c.mat(p.dtype), true, p.k) / sizeof(float));
  auto* w = reinterpret_cast<float*>(c.each);
  for (std::int64_t r = 0; r < rows; ++r)
    c.mat(p.dtype).dequantize_row(w + r * p.k, p.weight, p.row_stride(), first + r, p.k);
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

namespace {

// The forms of activations that the parts of one operation want: parts of one format share one.
struct Forms {
  const MatKernels* form[MatMul::kMostParts] = {};
  std::size_t row[MatMul::kMostParts] = {};  // bytes of one converted row
  int count = 0;
  int of_part[MatMul::kMostParts] = {};
  std::size_t bytes = 0;  // of all forms of one row

  Forms(const MatMul& op, const KernelTable& kernels, bool blas) {
    for (int p = 0; p < op.count; ++p) {
      const MatKernels& mat = kernels.mat[*format_index(op.parts[p].weight->dtype)];
      int f = 0;
      while (f < count && !blas && form[f]->convert_activation != mat.convert_activation) ++f;
      of_part[p] = f;
      if (f < count) continue;
      form[count] = &mat;
      row[count] = converted_bytes(mat, blas, op.parts[p].weight->cols);
      bytes += row[count++];
    }
  }
};

// How a product is cut into chunks: rows x tokens. Tokens in whole register tiles of every table, in blocks
// of one size, so that none is left with a few; smaller ones where there would be too few chunks for all
// workers.
struct Cut {
  std::int64_t rows, tokens;
  Cut(const MatMul& op, bool blas, std::int64_t n, std::int64_t all_rows, int workers) {
    const bool wide = !blas && info(op.parts[0].weight->dtype).is_float;
    const std::int64_t most = wide ? kTokenBlock16 : kTokenBlock;
    rows = wide && n > kTile ? 2 * kStripRows : kStripRows;
    const std::int64_t wanted = ceil_div(kChunksEach * workers, ceil_div(all_rows, rows));
    const std::int64_t blocks = std::max(ceil_div(n, most), std::min(wanted, ceil_div(n, kFewTokens)));
    tokens = std::min(most, ceil_div(ceil_div(n, blocks), kTile) * kTile);
  }

 private:
  static constexpr std::int64_t kTile = 12;
  static constexpr std::int64_t kFewTokens = 256;
  static constexpr std::int64_t kChunksEach = 8;  // of each worker
};

// What each worker needs besides the scratch of its strips.
struct EachLayout {
  std::size_t converted, normed, second, bytes;
  EachLayout(const MatMul& op, const Forms& forms, std::int64_t n) {
    const auto k = static_cast<std::size_t>(op.parts[0].weight->cols);
    converted = 0;
    normed = converted + (n == 1 ? forms.bytes : 0);
    second = normed + (op.norm.gain != nullptr ? round_up(k * sizeof(float), 64) : 0);
    bytes = second +
            (op.gated ? static_cast<std::size_t>(std::min(n, kTokenBlock16) * 2 * kStripRows) * sizeof(float)
                      : 0);
  }
};

MatProduct product(const MatMulPart& part) {
  return {part.weight->data, part.weight->dtype, part.weight->rows, part.weight->cols};
}

void activate(const OpContext& c, const MatMulPart& part, float* y, std::int64_t first, std::int64_t n) {
  if (part.bias != nullptr) c.kernels->add(y, y, part.bias->floats() + first, n);
  if (part.activation == Activation::gelu_tanh) c.kernels->gelu_tanh(y, y, n);
  if (part.activation == Activation::gelu_erf) c.kernels->gelu_erf(y, y, n);
}

}  // namespace

Workspace workspace(const MatMul& op, const Node& node, const PlanContext& c) {
  const Forms forms(op, *c.kernels, c.blas);
  const std::int64_t n = c.info(node.inputs[0]).rows;
  std::size_t strip = 0;
  for (int p = 0; p < op.count; ++p)
    strip = std::max(strip, strip_scratch_bytes(product(op.parts[p]), c.blas));
  return {.shared = n == 1 ? 0 : forms.bytes * static_cast<std::size_t>(n),
          .each = round_up(strip, 64) + EachLayout(op, forms, n).bytes};
}

void run_op(const MatMul& op, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  const float* residual = node.inputs[1].present() ? c.f32(node.inputs[1]) : nullptr;
  const std::int64_t n = c.info(node.inputs[0]).rows;
  const std::int64_t k = op.parts[0].weight->cols;
  const Forms forms(op, *c.kernels, c.blas);
  const EachLayout each(op, forms, n);
  std::size_t strip = 0;
  for (int p = 0; p < op.count; ++p)
    strip = std::max(strip, strip_scratch_bytes(product(op.parts[p]), c.blas));
  std::byte* const mine = c.each + round_up(strip, 64);

  // One token is converted by every worker for itself, which is quicker than waiting for one of them.
  std::byte* const converted = n == 1 ? mine + each.converted : c.shared;
  const auto convert = [&](std::int64_t t) {
    const float* row = x + t * k;
    if (op.norm.gain != nullptr) {
      auto* normed = reinterpret_cast<float*>(mine + each.normed);
      if (op.norm.bias != nullptr)
        c.kernels->layer_norm(normed, row, op.norm.gain->floats(), op.norm.bias->floats(), k, op.norm.eps);
      else
        c.kernels->rms_norm(normed, row, op.norm.gain->floats(), k, op.norm.eps);
      row = normed;
    }
    std::byte* to = converted;
    for (int f = 0; f < forms.count; ++f) {
      convert_row(*forms.form[f], c.blas, to + forms.row[f] * static_cast<std::size_t>(t), row, k);
      to += forms.row[f] * static_cast<std::size_t>(n);
    }
  };
  if (n == 1) {
    convert(0);
  } else {
    c.rows(n, convert);
    c.worker->barrier();
  }

  const int outputs = op.gated ? 1 : op.count;
  std::int64_t all_rows = 0;
  for (int p = 0; p < outputs; ++p) all_rows += op.parts[p].weight->rows;
  const Cut cut(op, c.blas, n, all_rows, c.worker->count());
  std::int64_t strips_before[MatMul::kMostParts + 1] = {};
  const std::byte* rows_of[MatMul::kMostParts];
  for (int p = 0; p < op.count; ++p) {
    rows_of[p] = converted;
    for (int f = 0; f < forms.of_part[p]; ++f) rows_of[p] += forms.row[f] * static_cast<std::size_t>(n);
    strips_before[p + 1] =
        strips_before[p] + (p < outputs ? ceil_div(op.parts[p].weight->rows, cut.rows) : 0);
  }
  const auto row_bytes_of = [&](int p) { return forms.row[forms.of_part[p]]; };
  const std::int64_t strips = strips_before[outputs];
  // All rows of a block of tokens, which stays in a cache, before the next block.
  c.worker->chunks(strips * ceil_div(n, cut.tokens), 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t strip_index = chunk % strips;
    int p = 0;
    while (strip_index >= strips_before[p + 1]) ++p;
    const MatProduct m = product(op.parts[p]);
    const std::int64_t first = (strip_index - strips_before[p]) * cut.rows;
    const std::int64_t last = std::min(first + cut.rows, m.rows);
    const std::int64_t t0 = chunk / strips * cut.tokens;
    const std::int64_t tokens = std::min(cut.tokens, n - t0);
    float* tile = c.out(node.outputs[static_cast<std::size_t>(p)]) + t0 * m.rows + first;
    multiply_strip(c, m, first, last, rows_of[p] + row_bytes_of(p) * static_cast<std::size_t>(t0), tokens,
                   tile, m.rows);
    auto* second = reinterpret_cast<float*>(mine + each.second);
    if (op.gated)
      multiply_strip(c, product(op.parts[1]), first, last,
                     rows_of[1] + row_bytes_of(1) * static_cast<std::size_t>(t0), tokens, second, cut.rows);
    for (std::int64_t t = 0; t < tokens; ++t) {
      float* y = tile + t * m.rows;
      activate(c, op.parts[p], y, first, last - first);
      if (op.gated) {
        float* up = second + t * cut.rows;
        activate(c, op.parts[1], up, first, last - first);
        c.kernels->silu_mul(y, y, up, last - first);
      }
      if (residual != nullptr) c.kernels->add(y, y, residual + (t0 + t) * m.rows + first, last - first);
    }
  });
}

}  // namespace core
