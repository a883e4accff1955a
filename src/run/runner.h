// A backend with the memory that its plans run in, and the bridge from a run to its observers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/backend/cpu/cpu_backend.h"
#include "ggml-like-core/base/buffer.h"
#include "src/run/control.h"

namespace tarsier {

// Called for each named value of a run, to give it its public name and shape.
using ValueNamer = std::function<void(const core::ValueInfo& info, const void* data)>;

// One run at a time. Not thread-safe.
class Runner {
 public:
  // threads: 0 takes all cores. isa: "" takes TARSIER_ISA, or the best table. blas: see CpuBackend.
  Runner(int threads, const std::string& isa, bool blas = false);

  std::uint64_t bytes(const core::Plan& plan) const {
    return plan.arena_bytes + backend_.workspace_bytes(plan);
  }
  // What the memory of earlier runs has of these bytes.
  std::uint64_t held() const { return memory_.size(); }
  // Runs plan, and measures each of its operations: seconds, in the order of its nodes.
  std::vector<double> seconds_of_nodes(const core::Plan& plan, const core::Bindings& bindings);
  // The model is larger than memory: routed experts are fetched ahead.
  void fetch_experts(bool on) { fetch_experts_ = on; }
  // Runs plan; progress(share) gets 0 .. 1. False: cancelled. What namer throws is thrown again here, after
  // the run has ended.
  bool run(const core::Plan& plan, const core::Bindings& bindings, const RunControl& control,
           const std::function<void(double share)>& progress = {}, const ValueNamer& namer = {});
  // An output of the plan that ran last.
  std::span<const float> output(const core::Plan& plan, core::Value v) const {
    return core::output(plan, v, memory_.bytes());
  }
  const core::KernelTable& table() const { return backend_.table(); }
  int threads() const { return backend_.threads(); }

 private:
  void make_room(const core::Plan& plan);

  core::CpuBackend backend_;
  core::AlignedBuffer memory_;
  bool fetch_experts_ = false;
};

// Hands values to control.values under their public names. tokens: rows are tokens of a text, [1, n, cols];
// else [n, cols].
void report_value(const RunControl& control, std::string_view name, bool tokens, const core::ValueInfo& info,
                  const void* data);

}  // namespace tarsier
