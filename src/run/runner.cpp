#include "src/run/runner.h"

#include <chrono>
#include <exception>
#include <vector>

#include "ggml-like-core/kernels/select.h"

namespace tarsier {

Runner::Runner(int threads, const std::string& isa, bool blas)
    : backend_(threads, isa.empty() ? core::selected_table() : core::find_table(isa), blas) {}

bool Runner::run(const core::Plan& plan, const core::Bindings& bindings, const RunControl& control,
                 const std::function<void(double)>& progress, const ValueNamer& namer) {
  make_room(plan);
  core::RunHooks hooks;
  hooks.cancel = control.cancel;
  hooks.fetch_experts = fetch_experts_;
  double total = 0;
  if (progress) {
    for (const core::Node& node : plan.graph.nodes)
      total += core::op_work(plan.graph, node, bindings.kv.past);
    hooks.progress = [&](double work) { progress(work / total); };
  }
  std::atomic<bool> stop = false;
  std::exception_ptr failure;  // observers may throw, a running plan must not
  if (namer) {
    hooks.observe = [&](const core::ValueInfo& info, const void* data) {
      if (control.cancel != nullptr && control.cancel->load(std::memory_order_relaxed)) stop = true;
      if (failure || !info.named) return;
      try {
        namer(info, data);
      } catch (...) {
        failure = std::current_exception();
        stop = true;
      }
    };
    hooks.cancel = &stop;
  }
  const bool finished = backend_.run(plan, bindings, memory_.bytes(), hooks);
  if (failure) std::rethrow_exception(failure);
  return finished;
}

void Runner::make_room(const core::Plan& plan) {
  const std::uint64_t need = bytes(plan);
  if (memory_.size() >= need) return;
  memory_ = {};
  memory_ = core::AlignedBuffer(need);
  memory_.want_large_pages();  // a picture's first run would spend a twentieth of its time on page faults
}

std::vector<double> Runner::seconds_of_nodes(const core::Plan& plan, const core::Bindings& bindings) {
  using Clock = std::chrono::steady_clock;
  make_room(plan);
  std::vector<double> seconds;
  seconds.reserve(plan.graph.nodes.size());
  Clock::time_point last = Clock::now();
  core::RunHooks hooks;
  hooks.progress = [&](double) {
    const Clock::time_point now = Clock::now();
    seconds.push_back(std::chrono::duration<double>(now - last).count());
    last = now;
  };
  backend_.run(plan, bindings, memory_.bytes(), hooks);
  return seconds;
}

void report_value(const RunControl& control, std::string_view name, bool tokens, const core::ValueInfo& info,
                  const void* data) {
  if (!control.values->wants(name)) return;
  std::vector<std::int64_t> shape{info.rows, info.cols};
  if (tokens) shape.insert(shape.begin(), 1);
  if (info.dtype == core::DType::f32) {
    control.values->value(name, "F32", shape, {static_cast<const std::byte*>(data), info.bytes()});
    return;
  }
  const auto* narrow = static_cast<const std::int32_t*>(data);
  const std::vector<std::int64_t> wide(narrow, narrow + info.rows * info.cols);
  control.values->value(name, "I64", shape, std::as_bytes(std::span(wide)));
}

}  // namespace tarsier
