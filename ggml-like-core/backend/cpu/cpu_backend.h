// Runs plans on the CPU: one parallel region a run, each operation split over the team, a barrier after each.
#pragma once

#include "ggml-like-core/base/thread_team.h"
#include "ggml-like-core/graph/backend.h"
#include "ggml-like-core/kernels/kernel_table.h"

namespace core {

// Results depend on the kernel table only: not on the number of threads, nor on how a prompt is cut into
// chunks.
class CpuBackend final : public Backend {
 public:
  // blas: matrix products through OpenBLAS on dequantized weights: the reference path, independent of our
  // kernels. Its bits depend on a token's place in the chunk.
  CpuBackend(int threads, const KernelTable& table, bool blas = false);

  std::size_t workspace_bytes(const Plan& plan) const override;
  bool run(const Plan& plan, const Bindings& bindings, std::span<std::byte> memory,
           const RunHooks& hooks) override;

  const KernelTable& table() const { return *table_; }
  int threads() const { return team_.threads(); }

 private:
  ThreadTeam team_;
  const KernelTable* table_;
  bool blas_;
};

}  // namespace core
