// What an operation sees while it runs, and the list of operations of this backend.
#pragma once

#include <algorithm>

#include "ggml-like-core/base/thread_team.h"
#include "ggml-like-core/graph/backend.h"
#include "ggml-like-core/kernels/kernel_table.h"

namespace core {

// Scratch memory of one operation: shared by the team, and of each worker.
struct Workspace {
  std::size_t shared = 0;
  std::size_t each = 0;
};

// One worker's view of one operation. All workers run the operation's function at the same time.
struct OpContext {
  Worker* worker;
  const KernelTable* kernels;
  const Plan* plan;
  const Bindings* bindings;
  std::byte* arena;
  std::byte* shared;  // Workspace::shared bytes, aligned to 64
  std::byte* each;    // Workspace::each bytes, aligned to 64
  bool blas;
  bool fetch_experts;  // RunHooks'

  const ValueInfo& info(Value v) const { return plan->graph.info(v); }
  const void* data(Value v) const {
    const auto id = static_cast<std::size_t>(v.id);
    return plan->offset[id] == Plan::kBound ? bindings->inputs[id] : arena + plan->offset[id];
  }
  const float* f32(Value v) const { return static_cast<const float*>(data(v)); }
  const std::int32_t* i32(Value v) const { return static_cast<const std::int32_t*>(data(v)); }
  float* out(Value v) const {
    return reinterpret_cast<float*>(arena + plan->offset[static_cast<std::size_t>(v.id)]);
  }
  const MatKernels& mat(DType dtype) const { return kernels->mat[*format_index(dtype)]; }

  // body(row) for all rows, a few at a time.
  template <class Body>
  void rows(std::int64_t n, const Body& body) const {
    const std::int64_t grain = std::max<std::int64_t>(1, n / (std::int64_t{8} * worker->count()));
    worker->chunks(n, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) body(i);
    });
  }
};

// What workspace() may ask.
struct PlanContext {
  const Graph* graph;
  const KernelTable* kernels;
  bool blas;
  const ValueInfo& info(Value v) const { return graph->info(v); }
  const MatKernels& mat(DType dtype) const { return kernels->mat[*format_index(dtype)]; }
};

void run_op(const EmbedRows& op, const Node& node, OpContext& c);
void run_op(const SelectRows& op, const Node& node, OpContext& c);
void run_op(const AddRows& op, const Node& node, OpContext& c);
void run_op(const GatherRows& op, const Node& node, OpContext& c);
void run_op(const InterpolateRows& op, const Node& node, OpContext& c);
void run_op(const SliceCols& op, const Node& node, OpContext& c);
void run_op(const Add& op, const Node& node, OpContext& c);
void run_op(const SiluMul& op, const Node& node, OpContext& c);
void run_op(const MatMul& op, const Node& node, OpContext& c);
void run_op(const RmsNorm& op, const Node& node, OpContext& c);
void run_op(const LayerNorm& op, const Node& node, OpContext& c);
void run_op(const Rope& op, const Node& node, OpContext& c);
void run_op(const CachedAttention& op, const Node& node, OpContext& c);
void run_op(const SegmentAttention& op, const Node& node, OpContext& c);
void run_op(const TopK& op, const Node& node, OpContext& c);
void run_op(const Experts& op, const Node& node, OpContext& c);

template <class T>
Workspace workspace(const T&, const Node&, const PlanContext&) {
  return {};
}
Workspace workspace(const InterpolateRows& op, const Node& node, const PlanContext& c);
Workspace workspace(const MatMul& op, const Node& node, const PlanContext& c);
Workspace workspace(const CachedAttention& op, const Node& node, const PlanContext& c);
Workspace workspace(const SegmentAttention& op, const Node& node, const PlanContext& c);
Workspace workspace(const Experts& op, const Node& node, const PlanContext& c);

// A matrix product inside an operation. x: [n][k] floats.
struct MatProduct {
  const std::byte* weight;
  DType dtype;
  std::int64_t rows, k;
  std::size_t row_stride() const { return row_bytes(dtype, k); }
};
// Rows of weights that one chunk takes: with 2,048 floats each half of a 1 MiB L2 for a prompt, long enough
// for the prefetcher when one token reads them once.
constexpr std::int64_t kStripRows = 64;
// Most tokens of one chunk, so that narrow weights can be shared out too; and of 16-bit weights, whose
// unpacking more tokens must pay for: 86 tiles of 12.
constexpr std::int64_t kTokenBlock = 512;
constexpr std::int64_t kTokenBlock16 = 1032;
// Bytes of one row of converted activations.
std::size_t converted_bytes(const MatKernels& mat, bool blas, std::int64_t k);
void convert_row(const MatKernels& mat, bool blas, void* out, const float* x, std::int64_t k);
// Bytes that multiply_strip needs from each worker.
std::size_t strip_scratch_bytes(const MatProduct& p, bool blas);
// out[t * out_stride + r] for rows [first, last) and all n converted tokens; out points at row `first` of
// token 0.
void multiply_strip(const OpContext& c, const MatProduct& p, std::int64_t first, std::int64_t last,
                    const std::byte* converted, std::int64_t n, float* out, std::int64_t out_stride);

}  // namespace core
