// Declares a graph: checks every shape at once and names every value. Nothing runs here, and a built graph
// cannot fail later.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/graph/ops.h"

namespace core {

struct Node {
  Op op;
  std::vector<Value> inputs;  // as the op's comment lists them
  std::vector<Value> outputs;
};

// Immutable once built.
struct Graph {
  std::vector<ValueInfo> values;
  std::vector<Node> nodes;
  const ValueInfo& info(Value v) const { return values[static_cast<std::size_t>(v.id)]; }
};

// "rms_norm", for messages and plans.
std::string_view op_name(const Op& op);
// Multiplications and additions of one run: what progress is measured in. past: tokens already in the cache.
double op_work(const Graph& graph, const Node& node, std::int64_t past);

// Shape errors are bugs of the model's code or a config that check() let through: Error with the scope and
// both shapes.
class Builder {
 public:
  // Puts "name." before the names of the values declared until the scope ends.
  class Scope {
   public:
    Scope(Builder& builder, std::string_view name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Builder* builder_;
    std::size_t length_;
  };

  Value input(std::string_view name, std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  // Gives v the name under which observers see it (scoped), and returns it.
  Value name(Value v, std::string_view name);
  Value output(Value v);  // keeps v in the arena until the next run

  Value embed_rows(const Weight& table, Value ids);
  Value select_rows(Value x, Value rows, Value index);
  Value add_rows(Value x, Value rows, Value index);
  Value gather_rows(Value x, Value index);
  Value interpolate_rows(const Weight& table, Value index, Value weight);
  Value slice_cols(Value x, std::int64_t first, std::int64_t count);
  Value reshape(Value x, std::int64_t rows, std::int64_t cols);
  Value add(Value a, Value b);
  Value silu_mul(Value gate, Value up);
  Value mat_mul(Value x, const Weight& weight, const Weight* bias = nullptr,
                Activation activation = Activation::none);
  Value rms_norm(Value x, const Weight& gain, float eps);
  Value layer_norm(Value x, const Weight& gain, const Weight& bias, float eps);
  Value rope(Value x, Value cos, Value sin, std::int64_t head_dim, bool pairs = false);
  Value cached_attention(Value q, Value k, Value v, const CachedAttention& op);
  Value segment_attention(Value q, Value k, Value v, Value segments, const SegmentAttention& op);
  struct Routing {
    Value weights, ids;
  };
  Routing top_k(Value logits, std::int64_t k, Value forced = {});
  Value experts(Value x, const Routing& routing, const Weight& gate, const Weight& up, const Weight& down);

  const ValueInfo& info(Value v) const { return graph_.info(v); }
  Graph build() &&;

 private:
  Value declare(std::string_view name, std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  Value node(Op op, std::vector<Value> inputs, std::int64_t rows, std::int64_t cols);
  template <class... T>
  void want(bool ok, std::string_view op, const T&... part) const;

  Graph graph_;
  std::string scope_;
};

}  // namespace core
