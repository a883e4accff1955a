// What operations must do at least, counted by hand.
#include "ggml-like-core/graph/cost.h"

#include <gtest/gtest.h>

namespace {

using core::Builder;
using core::DType;
using core::Value;

core::Cost total(const core::Graph& graph, const core::KvView& kv) {
  core::Cost sum;
  for (const core::Node& node : graph.nodes) {
    const core::Cost c = core::cost(graph, node, kv);
    sum.ops += c.ops;
    sum.bytes += c.bytes;
  }
  return sum;
}

TEST(Cost, of_a_product_is_its_weights_and_two_operations_for_each_and_token) {
  const core::Weight w{.name = "w", .dtype = DType::q8_0, .rows = 8, .cols = 64};
  Builder b;
  const Value x = b.input("x", 5, 64);
  b.output(b.mat_mul(b.add(x, x), w));
  const core::Graph graph = std::move(b).build();
  EXPECT_EQ(total(graph, {}).ops, 2 * 5 * 8 * 64);
  EXPECT_EQ(total(graph, {}).bytes, 8 * 2 * 34);  // blocks of 32 weights and a scale
  EXPECT_EQ(core::cost(graph, graph.nodes.back(), {}).dtype, DType::q8_0);
}

TEST(Cost, of_attention_is_the_cache_with_the_tokens_of_this_run) {
  Builder b;
  const Value q = b.input("q", 3, 64);
  const Value k = b.input("k", 3, 32);
  b.output(b.cached_attention(q, k, k, {.layer = 0, .heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 1}));
  const core::Graph graph = std::move(b).build();
  const core::Cost c = total(graph, {.layers = {}, .dtype = DType::f16, .capacity = 100, .past = 10});
  EXPECT_EQ(c.bytes, 2 * 2 * (16 * 2 + 4) * (10 + 3));  // 16 bits and a scale for each row
  EXPECT_EQ(c.ops, 4 * 3 * 4 * 16 * (10 + 1.5));
}

TEST(Cost, of_experts_is_that_of_those_chosen_and_at_most_all) {
  const auto weight = [](std::int64_t rows, std::int64_t cols) {
    return core::Weight{.name = "w", .dtype = DType::f16, .experts = 8, .rows = rows, .cols = cols};
  };
  const core::Weight up = weight(32, 16);
  const core::Weight down = weight(16, 32);
  const auto bytes = [&](std::int64_t tokens) {
    Builder b;
    const Value x = b.input("x", tokens, 16);
    const Builder::Routing routing = b.top_k(b.input("logits", tokens, 8), 2);
    b.output(b.experts(x, routing, up, up, down));
    const core::Graph graph = std::move(b).build();
    return total(graph, {}).bytes;
  };
  const double all = 3 * 8 * 32 * 16 * 2;
  EXPECT_DOUBLE_EQ(bytes(1), all * 2 / 8);
  EXPECT_DOUBLE_EQ(bytes(2), all * (1 - 0.75 * 0.75));
  EXPECT_LE(bytes(1000), all);
}

}  // namespace
