// What a run must do at least: products, and bytes that come from memory. For measurements.
#pragma once

#include "ggml-like-core/graph/backend.h"

namespace core {

struct Cost {
  double ops = 0;    // multiplications and additions of matrix products and attention: those of op_work
  double bytes = 0;  // weights, and keys and values of the cache, each read once
  // Type of what the products read: weights (of the first part) or the cache. Attention without a cache: f16.
  DType dtype = DType::f32;
};

// Of one node with this cache. Experts: as many as tokens choose that choose at random.
Cost cost(const Graph& graph, const Node& node, const KvView& kv);

}  // namespace core
