// A fused graph computes the same bits as the graph that the model declares.
#include "ggml-like-core/graph/fuse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "ggml-like-core/backend/cpu/cpu_backend.h"
#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/kernels/select.h"
#include "ggml-like-core/quant/reference.h"

namespace {

using core::Builder;
using core::DType;
using core::Value;

constexpr std::int64_t kHidden = 256;
constexpr std::int64_t kHead = 64;

struct OwnedWeight {
  std::vector<std::byte> bytes;
  core::Weight view;
};

class Fuse : public testing::Test {
 protected:
  const core::Weight& weight(DType dtype, std::int64_t rows, std::int64_t cols) {
    auto& w = *weights_.emplace_back(std::make_unique<OwnedWeight>());
    const std::size_t row = core::row_bytes(dtype, cols);
    w.bytes.resize(row * static_cast<std::size_t>(rows));
    for (std::int64_t r = 0; r < rows; ++r)
      core::quantize_row(w.bytes.data() + row * static_cast<std::size_t>(r), dtype, floats(cols));
    w.view = {.name = "w", .dtype = dtype, .rows = rows, .cols = cols, .data = w.bytes.data()};
    return w.view;
  }
  const core::Weight& vector(std::int64_t n) { return weight(DType::f32, 1, n); }
  std::vector<float> floats(std::int64_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float& v : x) v = normal(random_);
    return x;
  }

  // One block of each kind, as the towers have them. name: a value that observers want.
  struct Graph {
    core::Graph graph;
    Value x, cos, sin, segments, out[4];
  };
  Graph declare(std::int64_t n, bool named) {
    random_.seed(1);
    weights_.clear();
    Graph g;
    Builder b;
    g.x = b.input("x", n, kHidden);
    g.cos = b.input("cos", n, kHead);
    g.sin = b.input("sin", n, kHead);
    g.segments = b.input("segments", 2, 1, DType::i32);
    // Text: parts of several formats, norms of heads, a gate.
    const Value h = b.rms_norm(g.x, vector(kHidden), 1e-6F);
    const Value q = b.rms_norm(b.mat_mul(h, weight(DType::q4_K, kHidden, kHidden)), vector(kHead), 1e-6F);
    const Value k = b.rms_norm(b.mat_mul(h, weight(DType::q4_K, kHidden, kHidden)), vector(kHead), 1e-6F);
    const Value v = b.mat_mul(h, weight(DType::q6_K, kHidden, kHidden));
    const core::SegmentAttention op{.heads = kHidden / kHead, .head_dim = kHead, .scale = 0.125F};
    const Value attn = b.segment_attention(b.rope(q, g.cos, g.sin, kHead), b.rope(k, g.cos, g.sin, kHead), v,
                                           g.segments, op);
    Value x = b.add(g.x, b.mat_mul(attn, weight(DType::q8_0, kHidden, kHidden)));
    if (named) b.name(x, "after_attention");
    const Value m = b.rms_norm(x, vector(kHidden), 1e-6F);
    const Value gate = b.mat_mul(m, weight(DType::q4_0, 96, kHidden));
    if (named) b.name(gate, "gate");
    const Value up = b.mat_mul(m, weight(DType::q4_0, 96, kHidden));
    x = b.add(x, b.mat_mul(b.silu_mul(gate, up), weight(DType::q8_0, kHidden, 96)));
    g.out[0] = b.output(x);
    // Vision: layer norms, slices, biases, activations.
    const core::Weight& bias = vector(3 * kHidden);
    const Value qkv = b.mat_mul(b.layer_norm(x, vector(kHidden), vector(kHidden), 1e-6F),
                                weight(DType::bf16, 3 * kHidden, kHidden), &bias);
    const Value q2 = b.rope(b.slice_cols(qkv, 0, kHidden), g.cos, g.sin, kHead);
    const Value k2 = b.rope(b.slice_cols(qkv, kHidden, kHidden), g.cos, g.sin, kHead);
    const Value attn2 = b.segment_attention(q2, k2, b.slice_cols(qkv, 2 * kHidden, kHidden), g.segments, op);
    const core::Weight& out_bias = vector(kHidden);
    x = b.add(b.mat_mul(attn2, weight(DType::f16, kHidden, kHidden), &out_bias), x);
    const core::Weight& up_bias = vector(128);
    const Value wide = b.mat_mul(b.layer_norm(x, vector(kHidden), vector(kHidden), 1e-6F),
                                 weight(DType::f32, 128, kHidden), &up_bias, core::Activation::gelu_tanh);
    g.out[1] = b.output(b.add(x, b.mat_mul(wide, weight(DType::bf16, kHidden, 128))));
    // What must not be joined: a norm with two readers, an output, a sum of a product with itself.
    const Value norm = b.rms_norm(x, vector(kHidden), 1e-6F);
    const Value y = b.output(b.mat_mul(norm, weight(DType::q8_0, kHidden, kHidden)));
    g.out[2] = b.output(b.add(b.add(norm, y), y));
    const Value z = b.mat_mul(b.reshape(norm, n * 2, kHidden / 2), weight(DType::f32, 32, kHidden / 2));
    g.out[3] = b.output(b.add(z, z));
    g.graph = std::move(b).build();
    return g;
  }

  static std::vector<float> run(const Graph& g, core::Graph graph, const core::KernelTable& table,
                                int threads, bool blas, const std::vector<float>& x) {
    const core::Plan plan = core::make_plan(std::move(graph));
    core::CpuBackend backend(threads, table, blas);
    core::AlignedBuffer memory(plan.arena_bytes + backend.workspace_bytes(plan));
    core::Bindings bindings;
    const std::int64_t n = plan.graph.info(g.x).rows;
    const std::int32_t segments[] = {0, static_cast<std::int32_t>(n)};
    bindings.bind(g.x, x.data());
    bindings.bind(g.cos, x.data());
    bindings.bind(g.sin, x.data() + n);
    bindings.bind(g.segments, segments);
    EXPECT_TRUE(backend.run(plan, bindings, memory.bytes(), {}));
    std::vector<float> all;
    for (const Value v : g.out) {
      const auto found = core::output(plan, v, memory.bytes());
      all.insert(all.end(), found.begin(), found.end());
    }
    return all;
  }

  std::mt19937 random_;
  std::vector<std::unique_ptr<OwnedWeight>> weights_;
};

TEST_F(Fuse, changes_no_bit_in_any_table_with_any_number_of_threads) {
  for (const core::KernelTable* table : core::all_tables()) {
    if (!core::supported(*table)) continue;
    for (const std::int64_t n : {1, 2, 70})
      for (const bool blas : {false, true}) {
        if (blas && table != core::all_tables().front()) continue;
        const Graph g = declare(n, false);
        const std::vector<float> x = floats(n * kHidden);
        const auto wanted = run(g, g.graph, *table, 1, blas, x);
        for (const int threads : {1, 3})
          EXPECT_EQ(run(g, core::fuse(g.graph), *table, threads, blas, x), wanted)
              << table->name << " tokens " << n << " threads " << threads;
      }
  }
}

TEST_F(Fuse, joins_what_it_says) {
  const auto nodes = [](const core::Graph& graph, std::string_view name) {
    return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                         [&](const core::Node& node) { return core::op_name(node.op) == name; });
  };
  const Graph g = declare(5, false);
  const core::Graph fused = core::fuse(g.graph);
  EXPECT_EQ(nodes(g.graph, "mat_mul"), 13);
  EXPECT_EQ(nodes(fused, "mat_mul"), 10);  // q, k, v are one, gate and up are one
  EXPECT_EQ(nodes(fused, "silu_mul"), 0);
  EXPECT_EQ(nodes(fused, "layer_norm"), 0);
  EXPECT_EQ(nodes(fused, "rms_norm"), 1);    // the one with several readers
  EXPECT_EQ(nodes(fused, "slice_cols"), 1);  // of the values
  EXPECT_EQ(nodes(fused, "add"), 3);         // the two sums of norm and y, and that of z with itself
}

TEST_F(Fuse, keeps_values_that_have_names) {
  const Graph g = declare(5, true);
  const core::Graph fused = core::fuse(g.graph);
  std::vector<std::string> written;
  for (const core::Node& node : fused.nodes)
    for (const Value v : node.outputs)
      if (fused.info(v).named) written.push_back(fused.info(v).name);
  EXPECT_EQ(written, (std::vector<std::string>{"after_attention", "gate"}));
}

}  // namespace
