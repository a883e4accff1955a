#include "ggml-like-core/graph/cost.h"

#include <cmath>

#include "ggml-like-core/quant/kv_block.h"

namespace core {
namespace {

double bytes_of(const Weight& w) {
  return static_cast<double>(w.row_stride()) * static_cast<double>(w.rows * w.experts);
}

// Of so many experts, those that n tokens read when each chooses k.
double share_of_experts(double experts, double k, double n) { return 1 - std::pow(1 - k / experts, n); }

}  // namespace

Cost cost(const Graph& graph, const Node& node, const KvView& kv) {
  const ValueInfo& out = graph.info(node.outputs[0]);
  const double work = op_work(graph, node, kv.past);
  if (const auto* op = std::get_if<MatMul>(&node.op)) {
    Cost c{.ops = work, .dtype = op->parts[0].weight->dtype};
    for (int p = 0; p < op->count; ++p) c.bytes += bytes_of(*op->parts[p].weight);
    return c;
  }
  if (const auto* op = std::get_if<Experts>(&node.op)) {
    const auto slots = static_cast<double>(graph.info(node.inputs[1]).cols);
    const double share =
        share_of_experts(static_cast<double>(op->gate->experts), slots, static_cast<double>(out.rows));
    return {.ops = work,
            .bytes = share * (bytes_of(*op->gate) + bytes_of(*op->up) + bytes_of(*op->down)),
            .dtype = op->gate->dtype};
  }
  if (const auto* op = std::get_if<CachedAttention>(&node.op)) {
    const KvHeadBytes block = kv_head_bytes(kv.dtype, op->head_dim, kKvBlock);  // of a head
    const double positions = static_cast<double>(kv.past + out.rows) / kKvBlock;
    return {.ops = work,
            .bytes = static_cast<double>(op->kv_heads) * static_cast<double>(block.keys + block.values) *
                     positions,
            .dtype = kv.dtype};
  }
  if (std::holds_alternative<SegmentAttention>(node.op)) return {.ops = work, .dtype = DType::f16};
  return {};
}

}  // namespace core
