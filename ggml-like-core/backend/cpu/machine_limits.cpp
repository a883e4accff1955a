#include "ggml-like-core/backend/cpu/machine_limits.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

constexpr int kPasses = 5;
constexpr double kPassSeconds = 0.05;
constexpr std::size_t kLeastBytes = 256ULL << 20;
constexpr std::size_t kMostBytes = 1ULL << 30;
constexpr std::int64_t kUnit = 128;  // floats: what read_all wants a multiple of

template <class Body>
double seconds_of(const Body& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double ops_a_second(ThreadTeam& team, double (*peak)(std::int64_t)) {
  std::int64_t rounds = 1024;
  while (seconds_of([&] { peak(rounds); }) < kPassSeconds) rounds *= 2;
  struct alignas(64) Done {
    double ops = 0;
  };
  std::vector<Done> done(static_cast<std::size_t>(team.threads()));
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const double seconds = seconds_of(
        [&] { team.run([&](Worker& w) { done[static_cast<std::size_t>(w.index())].ops = peak(rounds); }); });
    double ops = 0;
    for (const Done& d : done) ops += d.ops;
    best = std::max(best, ops / seconds);
  }
  return best;
}

double bytes_a_second(ThreadTeam& team, float (*read_all)(const float*, std::int64_t)) {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);  // not positive where the system does not know
  const std::size_t bytes =
      std::clamp(4 * static_cast<std::size_t>(std::max(cache, 0L)), kLeastBytes, kMostBytes);
  AlignedBuffer buffer(bytes);
  auto* floats = reinterpret_cast<float*>(buffer.data());
  const auto n = static_cast<std::int64_t>(bytes / sizeof(float));
  const std::int64_t share = ceil_div(n / kUnit, std::int64_t{team.threads()}) * kUnit;
  const auto part = [&](const Worker& w, const auto& body) {
    const std::int64_t first = std::min(n, w.index() * share);
    body(floats + first, std::min(share, n - first));
  };
  // Written once: pages that never were are all the same one.
  team.run([&](Worker& w) { part(w, [](float* x, std::int64_t count) { std::fill_n(x, count, 1.0F); }); });
  struct alignas(64) Sum {
    volatile float value = 0;  // used, as far as the compiler knows
  };
  std::vector<Sum> sums(static_cast<std::size_t>(team.threads()));
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const double seconds = seconds_of([&] {
      team.run([&](Worker& w) {
        part(w, [&](const float* x, std::int64_t count) {
          sums[static_cast<std::size_t>(w.index())].value = read_all(x, count);
        });
      });
    });
    best = std::max(best, static_cast<double>(bytes) / seconds);
  }
  return best;
}

}  // namespace

MachineLimits measure_limits(const KernelTable& table, ThreadTeam& team) {
  return {.bytes = bytes_a_second(team, table.read_all),
          .f32_ops = ops_a_second(team, table.peak_f32),
          .half_ops = ops_a_second(team, table.peak_16_bit),
          .int8_ops = ops_a_second(team, table.peak_int8)};
}

}  // namespace core
