// Every operation against a plain loop in double precision, on every kernel table this machine runs, with and
// without OpenBLAS, on one and on several threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <iostream>
#include <numeric>
#include <random>
#include <vector>

#include "ggml-like-core/backend/cpu/cpu_backend.h"
#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/kernels/select.h"
#include "ggml-like-core/quant/kv_block.h"
#include "ggml-like-core/quant/reference.h"
#include "tests/format_rows.h"

namespace {

using core::Builder;
using core::DType;
using core::Value;

constexpr double kEps = 0x1p-24;  // half a unit in the last place of 1.0F

struct Numbers {
  std::mt19937 random;
  explicit Numbers(unsigned seed) : random(seed) {}
  std::vector<float> floats(std::int64_t n) {
    std::vector<float> out(static_cast<std::size_t>(n));
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& x : out) x = uniform(random);
    return out;
  }
  std::vector<std::int32_t> ints(std::int64_t n, int low, int high) {
    std::vector<std::int32_t> out(static_cast<std::size_t>(n));
    for (auto& x : out) x = std::uniform_int_distribution<int>(low, high)(random);
    return out;
  }
};

// A weight with its bytes, and what its rows really are.
struct OwnedWeight {
  std::vector<std::byte> bytes;
  std::vector<float> exact;  // dequantized
  core::Weight view;

  OwnedWeight(Numbers& numbers, DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t experts = 1) {
    const std::size_t row = core::row_bytes(dtype, cols);
    bytes.resize(row * static_cast<std::size_t>(rows * experts));
    exact.resize(static_cast<std::size_t>(rows * experts * cols));
    for (std::int64_t r = 0; r < rows * experts; ++r) {
      std::byte* at = bytes.data() + row * static_cast<std::size_t>(r);
      core::some_row(at, dtype, numbers.floats(cols), static_cast<unsigned>(r));
      core::dequantize_row(
          std::span(exact).subspan(static_cast<std::size_t>(r * cols), static_cast<std::size_t>(cols)), dtype,
          at);
    }
    view = {
        .name = "w", .dtype = dtype, .experts = experts, .rows = rows, .cols = cols, .data = bytes.data()};
  }
  OwnedWeight(const OwnedWeight&) = delete;
  OwnedWeight& operator=(const OwnedWeight&) = delete;
};

struct Setting {
  const core::KernelTable* table;
  bool blas;
  int threads;
};

std::vector<Setting> settings() {
  std::vector<Setting> out;
  for (const core::KernelTable* table : core::all_tables()) {
    if (!core::supported(*table)) {
      std::cout << "not run on this machine: table " << table->name << "\n";
      continue;
    }
    out.push_back({table, false, 1});
    out.push_back({table, false, 3});
  }
  out.push_back({core::all_tables().back(), true, 2});
  return out;
}

// Runs a one-output graph in each setting and hands the output to check. Outputs of the same table must not
// depend on the threads.
struct Bound {
  Value value;
  const void* data;
};
void for_settings(const std::function<Value(Builder&, std::vector<Bound>&)>& declare,
                  const std::function<void(std::span<const float>, const Setting&)>& check,
                  const core::KvView* kv = nullptr) {
  std::vector<float> before;
  const core::KernelTable* table_before = nullptr;
  for (const Setting& s : settings()) {
    SCOPED_TRACE(std::string(s.table->name) + (s.blas ? " with OpenBLAS" : "") + ", threads " +
                 std::to_string(s.threads));
    Builder b;
    std::vector<Bound> bound;
    const Value out = b.output(declare(b, bound));
    const core::Plan plan = core::make_plan(std::move(b).build());
    core::CpuBackend backend(s.threads, *s.table, s.blas);
    core::AlignedBuffer memory(plan.arena_bytes + backend.workspace_bytes(plan));
    core::Bindings bindings;
    for (const Bound& x : bound) bindings.bind(x.value, x.data);
    if (kv != nullptr) bindings.kv = *kv;
    ASSERT_TRUE(backend.run(plan, bindings, memory.bytes(), {}));
    const std::span<const float> found = core::output(plan, out, memory.bytes());
    check(found, s);
    if (table_before == s.table && !s.blas) {
      EXPECT_TRUE(std::equal(found.begin(), found.end(), before.begin())) << "threads change bits";
    }
    before.assign(found.begin(), found.end());
    table_before = s.table;
  }
}

void expect_close(std::span<const float> found, const std::vector<double>& wanted, double bound) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], wanted[i], bound) << "element " << i;
}

TEST(Op, mat_mul_equals_the_loop_for_every_format) {
  for (const core::FormatInfo& format : core::kFormats) {
    for (const std::int64_t n : {1, 3, 37}) {
      SCOPED_TRACE(std::string(format.name) + ", tokens " + std::to_string(n));
      Numbers numbers(1);
      const std::int64_t k = format.block_len == 1 ? 53 : 512;
      const std::int64_t rows = 131;
      const OwnedWeight w(numbers, format.dtype, rows, k);
      const OwnedWeight bias(numbers, DType::f32, 1, rows);
      const std::vector<float> x = numbers.floats(n * k);
      std::vector<double> wanted;
      for (std::int64_t t = 0; t < n; ++t)
        for (std::int64_t r = 0; r < rows; ++r) {
          double sum = bias.exact[static_cast<std::size_t>(r)];
          for (std::int64_t i = 0; i < k; ++i)
            sum += static_cast<double>(w.exact[static_cast<std::size_t>(r * k + i)]) *
                   static_cast<double>(x[static_cast<std::size_t>(t * k + i)]);
          wanted.push_back(sum);
        }
      for_settings(
          [&](Builder& b, std::vector<Bound>& bound) {
            const Value in = b.input("x", n, k);
            bound.push_back({in, x.data()});
            return b.mat_mul(in, w.view, &bias.view);
          },
          [&](std::span<const float> found, const Setting& s) {
            // Products of |w| <= 1.1 and |x| <= 1: rounding of a sum of k; with int8 activations each x is
            // off by at most scale / 2 = 1 / 254, and the float sums by a little. In 16-bit fixed point w is
            // off by at most 1 / 4096, x by 1 / 8190.
            const double magnitude = 1.1 * static_cast<double>(k);
            double bound = 2 * kEps * static_cast<double>(k) * magnitude;
            if (!s.blas && format.block_len > 1) bound = magnitude / 254;
            if (!s.blas && format.block_len == 1 && format.dtype != DType::f32)
              bound += magnitude * (1.0 / 4096 + 1.0 / 8190);
            expect_close(found, wanted, bound);
          });
    }
  }
}

TEST(Op, mat_mul_applies_its_activation) {
  Numbers numbers(2);
  const OwnedWeight w(numbers, DType::f32, 9, 1);
  const std::vector<float> x = {-3, 0, 2};
  for (const core::Activation activation : {core::Activation::gelu_tanh, core::Activation::gelu_erf}) {
    std::vector<double> wanted;
    for (const double t : x)
      for (const double r : w.exact) {
        const double v = t * r;
        const double tanh_form = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
        wanted.push_back(activation == core::Activation::gelu_erf
                             ? 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)))
                             : tanh_form);
      }
    for_settings(
        [&](Builder& b, std::vector<Bound>& bound) {
          const Value in = b.input("x", 3, 1);
          bound.push_back({in, x.data()});
          return b.mat_mul(in, w.view, nullptr, activation);
        },
        [&](std::span<const float> found, const Setting&) { expect_close(found, wanted, 2e-6); });
  }
}

TEST(Op, rows_are_looked_up_selected_added_gathered_and_sliced) {
  Numbers numbers(3);
  const std::int64_t n = 21;
  const std::int64_t c = 32;
  const OwnedWeight table(numbers, DType::q8_0, 10, c);
  const std::vector<std::int32_t> ids = numbers.ints(n, 0, 9);
  const std::vector<float> rows = numbers.floats(4 * c);
  const std::vector<std::int32_t> index = numbers.ints(n, -1, 3);
  const std::vector<std::int32_t> pick = numbers.ints(6, 0, static_cast<int>(n) - 1);
  std::vector<double> wanted;
  for (const std::int32_t p : pick) {
    const auto i = static_cast<std::size_t>(p);
    for (std::int64_t j = 4; j < 20; ++j) {
      const double embedded = table.exact[static_cast<std::size_t>(ids[i] * c + j)];
      const double row = index[i] < 0 ? 0.0 : rows[static_cast<std::size_t>(index[i] * c + j)];
      wanted.push_back(index[i] < 0 ? embedded : static_cast<double>(static_cast<float>(row + row)));
    }
  }
  for_settings(
      [&](Builder& b, std::vector<Bound>& bound) {
        const Value in_ids = b.input("ids", n, 1, DType::i32);
        const Value in_rows = b.input("rows", 4, c);
        const Value in_index = b.input("index", n, 1, DType::i32);
        const Value in_pick = b.input("pick", 6, 1, DType::i32);
        bound = {
            {in_ids, ids.data()}, {in_rows, rows.data()}, {in_index, index.data()}, {in_pick, pick.data()}};
        const Value x =
            b.add_rows(b.select_rows(b.embed_rows(table.view, in_ids), in_rows, in_index), in_rows, in_index);
        return b.slice_cols(b.gather_rows(x, in_pick), 4, 16);
      },
      [&](std::span<const float> found, const Setting&) { expect_close(found, wanted, 0); });
}

TEST(Op, interpolate_rows_is_a_weighted_sum_of_table_rows) {
  Numbers numbers(4);
  const std::int64_t n = 5;
  const std::int64_t c = 19;
  const OwnedWeight table(numbers, DType::f32, 7, c);
  const std::vector<std::int32_t> index = numbers.ints(n * 4, 0, 6);
  const std::vector<float> weight = numbers.floats(n * 4);
  std::vector<double> wanted;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < c; ++j) {
      double sum = 0;
      for (std::int64_t t = i * 4; t < i * 4 + 4; ++t)
        sum += static_cast<double>(weight[static_cast<std::size_t>(t)]) *
               static_cast<double>(
                   table.exact[static_cast<std::size_t>(index[static_cast<std::size_t>(t)] * c + j)]);
      wanted.push_back(sum);
    }
  for_settings(
      [&](Builder& b, std::vector<Bound>& bound) {
        const Value in_index = b.input("index", n, 4, DType::i32);
        const Value in_weight = b.input("weight", n, 4);
        bound = {{in_index, index.data()}, {in_weight, weight.data()}};
        return b.interpolate_rows(table.view, in_index, in_weight);
      },
      [&](std::span<const float> found, const Setting&) { expect_close(found, wanted, 4 * 4 * 2 * kEps); });
}

TEST(Op, norms_rope_and_gates_equal_their_formulas) {
  Numbers numbers(5);
  const std::int64_t n = 4;
  const std::int64_t c = 30;
  const OwnedWeight gain(numbers, DType::f32, 1, 10);  // three groups in a row
  const OwnedWeight wide(numbers, DType::f32, 1, c);
  const OwnedWeight bias(numbers, DType::f32, 1, c);
  const std::vector<float> x = numbers.floats(n * c);
  const std::vector<float> cos = numbers.floats(n * 10);
  const std::vector<float> sin = numbers.floats(n * 10);
  std::vector<double> wanted;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = [&](std::int64_t j) {
      return static_cast<double>(x[static_cast<std::size_t>(i * c + j)]);
    };
    double mean = 0;
    double square = 0;
    for (std::int64_t j = 0; j < c; ++j) mean += at(j) / static_cast<double>(c);
    for (std::int64_t j = 0; j < c; ++j) square += (at(j) - mean) * (at(j) - mean) / static_cast<double>(c);
    std::vector<double> normed;
    for (std::int64_t g = 0; g < 3; ++g) {
      double sum = 0;
      for (std::int64_t j = 0; j < 10; ++j) sum += at(g * 10 + j) * at(g * 10 + j) / 10;
      for (std::int64_t j = 0; j < 10; ++j)
        normed.push_back(at(g * 10 + j) / std::sqrt(sum + 1e-6) * gain.exact[static_cast<std::size_t>(j)]);
    }
    for (std::int64_t j = 0; j < c; ++j) {
      const auto s = static_cast<std::size_t>(j);
      const std::size_t t = static_cast<std::size_t>(i) * 10 + s % 10;
      const double turned = s % 10 < 5 ? -normed[s + 5] : normed[s - 5];
      const double roped = normed[s] * cos[t] + turned * sin[t];
      const double layer = (at(j) - mean) / std::sqrt(square + 1e-5) * wide.exact[s] + bias.exact[s];
      wanted.push_back(roped / (1 + std::exp(-roped)) * layer);
    }
  }
  for_settings(
      [&](Builder& b, std::vector<Bound>& bound) {
        const Value in = b.input("x", n, c);
        const Value in_cos = b.input("cos", n, 10);
        const Value in_sin = b.input("sin", n, 10);
        bound = {{in, x.data()}, {in_cos, cos.data()}, {in_sin, sin.data()}};
        return b.silu_mul(b.rope(b.rms_norm(in, gain.view, 1e-6F), in_cos, in_sin, 10),
                          b.layer_norm(in, wide.view, bias.view, 1e-5F));
      },
      [&](std::span<const float> found, const Setting&) { expect_close(found, wanted, 2e-5); });
}

TEST(Op, rope_turns_neighbours_together_where_it_is_told_to) {
  Numbers numbers(6);
  const std::int64_t n = 3;
  const std::int64_t heads = 2;
  const std::int64_t width = 6;
  const std::vector<float> x = numbers.floats(n * heads * width);
  std::vector<float> cos = numbers.floats(n * width);
  std::vector<float> sin = numbers.floats(n * width);
  std::vector<double> wanted;
  for (std::int64_t i = 0; i < n * heads * width; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const auto angle = static_cast<std::size_t>(i / (heads * width) * width + i % width / 2);
    const double other = i % 2 == 0 ? -static_cast<double>(x[at + 1]) : static_cast<double>(x[at - 1]);
    wanted.push_back(static_cast<double>(x[at]) * static_cast<double>(cos[angle]) +
                     other * static_cast<double>(sin[angle]));
  }
  for_settings(
      [&](Builder& b, std::vector<Bound>& bound) {
        const Value in = b.input("x", n, heads * width);
        const Value in_cos = b.input("cos", n, width);
        const Value in_sin = b.input("sin", n, width);
        bound = {{in, x.data()}, {in_cos, cos.data()}, {in_sin, sin.data()}};
        return b.rope(in, in_cos, in_sin, width, true);
      },
      [&](std::span<const float> found, const Setting&) { expect_close(found, wanted, 1e-6); });
}

// softmax(scale * q . k) . v for one query and head over keys [first, last), in double. k, v: row(i) of
// head_dim.
std::vector<double> attend(const float* q, const std::function<const float*(std::int64_t)>& k,
                           const std::function<const float*(std::int64_t)>& v, std::int64_t first,
                           std::int64_t last, std::int64_t head_dim, double scale) {
  std::vector<double> score;
  for (std::int64_t i = first; i < last; ++i) {
    double sum = 0;
    for (std::int64_t d = 0; d < head_dim; ++d)
      sum += static_cast<double>(q[d]) * static_cast<double>(k(i)[d]);
    score.push_back(std::exp(sum * scale));
  }
  const double total = std::accumulate(score.begin(), score.end(), 0.0);
  std::vector<double> out(static_cast<std::size_t>(head_dim));
  for (std::int64_t i = first; i < last; ++i)
    for (std::int64_t d = 0; d < head_dim; ++d)
      out[static_cast<std::size_t>(d)] +=
          score[static_cast<std::size_t>(i - first)] / total * static_cast<double>(v(i)[d]);
  return out;
}

// In fixed point, of numbers in [-1, 1]: a score of 18 products is wrong by at most a step of 1/4095 in each,
// times the scale, an output by twice that; and 1e-3 for values (half a step) and weights (13 bits of the
// largest).
void expect_segments(bool exact) {
  Numbers numbers(6);
  const std::int64_t heads = 3;
  const std::int64_t dim = 18;
  const std::int64_t c = heads * dim;
  const std::vector<std::int32_t> segments = {0, 5, 6, 75, 140};
  const std::int64_t n = segments.back();
  const std::vector<float> q = numbers.floats(n * c);
  const std::vector<float> k = numbers.floats(n * c);
  const std::vector<float> v = numbers.floats(n * c);
  std::vector<double> wanted(static_cast<std::size_t>(n * c));
  for (std::size_t s = 0; s + 1 < segments.size(); ++s)
    for (std::int64_t i = segments[s]; i < segments[s + 1]; ++i)
      for (std::int64_t h = 0; h < heads; ++h) {
        const auto row = [&](const std::vector<float>& x) {
          return [&x, h](std::int64_t at) { return x.data() + at * c + h * dim; };
        };
        const auto out = attend(row(q)(i), row(k), row(v), segments[s], segments[s + 1], dim, 0.7);
        std::copy(out.begin(), out.end(), wanted.begin() + i * c + h * dim);
      }
  for_settings(
      [&](Builder& b, std::vector<Bound>& bound) {
        const Value in_q = b.input("q", n, c);
        const Value in_k = b.input("k", n, c);
        const Value in_v = b.input("v", n, c);
        const Value in_s = b.input("segments", static_cast<std::int64_t>(segments.size()), 1, DType::i32);
        bound = {{in_q, q.data()}, {in_k, k.data()}, {in_v, v.data()}, {in_s, segments.data()}};
        return b.segment_attention(in_q, in_k, in_v, in_s,
                                   {.heads = heads, .head_dim = dim, .scale = 0.7F, .exact = exact});
      },
      [&](std::span<const float> found, const Setting&) {
        expect_close(found, wanted, exact ? 1e-5 : 2 * 0.7 * 18 / 4095 + 1e-3);
      });
}

TEST(Op, segment_attention_stays_inside_its_segment) {
  expect_segments(true);
  expect_segments(false);
}

constexpr std::int64_t kHeads = 6;
constexpr std::int64_t kKvHeads = 2;
constexpr std::int64_t kHeadDim = 12;

// A cache filled by the op itself.
struct Cache {
  Cache(DType type, std::int64_t positions) : dtype(type), capacity(positions) {
    const core::KvHeadBytes head = core::kv_head_bytes(type, kHeadDim, positions);
    keys = core::AlignedBuffer(head.keys * kKvHeads);
    values = core::AlignedBuffer(head.values * kKvHeads);
    layer = {keys.data(), values.data()};
  }
  core::KvView view(std::int64_t past) const {
    return {.layers = {&layer, 1}, .dtype = dtype, .capacity = capacity, .past = past};
  }
  DType dtype;
  std::int64_t capacity;
  core::AlignedBuffer keys, values;
  core::KvLayer layer{};
};

struct Tokens {
  explicit Tokens(std::int64_t n) {
    Numbers numbers(7);
    q = numbers.floats(n * kHeads * kHeadDim);
    k = numbers.floats(n * kKvHeads * kHeadDim);
    v = numbers.floats(n * kKvHeads * kHeadDim);
  }
  std::vector<float> q, k, v;
};

Value declare(Builder& b, std::vector<Bound>& bound, const Tokens& tokens, std::int64_t first,
              std::int64_t n) {
  const Value q = b.input("q", n, kHeads * kHeadDim);
  const Value k = b.input("k", n, kKvHeads * kHeadDim);
  const Value v = b.input("v", n, kKvHeads * kHeadDim);
  bound = {{q, tokens.q.data() + first * kHeads * kHeadDim},
           {k, tokens.k.data() + first * kKvHeads * kHeadDim},
           {v, tokens.v.data() + first * kKvHeads * kHeadDim}};
  return b.cached_attention(
      q, k, v, {.layer = 0, .heads = kHeads, .kv_heads = kKvHeads, .head_dim = kHeadDim, .scale = 0.5F});
}

// The tokens [first, first + n) of one read.
std::vector<float> read(const core::KernelTable& table, int threads, const Cache& cache, const Tokens& tokens,
                        std::int64_t first, std::int64_t n) {
  Builder b;
  std::vector<Bound> bound;
  const Value out = b.output(declare(b, bound, tokens, first, n));
  const core::Plan plan = core::make_plan(std::move(b).build());
  core::CpuBackend backend(threads, table, false);
  core::AlignedBuffer memory(plan.arena_bytes + backend.workspace_bytes(plan));
  core::Bindings bindings;
  for (const Bound& x : bound) bindings.bind(x.value, x.data);
  bindings.kv = cache.view(first);
  EXPECT_TRUE(backend.run(plan, bindings, memory.bytes(), {}));
  const std::span<const float> found = core::output(plan, out, memory.bytes());
  return {found.begin(), found.end()};
}

constexpr DType kCacheTypes[] = {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0};

TEST(Op, cached_attention_sees_the_cache_and_what_is_before_it) {
  for (const DType kv_type : kCacheTypes) {
    for (const std::int64_t n : {1, 5, 70}) {
      SCOPED_TRACE(std::string(core::info(kv_type).name) + ", tokens " + std::to_string(n));
      const std::int64_t past = 1091;
      const Tokens tokens(past + n);
      std::vector<double> wanted;
      for (std::int64_t t = past; t < past + n; ++t)
        for (std::int64_t h = 0; h < kHeads; ++h) {
          const auto row = [&](const std::vector<float>& x) {
            return [&x, h](std::int64_t at) { return x.data() + (at * kKvHeads + h / 3) * kHeadDim; };
          };
          const auto out = attend(tokens.q.data() + (t * kHeads + h) * kHeadDim, row(tokens.k), row(tokens.v),
                                  0, t + 1, kHeadDim, 0.5);
          wanted.insert(wanted.end(), out.begin(), out.end());
        }
      // Of numbers in [-1, 1] in steps of 1 / levels: a score of 12 products is wrong by at most half a step
      // of its keys and of its queries in each, times the scale; an output by twice that, half a step of the
      // values, and 1e-3 for weights.
      const double levels = kv_type == DType::q8_0 ? 127 : 4095;
      double rounded = 2 * 0.5 * 12 * (0.5 / levels + 0.5 / 4095) + 0.5 / levels + 1e-3;
      // Of 4 bits the mean over positions: rows turned in fours lie within 2, errors of a step of 2 / 7 are
      // 0.082 rms, in a score 0.5 * sqrt(12) * 0.082 * 0.58 = 0.08; with both of them over 300 positions that
      // count, 0.08 * 0.58 / sqrt(300) and 0.082 / sqrt(300), times 8.
      if (kv_type == DType::q4_0) rounded = 8 * (0.0027 + 0.0047);
      const Cache cache(kv_type, past + n + 30);
      read(*core::all_tables().back(), 1, cache, tokens, 0, past);
      const core::KvView kv = cache.view(past);
      for_settings([&](Builder& b, std::vector<Bound>& bound) { return declare(b, bound, tokens, past, n); },
                   [&](std::span<const float> found, const Setting&) {
                     expect_close(found, wanted, kv_type == DType::f32 ? 1e-5 : rounded);
                   },
                   &kv);
    }
  }
}

// Read whole, in chunks that split blocks and parts, and one by one behind them.
TEST(Op, cached_attention_of_a_token_does_not_depend_on_the_chunk_it_is_read_in) {
  constexpr std::int64_t kTokens = 1100;
  const Tokens tokens(kTokens);
  for (const core::KernelTable* table : core::all_tables()) {
    if (!core::supported(*table)) continue;
    for (const DType kv_type : kCacheTypes) {
      SCOPED_TRACE(std::string(table->name) + " " + std::string(core::info(kv_type).name));
      const std::vector<float> whole = read(*table, 1, Cache(kv_type, kTokens), tokens, 0, kTokens);
      const Cache cache(kv_type, kTokens);
      std::vector<float> pieces;
      for (std::int64_t first = 0, n = 0; first < kTokens; first += n) {
        n = first < 500 ? 333 : first < 1080 ? std::int64_t{11} : 1;  // 11 tokens: parts; 333: tiles
        n = std::min(n, kTokens - first);
        const std::vector<float> some = read(*table, first % 2 == 0 ? 3 : 2, cache, tokens, first, n);
        pieces.insert(pieces.end(), some.begin(), some.end());
      }
      EXPECT_TRUE(whole == pieces);
    }
  }
}

TEST(Op, experts_are_routed_weighted_and_summed) {
  for (const bool forced : {false, true}) {
    for (const std::int64_t n : {1, 29}) {
      SCOPED_TRACE("tokens " + std::to_string(n) + (forced ? ", forced" : ""));
      Numbers numbers(8);
      const std::int64_t experts = 5;
      const std::int64_t hidden = 24;
      const std::int64_t inter = 10;
      const std::int64_t k = 3;
      const OwnedWeight router(numbers, DType::f32, experts, hidden);
      const OwnedWeight gate(numbers, DType::f32, inter, hidden, experts);
      const OwnedWeight up(numbers, DType::f32, inter, hidden, experts);
      const OwnedWeight down(numbers, DType::f32, hidden, inter, experts);
      const std::vector<float> x = numbers.floats(n * hidden);
      std::vector<std::int32_t> forced_ids;
      for (std::int64_t t = 0; t < n; ++t)
        for (std::int32_t s = 0; s < k; ++s)
          forced_ids.push_back(static_cast<std::int32_t>((t + s * 2) % experts));
      std::vector<double> wanted(static_cast<std::size_t>(n * hidden));
      for (std::int64_t t = 0; t < n; ++t) {
        const auto dot = [&](const OwnedWeight& w, std::int64_t row, const double* v) {
          double sum = 0;
          for (std::int64_t i = 0; i < w.view.cols; ++i)
            sum += w.exact[static_cast<std::size_t>(row * w.view.cols + i)] * v[i];
          return sum;
        };
        const std::vector<double> token(x.begin() + t * hidden, x.begin() + (t + 1) * hidden);
        std::vector<double> p;
        for (std::int64_t e = 0; e < experts; ++e) p.push_back(std::exp(dot(router, e, token.data())));
        std::vector<std::int64_t> order(static_cast<std::size_t>(experts));
        std::iota(order.begin(), order.end(), 0);
        std::sort(order.begin(), order.end(), [&](auto a, auto b) {
          return p[static_cast<std::size_t>(a)] > p[static_cast<std::size_t>(b)];
        });
        if (forced)
          for (std::int64_t s = 0; s < k; ++s)
            order[static_cast<std::size_t>(s)] = forced_ids[static_cast<std::size_t>(t * k + s)];
        double total = 0;
        for (std::int64_t s = 0; s < k; ++s)
          total += p[static_cast<std::size_t>(order[static_cast<std::size_t>(s)])];
        for (std::int64_t s = 0; s < k; ++s) {
          const std::int64_t e = order[static_cast<std::size_t>(s)];
          std::vector<double> mid;
          for (std::int64_t i = 0; i < inter; ++i) {
            const double g = dot(gate, e * inter + i, token.data());
            mid.push_back(g / (1 + std::exp(-g)) * dot(up, e * inter + i, token.data()));
          }
          for (std::int64_t i = 0; i < hidden; ++i)
            wanted[static_cast<std::size_t>(t * hidden + i)] +=
                p[static_cast<std::size_t>(e)] / total * dot(down, e * hidden + i, mid.data());
        }
      }
      for_settings(
          [&](Builder& b, std::vector<Bound>& bound) {
            const Value in = b.input("x", n, hidden);
            const Value in_forced = b.input("forced", n, k, DType::i32);
            bound = {{in, x.data()}, {in_forced, forced ? forced_ids.data() : nullptr}};
            return b.experts(in, b.top_k(b.mat_mul(in, router.view), k, in_forced), gate.view, up.view,
                             down.view);
          },
          [&](std::span<const float> found, const Setting&) { expect_close(found, wanted, 1e-4); });
    }
  }
}

TEST(Backend, cancelling_ends_a_run_and_observers_see_each_named_value_once) {
  Numbers numbers(9);
  const std::vector<float> x = numbers.floats(8);
  Builder b;
  const Value in = b.input("x", 1, 8);
  const Value two = b.name(b.add(in, in), "two");
  b.output(b.name(b.add(two, two), "four"));
  const core::Plan plan = core::make_plan(std::move(b).build());
  core::CpuBackend backend(2, core::selected_table());
  core::AlignedBuffer memory(plan.arena_bytes + backend.workspace_bytes(plan));
  core::Bindings bindings;
  bindings.bind(in, x.data());
  std::atomic<bool> cancel = false;
  std::vector<std::string> seen;
  core::RunHooks hooks;
  hooks.cancel = &cancel;
  hooks.observe = [&](const core::ValueInfo& info, const void*) { seen.push_back(info.name); };
  EXPECT_TRUE(backend.run(plan, bindings, memory.bytes(), hooks));
  EXPECT_EQ(seen, (std::vector<std::string>{"x", "two", "four"}));
  hooks.observe = [&](const core::ValueInfo& info, const void*) {
    if (info.name == "x") cancel = true;
  };
  EXPECT_FALSE(backend.run(plan, bindings, memory.bytes(), hooks));
}

}  // namespace
