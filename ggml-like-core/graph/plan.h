// A graph with a place in one arena for every value, chosen from when it is first and last used.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ggml-like-core/graph/builder.h"

namespace core {

// Immutable.
struct Plan {
  Graph graph;
  std::vector<std::size_t> offset;  // by value id; kBound for inputs
  std::size_t arena_bytes = 0;

  static constexpr std::size_t kBound = static_cast<std::size_t>(-1);
};

Plan make_plan(Graph graph);

// One line an operation: name, shape, bytes and place of its first output.
std::string to_text(const Plan& plan);

}  // namespace core
