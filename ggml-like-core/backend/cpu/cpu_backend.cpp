#include "ggml-like-core/backend/cpu/cpu_backend.h"

#include <cblas.h>

#include <functional>

#include "ggml-like-core/backend/cpu/op_context.h"
#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

Workspace largest_workspace(const Plan& plan, const KernelTable& table, bool blas) {
  const PlanContext context{&plan.graph, &table, blas};
  Workspace most;
  for (const Node& node : plan.graph.nodes) {
    const Workspace w = std::visit([&](const auto& op) { return workspace(op, node, context); }, node.op);
    most.shared = std::max(most.shared, round_up(w.shared, 64));
    most.each = std::max(most.each, round_up(w.each, 64));
  }
  return most;
}

}  // namespace

CpuBackend::CpuBackend(int threads, const KernelTable& table, bool blas)
    : team_(threads), table_(&table), blas_(blas) {
  openblas_set_num_threads(1);  // the team is ours; a product's bits must not depend on it
}

std::size_t CpuBackend::workspace_bytes(const Plan& plan) const {
  const Workspace w = largest_workspace(plan, *table_, blas_);
  return w.shared + w.each * static_cast<std::size_t>(team_.threads());
}

bool CpuBackend::run(const Plan& plan, const Bindings& bindings, std::span<std::byte> memory,
                     const RunHooks& hooks) {
  const Workspace w = largest_workspace(plan, *table_, blas_);
  bug_if(memory.size() < plan.arena_bytes + workspace_bytes(plan),
         "a plan needs more memory than it was given");
  std::byte* const shared = memory.data() + plan.arena_bytes;
  if (hooks.observe) {
    for (std::size_t id = 0; id < plan.graph.values.size(); ++id)
      if (plan.graph.values[id].input && id < bindings.inputs.size() && bindings.inputs[id] != nullptr)
        hooks.observe(plan.graph.values[id], bindings.inputs[id]);
  }
  // Whether to stop after operation n stands in stop[n % 2]: written by worker 0 before the barrier, read by
  // all after it.
  std::atomic<bool> stop[2] = {false, false};
  bool finished = true;
  const auto body = [&](Worker& worker) {
    OpContext c{&worker,
                table_,
                &plan,
                &bindings,
                memory.data(),
                shared,
                shared + w.shared + w.each * static_cast<std::size_t>(worker.index()),
                blas_,
                hooks.fetch_experts};
    double done = 0;
    for (std::size_t n = 0; n < plan.graph.nodes.size(); ++n) {
      const Node& node = plan.graph.nodes[n];
      std::visit([&](const auto& op) { run_op(op, node, c); }, node.op);
      if (worker.index() == 0)
        stop[n % 2].store(hooks.cancel != nullptr && hooks.cancel->load(std::memory_order_relaxed));
      worker.barrier();
      if (worker.index() == 0 && hooks.progress)
        hooks.progress(done += op_work(plan.graph, node, bindings.kv.past));
      if (hooks.observe) {
        if (worker.index() == 0)
          for (const Value v : node.outputs) hooks.observe(plan.graph.info(v), c.data(v));
        worker.barrier();
      }
      if (stop[n % 2].load()) {
        if (worker.index() == 0) finished = n + 1 == plan.graph.nodes.size();
        return;
      }
    }
  };
  team_.run(std::ref(body));  // by reference: nothing is allocated
  return finished;
}

}  // namespace core
