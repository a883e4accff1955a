#include "ggml-like-core/graph/fuse.h"

#include <algorithm>
#include <utility>

namespace core {
namespace {

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(&graph), gone_(graph.nodes.size()) {
    readers_.resize(graph.values.size());
    writer_.assign(graph.values.size(), -1);
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const Value v : graph.nodes[n].inputs)
        if (v.present()) readers_[index(v)].push_back(n);
      for (const Value v : graph.nodes[n].outputs) writer_[index(v)] = static_cast<std::ptrdiff_t>(n);
    }
    for (const ValueInfo& v : graph.values)  // a reshaped value is read in places that nobody counts
      if (v.alias_of >= 0)
        readers_[static_cast<std::size_t>(v.alias_of)].insert(
            readers_[static_cast<std::size_t>(v.alias_of)].end(), 2, graph.nodes.size());
  }

  void run() {
    for (std::size_t n = 0; n < graph_->nodes.size(); ++n)
      if (!gone_[n] && std::holds_alternative<MatMul>(graph_->nodes[n].op)) {
        gather_parts(n);
        take_norm(n);
        take_gate(n);
        take_sum(n);
      }
    for (std::size_t n = 0; n < graph_->nodes.size(); ++n)
      if (!gone_[n] && std::holds_alternative<Rope>(graph_->nodes[n].op)) take_head_norm(n);
    std::size_t kept = 0;
    for (std::size_t n = 0; n < gone_.size(); ++n)
      if (!gone_[n]) {
        if (kept != n) graph_->nodes[kept] = std::move(graph_->nodes[n]);
        ++kept;
      }
    graph_->nodes.resize(kept);
  }

 private:
  static std::size_t index(Value v) { return static_cast<std::size_t>(v.id); }
  Node& node(std::size_t n) { return graph_->nodes[n]; }
  MatMul& product(std::size_t n) { return std::get<MatMul>(node(n).op); }
  // Whether nobody but the model's next operations can see v.
  bool hidden(Value v) const {
    const ValueInfo& info = graph_->info(v);
    return !info.named && !info.output && !info.input && info.alias_of < 0;
  }
  // The node that computes v as operation T, if that is still there.
  template <class T>
  std::ptrdiff_t made_by(Value v) {
    const std::ptrdiff_t n = writer_[index(v)];
    return n >= 0 && !gone_[static_cast<std::size_t>(n)] &&
                   std::holds_alternative<T>(node(static_cast<std::size_t>(n)).op)
               ? n
               : -1;
  }

  // The products of the same x behind node n move into it.
  void gather_parts(std::size_t n) {
    const Value x = node(n).inputs[0];
    const auto readers = readers_[index(x)];
    for (const std::size_t other : readers) {
      if (other <= n || other >= gone_.size() || gone_[other] || product(n).count == MatMul::kMostParts)
        continue;
      if (!std::holds_alternative<MatMul>(node(other).op) || node(other).inputs[0].id != x.id) continue;
      product(n).parts[product(n).count++] = product(other).parts[0];
      const Value out = node(other).outputs[0];
      node(n).outputs.push_back(out);
      writer_[index(out)] = static_cast<std::ptrdiff_t>(n);
      remove_reader(x, other);
      gone_[other] = true;
    }
  }

  void take_norm(std::size_t n) {
    const Value x = node(n).inputs[0];
    if (!hidden(x) || readers_[index(x)].size() != 1) return;
    std::ptrdiff_t at = made_by<RmsNorm>(x);
    RowNorm norm;
    if (at >= 0) {
      const auto& op = std::get<RmsNorm>(node(static_cast<std::size_t>(at)).op);
      if (op.gain->cols != graph_->info(x).cols) return;
      norm = {op.gain, nullptr, op.eps};
    } else {
      at = made_by<LayerNorm>(x);
      if (at < 0) return;
      const auto& op = std::get<LayerNorm>(node(static_cast<std::size_t>(at)).op);
      norm = {op.gain, op.bias, op.eps};
    }
    product(n).norm = norm;
    replace_input(n, 0, static_cast<std::size_t>(at));
  }

  void take_gate(std::size_t n) {
    if (product(n).count != 2) return;
    const Value gate = node(n).outputs[0];
    const Value up = node(n).outputs[1];
    if (!only_reader_is<SiluMul>(gate) || !only_reader_is<SiluMul>(up)) return;
    const std::size_t last = readers_[index(gate)][0];
    if (readers_[index(up)][0] != last || node(last).inputs[0].id != gate.id) return;
    product(n).gated = true;
    take_output(n, last);
  }

  void take_sum(std::size_t n) {
    if (product(n).count != 1) return;
    const Value y = node(n).outputs[0];
    if (!only_reader_is<Add>(y)) return;
    const std::size_t last = readers_[index(y)][0];
    const Value other = node(last).inputs[node(last).inputs[0].id == y.id ? 1 : 0];
    if (other.id == y.id || writer_[index(other)] >= static_cast<std::ptrdiff_t>(n)) return;
    const ValueInfo& info = graph_->info(other);
    if (info.alias_of >= 0) return;
    node(n).inputs[1] = other;
    std::replace(readers_[index(other)].begin(), readers_[index(other)].end(), last, n);
    take_output(n, last);
  }

  void take_head_norm(std::size_t n) {
    auto& rope = std::get<Rope>(node(n).op);
    const Value x = node(n).inputs[0];
    if (!hidden(x) || readers_[index(x)].size() != 1) return;
    if (const std::ptrdiff_t at = made_by<RmsNorm>(x); at >= 0) {
      const auto& op = std::get<RmsNorm>(node(static_cast<std::size_t>(at)).op);
      if (op.gain->cols != rope.head_dim) return;
      rope.gain = op.gain;
      rope.eps = op.eps;
      replace_input(n, 0, static_cast<std::size_t>(at));
    } else if (const std::ptrdiff_t slice = made_by<SliceCols>(x); slice >= 0) {
      rope.first = std::get<SliceCols>(node(static_cast<std::size_t>(slice)).op).first;
      replace_input(n, 0, static_cast<std::size_t>(slice));
    }
  }

  template <class T>
  bool only_reader_is(Value v) {
    const auto& readers = readers_[index(v)];
    return hidden(v) && readers.size() == 1 && readers[0] < gone_.size() && !gone_[readers[0]] &&
           std::holds_alternative<T>(node(readers[0]).op);
  }
  // Node n reads what node `before` read, which goes.
  void replace_input(std::size_t n, std::size_t input, std::size_t before) {
    const Value from = node(before).inputs[0];
    std::replace(readers_[index(from)].begin(), readers_[index(from)].end(), before, n);
    node(n).inputs[input] = from;
    gone_[before] = true;
  }
  // Node n writes what node `after` wrote, which goes.
  void take_output(std::size_t n, std::size_t after) {
    node(n).outputs = {node(after).outputs[0]};
    writer_[index(node(n).outputs[0])] = static_cast<std::ptrdiff_t>(n);
    gone_[after] = true;
  }
  void remove_reader(Value v, std::size_t n) {
    auto& readers = readers_[index(v)];
    readers.erase(std::find(readers.begin(), readers.end(), n));
  }

  Graph* graph_;
  std::vector<std::uint8_t> gone_;                 // by node
  std::vector<std::vector<std::size_t>> readers_;  // by value: nodes
  std::vector<std::ptrdiff_t> writer_;             // by value: the node, -1 for inputs
};

}  // namespace

Graph fuse(Graph graph) {
  Fuser(graph).run();
  return graph;
}

}  // namespace core
