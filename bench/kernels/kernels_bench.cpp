// Kernels of every table this machine has, on the shapes of tests/shapes.h, one thread.
//   bench_kernels --benchmark_filter='mat_mul/avx512_vnni/Q4_K'
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/kernels/select.h"
#include "ggml-like-core/quant/formats.h"
#include "ggml-like-core/quant/reference.h"
#include "tests/format_rows.h"
#include "tests/shapes.h"

namespace core {
namespace {

void fill(float* x, std::int64_t n) {
  std::mt19937 rng(1);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < n; ++i) x[i] = normal(rng);
}

// GOP/s: two operations a weight and token. GB/s: bytes of weights read.
void mat_mul(benchmark::State& state, const KernelTable& table, DType dtype, MatShape s) {
  const MatKernels& mat = table.mat[*format_index(dtype)];
  const std::size_t stride = row_bytes(dtype, s.k);
  // One token reads every weight once, as decoding does: from memory, so enough copies not to fit any cache.
  const std::int64_t copies =
      s.tokens < 8 ? 1 + (256 << 20) / (s.rows * static_cast<std::int64_t>(stride)) : 1;
  AlignedBuffer weights(stride * static_cast<std::size_t>(s.rows * copies));
  std::vector<float> row(static_cast<std::size_t>(s.k));
  fill(row.data(), s.k);
  some_row(weights.data(), dtype, row);
  for (std::int64_t r = 1; r < s.rows * copies; ++r)
    std::copy_n(weights.data(), stride, weights.data() + static_cast<std::size_t>(r) * stride);
  AlignedBuffer x(mat.activation_bytes(s.k) * static_cast<std::size_t>(s.tokens));
  for (std::int64_t t = 0; t < s.tokens; ++t)
    mat.convert_activation(x.data() + static_cast<std::size_t>(t) * mat.activation_bytes(s.k), row.data(),
                           s.k);
  std::vector<float> out(static_cast<std::size_t>(s.rows * s.tokens));
  std::int64_t copy = 0;
  for (auto _ : state) {
    mat.mat_mul(out.data(), s.rows, weights.data() + static_cast<std::size_t>(copy * s.rows) * stride, stride,
                s.rows, x.data(), mat.activation_bytes(s.k), s.tokens, s.k);
    copy = (copy + 1) % copies;
    benchmark::ClobberMemory();
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["GOP/s"] = benchmark::Counter(2e-9 * runs * static_cast<double>(s.rows * s.tokens * s.k),
                                               benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(
      1e-9 * runs * static_cast<double>(s.rows) * static_cast<double>(stride), benchmark::Counter::kIsRate);
}

// GFLOP/s: four operations a query, key and dimension.
void attention(benchmark::State& state, const KernelTable& table, AttentionShape s) {
  const std::size_t stride = row_bytes(DType::f32, s.head_dim);
  AlignedBuffer keys(stride * static_cast<std::size_t>(s.keys));
  AlignedBuffer values(stride * static_cast<std::size_t>(s.keys));
  std::vector<float> row(static_cast<std::size_t>(s.head_dim));
  fill(row.data(), s.head_dim);
  for (std::int64_t i = 0; i < s.keys; ++i) {
    quantize_row(keys.data() + static_cast<std::size_t>(i) * stride, DType::f32, row);
    quantize_row(values.data() + static_cast<std::size_t>(i) * stride, DType::f32, row);
  }
  std::vector<float> q(static_cast<std::size_t>(s.queries * s.head_dim));
  fill(q.data(), s.queries * s.head_dim);
  std::vector<float> out(q.size());
  const std::vector<std::int64_t> n_keys(static_cast<std::size_t>(s.queries), s.keys);
  AlignedBuffer scratch(table.attention_scratch_bytes(s.head_dim));
  for (auto _ : state) {
    table.attention({out.data(), s.head_dim, q.data(), s.head_dim, n_keys.data(), s.queries},
                    {keys.data(), stride, values.data(), stride}, s.head_dim, 0.1F, scratch.data());
    benchmark::ClobberMemory();
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(
      4e-9 * runs * static_cast<double>(s.queries * s.keys * s.head_dim), benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(
      2e-9 * runs * static_cast<double>(s.keys) * static_cast<double>(stride), benchmark::Counter::kIsRate);
}

// Attention over integers of one head: rounding of the queries, parts of kAttentionPart positions, folding.
// Few queries read keys and values from memory, as decoding does: enough heads not to fit any cache.
void fixed_attention(benchmark::State& state, const KernelTable& table, const KvCodes& codes,
                     AttentionShape s) {
  const FixedAttention& fixed = table.fixed;
  const KvKernels& kernels = fixed.of(codes);
  const KvBlockLayout layout = kv_block_layout(codes, s.head_dim);
  const std::int64_t blocks = ceil_div(s.keys, kKvBlock);
  const std::int64_t heads = s.queries < 16 ? 32 : 1;
  AlignedBuffer keys(layout.key_bytes * static_cast<std::size_t>(blocks * heads));
  AlignedBuffer values(layout.value_bytes * static_cast<std::size_t>(blocks * heads));
  std::vector<float> q(static_cast<std::size_t>(s.queries * s.head_dim));
  fill(q.data(), s.queries * s.head_dim);
  for (std::int64_t i = 0; i < blocks * heads * kKvBlock; ++i)
    kernels.store(keys.data() + static_cast<std::size_t>(i / kKvBlock) * layout.key_bytes,
                  values.data() + static_cast<std::size_t>(i / kKvBlock) * layout.value_bytes, i % kKvBlock,
                  q.data(), q.data(), s.head_dim);
  std::vector<float> out(q.size());
  const std::vector<std::int64_t> n_keys(static_cast<std::size_t>(s.queries), s.keys);
  AlignedBuffer scratch(fixed.scratch_bytes());
  const std::int64_t stride = 2 * layout.pairs;
  const std::int64_t part_floats = attention_part_floats(s.head_dim);
  std::vector<std::int16_t> rounded(static_cast<std::size_t>(s.queries * stride));
  std::vector<float> scales(static_cast<std::size_t>(s.queries));
  std::vector<float> totals(static_cast<std::size_t>(s.queries * part_floats));
  std::vector<float> parts(totals.size());
  std::int64_t head = 0;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < s.queries; ++i)
      scales[static_cast<std::size_t>(i)] =
          kernels.round_query(rounded.data() + i * stride, q.data() + i * s.head_dim, s.head_dim, 0.1F);
    for (std::int64_t begin = 0; begin < s.keys; begin += kAttentionPart) {
      float* to = begin == 0 ? totals.data() : parts.data();
      kernels.attend({rounded.data(), stride, scales.data(), n_keys.data(), s.queries},
                     {keys.data() + static_cast<std::size_t>(head * blocks) * layout.key_bytes,
                      values.data() + static_cast<std::size_t>(head * blocks) * layout.value_bytes, begin,
                      std::min(s.keys, begin + kAttentionPart)},
                     to, s.head_dim, scratch.data());
      for (std::int64_t i = 0; begin > 0 && i < s.queries; ++i)
        fixed.fold(totals.data() + i * part_floats, parts.data() + i * part_floats, s.head_dim);
    }
    for (std::int64_t i = 0; i < s.queries; ++i)
      kernels.finish(out.data() + i * s.head_dim, totals.data() + i * part_floats, s.head_dim);
    head = (head + 1) % heads;
    benchmark::ClobberMemory();
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(
      4e-9 * runs * static_cast<double>(s.queries * s.keys * s.head_dim), benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(
      1e-9 * runs * static_cast<double>(blocks) * static_cast<double>(layout.key_bytes + layout.value_bytes),
      benchmark::Counter::kIsRate);
}

void convert_activation(benchmark::State& state, const KernelTable& table, DType dtype) {
  constexpr std::int64_t kLength = 2048;
  const MatKernels& mat = table.mat[*format_index(dtype)];
  std::vector<float> x(kLength);
  fill(x.data(), kLength);
  AlignedBuffer out(mat.activation_bytes(kLength));
  for (auto _ : state) {
    mat.convert_activation(out.data(), x.data(), kLength);
    benchmark::ClobberMemory();
  }
  state.counters["Gvalues/s"] = benchmark::Counter(1e-9 * static_cast<double>(state.iterations()) * kLength,
                                                   benchmark::Counter::kIsRate);
}

void row_function(benchmark::State& state, void (*function)(float*, const float*, std::int64_t)) {
  constexpr std::int64_t kLength = 4096;
  std::vector<float> x(kLength);
  fill(x.data(), kLength);
  std::vector<float> out(kLength);
  for (auto _ : state) {
    function(out.data(), x.data(), kLength);
    benchmark::ClobberMemory();
  }
  state.counters["Gvalues/s"] = benchmark::Counter(1e-9 * static_cast<double>(state.iterations()) * kLength,
                                                   benchmark::Counter::kIsRate);
}

void quantize(benchmark::State& state, DType dtype) {
  constexpr std::int64_t kLength = 16384;
  std::vector<float> x(kLength);
  fill(x.data(), kLength);
  std::vector<std::byte> row(row_bytes(dtype, kLength));
  for (auto _ : state) {
    quantize_row(row.data(), dtype, x);
    benchmark::ClobberMemory();
  }
  state.counters["Mweights/s"] = benchmark::Counter(1e-6 * static_cast<double>(state.iterations()) * kLength,
                                                    benchmark::Counter::kIsRate);
}

}  // namespace

void add_all() {
  const auto name = [](const char* what, const KernelTable& t, std::string_view format) {
    return std::string(what) + "/" + t.name + "/" + std::string(format);
  };
  for (const KernelTable* t : all_tables()) {
    if (!supported(*t)) {
      std::fprintf(stderr, "not run on this machine: %s\n", t->name);
      continue;
    }
    for (const FormatInfo& f : kFormats) {
      for (const MatShape s : kModelShapes)
        benchmark::RegisterBenchmark((name("mat_mul", *t, f.name) + "/" + std::to_string(s.rows) + "x" +
                                      std::to_string(s.tokens) + "x" + std::to_string(s.k))
                                         .c_str(),
                                     [t, f, s](benchmark::State& state) { mat_mul(state, *t, f.dtype, s); });
      if (f.block_len > 1)
        benchmark::RegisterBenchmark(
            name("convert_activation", *t, f.name).c_str(),
            [t, f](benchmark::State& state) { convert_activation(state, *t, f.dtype); });
    }
    for (const AttentionShape s : kModelAttention)
      benchmark::RegisterBenchmark((name("attention", *t, "F32") + "/" + std::to_string(s.queries) + "x" +
                                    std::to_string(s.keys) + "x" + std::to_string(s.head_dim))
                                       .c_str(),
                                   [t, s](benchmark::State& state) { attention(state, *t, s); });
    for (const auto& [codes, what] : {std::pair(kKv16, "q16"), std::pair(kKv8, "q8"), std::pair(kKv4, "q4")})
      for (const AttentionShape s : kFixedShapes)
        benchmark::RegisterBenchmark(
            (name("fixed_attention", *t, what) + "/" + std::to_string(s.queries) + "x" +
             std::to_string(s.keys) + "x" + std::to_string(s.head_dim))
                .c_str(),
            [t, codes = codes, s](benchmark::State& state) { fixed_attention(state, *t, codes, s); });
    benchmark::RegisterBenchmark(name("row", *t, "gelu_tanh").c_str(),
                                 [t](benchmark::State& state) { row_function(state, t->gelu_tanh); });
    benchmark::RegisterBenchmark(name("row", *t, "gelu_erf").c_str(),
                                 [t](benchmark::State& state) { row_function(state, t->gelu_erf); });
    benchmark::RegisterBenchmark(name("row", *t, "softmax").c_str(),
                                 [t](benchmark::State& state) { row_function(state, t->softmax); });
  }
  for (const FormatInfo& f : kFormats)
    if (f.writable)
      benchmark::RegisterBenchmark(("quantize/" + std::string(f.name)).c_str(),
                                   [f](benchmark::State& state) { quantize(state, f.dtype); });
}

}  // namespace core

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  core::add_all();
  benchmark::RunSpecifiedBenchmarks();
}
