// Operations that look rows up.
#include <cstring>

#include "ggml-like-core/backend/cpu/op_context.h"

namespace core {
namespace {

void copy_row(float* out, const float* x, std::int64_t n) {
  std::memcpy(out, x, static_cast<std::size_t>(n) * sizeof(float));
}

}  // namespace

void run_op(const EmbedRows& op, const Node& node, OpContext& c) {
  const Weight& table = *op.table;
  const std::int32_t* ids = c.i32(node.inputs[0]);
  float* out = c.out(node.outputs[0]);
  const MatKernels& mat = c.mat(table.dtype);
  c.rows(c.info(node.outputs[0]).rows, [&](std::int64_t i) {
    mat.dequantize_row(out + i * table.cols, table.data, table.row_stride(), ids[i], table.cols);
  });
}

void run_op(const SelectRows&, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  const float* rows = c.f32(node.inputs[1]);
  const std::int32_t* index = c.i32(node.inputs[2]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  c.rows(shape.rows, [&](std::int64_t i) {
    copy_row(out + i * shape.cols, index[i] >= 0 ? rows + index[i] * shape.cols : x + i * shape.cols,
             shape.cols);
  });
}

void run_op(const AddRows&, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  const float* rows = c.f32(node.inputs[1]);
  const std::int32_t* index = c.i32(node.inputs[2]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  c.rows(shape.rows, [&](std::int64_t i) {
    if (index[i] >= 0)
      c.kernels->add(out + i * shape.cols, x + i * shape.cols, rows + index[i] * shape.cols, shape.cols);
    else
      copy_row(out + i * shape.cols, x + i * shape.cols, shape.cols);
  });
}

void run_op(const GatherRows&, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  const std::int32_t* index = c.i32(node.inputs[1]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  c.rows(shape.rows,
         [&](std::int64_t i) { copy_row(out + i * shape.cols, x + index[i] * shape.cols, shape.cols); });
}

Workspace workspace(const InterpolateRows& op, const Node&, const PlanContext&) {
  return {.shared = 0, .each = static_cast<std::size_t>(op.table->cols) * sizeof(float)};
}

void run_op(const InterpolateRows& op, const Node& node, OpContext& c) {
  const Weight& table = *op.table;
  const std::int32_t* index = c.i32(node.inputs[0]);
  const float* weight = c.f32(node.inputs[1]);
  const std::int64_t taps = c.info(node.inputs[0]).cols;
  float* out = c.out(node.outputs[0]);
  auto* row = reinterpret_cast<float*>(c.each);
  const MatKernels& mat = c.mat(table.dtype);
  c.rows(c.info(node.outputs[0]).rows, [&](std::int64_t i) {
    float* sum = out + i * table.cols;
    std::fill(sum, sum + table.cols, 0.0F);
    for (std::int64_t t = i * taps; t < (i + 1) * taps; ++t) {
      mat.dequantize_row(row, table.data, table.row_stride(), index[t], table.cols);
      c.kernels->multiply_add(sum, row, weight[t], table.cols);
    }
  });
}

void run_op(const SliceCols& op, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  const std::int64_t stride = c.info(node.inputs[0]).cols;
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  c.rows(shape.rows,
         [&](std::int64_t i) { copy_row(out + i * shape.cols, x + i * stride + op.first, shape.cols); });
}

}  // namespace core
