#include "ggml-like-core/graph/plan.h"

#include <algorithm>

#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

constexpr std::size_t kArenaAlignment = 64;

struct Life {
  int id;
  std::size_t bytes;
  int first, last;  // nodes
};

struct Placed {
  std::size_t begin, end;
  int first, last;
};

// The lowest gap that is free during life.
std::size_t lowest_gap(const std::vector<Placed>& placed, const Life& life) {
  std::vector<Placed> busy;
  for (const Placed& p : placed)
    if (p.first <= life.last && life.first <= p.last) busy.push_back(p);
  std::sort(busy.begin(), busy.end(), [](const Placed& a, const Placed& b) { return a.begin < b.begin; });
  std::size_t at = 0;
  for (const Placed& p : busy) {
    if (p.begin >= at + life.bytes) break;
    at = std::max(at, p.end);
  }
  return at;
}

}  // namespace

Plan make_plan(Graph graph) {
  Plan plan{.graph = std::move(graph), .offset = {}, .arena_bytes = 0};
  const auto& values = plan.graph.values;
  const int n_nodes = static_cast<int>(plan.graph.nodes.size());
  const auto owner = [&](int id) {
    return values[static_cast<std::size_t>(id)].alias_of >= 0 ? values[static_cast<std::size_t>(id)].alias_of
                                                              : id;
  };

  std::vector<Life> lives;
  lives.reserve(values.size());
  for (int id = 0; id < static_cast<int>(values.size()); ++id)
    lives.push_back(
        {id, round_up(values[static_cast<std::size_t>(id)].bytes(), kArenaAlignment), n_nodes, -1});
  for (int n = 0; n < n_nodes; ++n) {
    const auto use = [&](Value v) {
      if (!v.present()) return;
      Life& life = lives[static_cast<std::size_t>(owner(v.id))];
      life.first = std::min(life.first, n);
      life.last = std::max(life.last, n);
    };
    for (const Value v : plan.graph.nodes[static_cast<std::size_t>(n)].inputs) use(v);
    for (const Value v : plan.graph.nodes[static_cast<std::size_t>(n)].outputs) use(v);
  }
  for (int id = 0; id < static_cast<int>(values.size()); ++id)
    if (values[static_cast<std::size_t>(id)].output)
      lives[static_cast<std::size_t>(owner(id))].last = n_nodes;

  plan.offset.assign(values.size(), Plan::kBound);
  std::vector<Life> order = lives;
  std::stable_sort(order.begin(), order.end(),
                   [](const Life& a, const Life& b) { return a.bytes > b.bytes; });
  std::vector<Placed> placed;
  for (const Life& life : order) {
    const ValueInfo& v = values[static_cast<std::size_t>(life.id)];
    if (v.input || v.alias_of >= 0 || life.last < 0) continue;
    const std::size_t at = lowest_gap(placed, life);
    placed.push_back({at, at + life.bytes, life.first, life.last});
    plan.offset[static_cast<std::size_t>(life.id)] = at;
    plan.arena_bytes = std::max(plan.arena_bytes, at + life.bytes);
  }
  for (std::size_t id = 0; id < values.size(); ++id)
    if (values[id].alias_of >= 0)
      plan.offset[id] = plan.offset[static_cast<std::size_t>(values[id].alias_of)];
  return plan;
}

std::string to_text(const Plan& plan) {
  std::string text;
  for (const Node& node : plan.graph.nodes) {
    const Value out = node.outputs[0];
    const ValueInfo& v = plan.graph.info(out);
    std::string line = std::string(op_name(node.op));
    line.resize(std::max<std::size_t>(line.size(), 18), ' ');
    line += " " + v.name;
    line.resize(std::max<std::size_t>(line.size(), 56), ' ');
    line += " [" + std::to_string(v.rows) + ", " + std::to_string(v.cols) + "]";
    line.resize(std::max<std::size_t>(line.size(), 76), ' ');
    line += " at " + std::to_string(plan.offset[static_cast<std::size_t>(out.id)]) + " + " +
            std::to_string(v.bytes());
    text += line + "\n";
  }
  return text + "arena: " + std::to_string(plan.arena_bytes) + " bytes, " +
         std::to_string(plan.graph.nodes.size()) + " operations\n";
}

}  // namespace core
