// What runs plans. CPU now; others implement the same list of operations.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ggml-like-core/graph/plan.h"

namespace core {

// Keys and values of one layer: kv_heads of kv_head_bytes() (quant/kv_block.h), aligned to 64.
struct KvLayer {
  std::byte* keys;
  std::byte* values;
};

struct KvView {
  std::span<const KvLayer> layers;
  DType dtype = DType::f32;
  std::int64_t capacity = 0;
  std::int64_t past = 0;  // tokens already there
};

// What a run reads and writes besides the arena.
struct Bindings {
  std::vector<const void*> inputs;  // by value id; null where not bound
  KvView kv;

  void bind(Value v, const void* data) {
    if (inputs.size() <= static_cast<std::size_t>(v.id)) inputs.resize(static_cast<std::size_t>(v.id) + 1);
    inputs[static_cast<std::size_t>(v.id)] = data;
  }
};

struct RunHooks {
  const std::atomic<bool>* cancel = nullptr;  // looked at between operations
  std::function<void(const ValueInfo&, const void*)>
      observe;                                // after an operation, each output; inputs before the first one
  std::function<void(double work)> progress;  // after each operation: work so far, in op_work units
  bool fetch_experts =
      false;  // weights do not all fit in memory: ask for routed experts before they are read
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Bytes beside the plan's arena.
  virtual std::size_t workspace_bytes(const Plan& plan) const = 0;
  // memory: arena_bytes + workspace_bytes at least, aligned to 64. False when cancelled. Allocates nothing.
  virtual bool run(const Plan& plan, const Bindings& bindings, std::span<std::byte> memory,
                   const RunHooks& hooks) = 0;
};

// Where v of a run plan lies in the memory that it ran in.
inline std::span<const float> output(const Plan& plan, Value v, std::span<const std::byte> memory) {
  return {reinterpret_cast<const float*>(memory.data() + plan.offset[static_cast<std::size_t>(v.id)]),
          plan.graph.info(v).bytes() / sizeof(float)};
}

}  // namespace core
