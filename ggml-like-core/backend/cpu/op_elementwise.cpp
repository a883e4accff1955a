// Operations on each row alone: sums, gates, norms, rotation.
#include "ggml-like-core/backend/cpu/op_context.h"

namespace core {

void run_op(const Add&, const Node& node, OpContext& c) {
  const float* a = c.f32(node.inputs[0]);
  const float* b = c.f32(node.inputs[1]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  c.rows(shape.rows, [&](std::int64_t i) {
    c.kernels->add(out + i * shape.cols, a + i * shape.cols, b + i * shape.cols, shape.cols);
  });
}

void run_op(const SiluMul&, const Node& node, OpContext& c) {
  const float* gate = c.f32(node.inputs[0]);
  const float* up = c.f32(node.inputs[1]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  c.rows(shape.rows, [&](std::int64_t i) {
    c.kernels->silu_mul(out + i * shape.cols, gate + i * shape.cols, up + i * shape.cols, shape.cols);
  });
}

void run_op(const RmsNorm& op, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  const std::int64_t group = op.gain->cols;
  c.rows(shape.rows, [&](std::int64_t i) {
    for (std::int64_t at = i * shape.cols; at < (i + 1) * shape.cols; at += group)
      c.kernels->rms_norm(out + at, x + at, op.gain->floats(), group, op.eps);
  });
}

void run_op(const LayerNorm& op, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  c.rows(shape.rows, [&](std::int64_t i) {
    c.kernels->layer_norm(out + i * shape.cols, x + i * shape.cols, op.gain->floats(), op.bias->floats(),
                          shape.cols, op.eps);
  });
}

// x and out [n], one head: (2i, 2i + 1) turn by angle i.
static void rope_pairs(float* out, const float* x, const float* cos, const float* sin, std::int64_t n) {
  for (std::int64_t i = 0; i < n / 2; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    out[2 * i] = a * cos[i] - b * sin[i];
    out[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}

void run_op(const Rope& op, const Node& node, OpContext& c) {
  const float* x = c.f32(node.inputs[0]);
  const float* cos = c.f32(node.inputs[1]);
  const float* sin = c.f32(node.inputs[2]);
  float* out = c.out(node.outputs[0]);
  const ValueInfo& shape = c.info(node.outputs[0]);
  const std::int64_t stride = c.info(node.inputs[0]).cols;
  const auto turn = op.pairs ? &rope_pairs : c.kernels->rope;
  c.rows(shape.rows, [&](std::int64_t i) {
    for (std::int64_t at = 0; at < shape.cols; at += op.head_dim) {
      const float* head = x + i * stride + op.first + at;
      float* y = out + i * shape.cols + at;
      if (op.gain != nullptr) {
        c.kernels->rms_norm(y, head, op.gain->floats(), op.head_dim, op.eps);
        head = y;
      }
      turn(y, head, cos + i * op.head_dim, sin + i * op.head_dim, op.head_dim);
    }
  });
}

}  // namespace core
