// The memory plan and the shape checks of the builder.
#include "ggml-like-core/graph/plan.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace {

using core::Builder;
using core::DType;
using core::Value;

core::Weight vector_weight(const char* name, std::int64_t n) {
  static const std::vector<float> zeros(4096);
  return {.name = name, .cols = n, .data = reinterpret_cast<const std::byte*>(zeros.data())};
}

// No two values that live at the same time share a byte. Lives are worked out anew here, by a plain scan.
void expect_no_overlap(const core::Plan& plan) {
  const auto& values = plan.graph.values;
  const int n = static_cast<int>(values.size());
  std::vector<int> first(values.size(), 1 << 30);
  std::vector<int> last(values.size(), -1);
  for (int node = 0; node < static_cast<int>(plan.graph.nodes.size()); ++node) {
    const auto touch = [&](Value v) {
      if (!v.present()) return;
      const auto id = static_cast<std::size_t>(values[static_cast<std::size_t>(v.id)].alias_of >= 0
                                                   ? values[static_cast<std::size_t>(v.id)].alias_of
                                                   : v.id);
      first[id] = std::min(first[id], node);
      last[id] = std::max(last[id], node);
    };
    for (const Value v : plan.graph.nodes[static_cast<std::size_t>(node)].inputs) touch(v);
    for (const Value v : plan.graph.nodes[static_cast<std::size_t>(node)].outputs) touch(v);
  }
  for (std::size_t id = 0; id < values.size(); ++id)
    if (values[id].output) last[id] = 1 << 30;
  const auto placed = [&](int id) {
    const auto i = static_cast<std::size_t>(id);
    return plan.offset[i] != core::Plan::kBound && values[i].alias_of < 0 && last[i] >= 0;
  };
  for (int a = 0; a < n; ++a) {
    for (int b = a + 1; b < n; ++b) {
      if (!placed(a) || !placed(b)) continue;
      const auto i = static_cast<std::size_t>(a);
      const auto j = static_cast<std::size_t>(b);
      if (last[i] < first[j] || last[j] < first[i]) continue;
      EXPECT_TRUE(plan.offset[i] + values[i].bytes() <= plan.offset[j] ||
                  plan.offset[j] + values[j].bytes() <= plan.offset[i])
          << values[i].name << " and " << values[j].name;
    }
    if (placed(a)) {
      const auto i = static_cast<std::size_t>(a);
      EXPECT_LE(plan.offset[i] + values[i].bytes(), plan.arena_bytes);
    }
  }
}

TEST(Plan, values_alive_together_never_overlap_in_random_graphs) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    Builder b;
    std::vector<Value> values{b.input("x", 3, 8), b.input("y", 3, 8)};
    for (int i = 0; i < 40; ++i) {
      const Value p = values[random() % values.size()];
      const Value q = values[random() % values.size()];
      if (random() % 5 == 0)
        values.push_back(b.reshape(p, 3, 8));
      else
        values.push_back(random() % 2 == 0 ? b.add(p, q) : b.silu_mul(p, q));
      if (random() % 10 == 0) b.output(values.back());
    }
    expect_no_overlap(core::make_plan(std::move(b).build()));
  }
}

TEST(Plan, memory_is_used_again) {
  Builder b;
  Value x = b.input("x", 1, 1024);
  for (int i = 0; i < 100; ++i) x = b.add(x, x);
  b.output(x);
  const core::Plan plan = core::make_plan(std::move(b).build());
  EXPECT_EQ(plan.arena_bytes, 2U * 4096U);
}

TEST(Plan, text_names_every_operation_and_the_arena) {
  Builder b;
  const Builder::Scope scope(b, "tower");
  b.name(b.add(b.input("x", 2, 4), b.input("y", 2, 4)), "sum");
  const std::string text = core::to_text(core::make_plan(std::move(b).build()));
  EXPECT_NE(text.find("add"), std::string::npos) << text;
  EXPECT_NE(text.find("tower.sum"), std::string::npos) << text;
  EXPECT_NE(text.find("arena: 64 bytes, 1 operations"), std::string::npos) << text;
}

std::string message(const std::function<void(Builder&)>& declare) {
  Builder b;
  const Builder::Scope outer(b, "text");
  const Builder::Scope inner(b, "0");
  try {
    declare(b);
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Builder, every_misfit_is_an_error_that_names_the_place) {
  const core::Weight w8 = vector_weight("attn_norm.weight", 8);
  core::Weight m = vector_weight("attn_q.weight", 8);
  m.rows = 4;
  const auto expect = [](const std::string& found, const std::string& part) {
    EXPECT_EQ(found.rfind("text.0.", 0), 0U) << found;
    EXPECT_NE(found.find(part), std::string::npos) << found;
  };
  expect(message([&](Builder& b) { b.rms_norm(b.input("x", 2, 9), w8, 1e-6F); }),
         "attn_norm.weight has 8 columns, x is [2, 9]");
  expect(message([&](Builder& b) { b.layer_norm(b.input("x", 2, 9), w8, w8, 1e-6F); }), "layer_norm");
  expect(message([&](Builder& b) { b.mat_mul(b.input("x", 2, 9), m); }), "attn_q.weight has rows of 8");
  expect(message([&](Builder& b) { b.mat_mul(b.input("x", 2, 8), m, &w8); }), "bias");
  expect(message([&](Builder& b) { b.add(b.input("x", 2, 8), b.input("y", 3, 8)); }), "[2, 8] and [3, 8]");
  expect(message([&](Builder& b) { b.silu_mul(b.input("x", 2, 8), b.input("y", 2, 9)); }), "silu_mul");
  expect(message([&](Builder& b) { b.reshape(b.input("x", 2, 8), 3, 8); }), "cannot become [3, 8]");
  expect(message([&](Builder& b) { b.slice_cols(b.input("x", 2, 8), 4, 5); }), "slice_cols");
  expect(message([&](Builder& b) { b.input("x", 0, 8); }), "at least one row");
  expect(message([&](Builder& b) { b.embed_rows(m, b.input("ids", 2, 1)); }), "wanted i32");
  expect(message([&](Builder& b) { b.rope(b.input("x", 2, 8), b.input("c", 2, 3), b.input("s", 2, 3), 3); }),
         "rope");
  expect(message([&](Builder& b) { b.rope(b.input("x", 2, 8), b.input("c", 2, 2), b.input("s", 2, 4), 4); }),
         "rope");
  expect(message([&](Builder& b) { b.top_k(b.input("x", 2, 8), 9); }), "9 of 8 experts");
  expect(message([&](Builder& b) {
           const Value q = b.input("q", 2, 12);
           b.cached_attention(q, q, q, {.layer = 0, .heads = 3, .kv_heads = 2, .head_dim = 4, .scale = 1});
         }),
         "3 heads share 2");
  expect(message([&](Builder& b) {
           const Value q = b.input("q", 2, 8);
           b.segment_attention(q, q, q, b.input("s", 1, 1, DType::i32),
                               {.heads = 2, .head_dim = 4, .scale = 1});
         }),
         "segments are [1, 1]");
  expect(message([&](Builder& b) {
           const Value x = b.input("x", 2, 8);
           b.select_rows(x, b.input("rows", 2, 9), b.input("index", 2, 1, DType::i32));
         }),
         "select_rows");
  expect(message([&](Builder& b) {
           const Value x = b.input("x", 2, 8);
           b.experts(x, b.top_k(b.input("l", 2, 4), 2), m, m, m);
         }),
         "experts");
}

}  // namespace
