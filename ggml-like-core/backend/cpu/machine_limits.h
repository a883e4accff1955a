// What this machine can do at most with one kernel table: the measure of every speed.
#pragma once

#include "ggml-like-core/base/thread_team.h"
#include "ggml-like-core/kernels/kernel_table.h"

namespace core {

// Of all threads together, a second. Operations: multiplications and additions.
struct MachineLimits {
  double bytes = 0;     // of memory, read
  double f32_ops = 0;   // products of floats
  double half_ops = 0;  // products of F16 and BF16, as the kernels of this table multiply them
  double int8_ops = 0;  // products of quantized weights
};

// The best of several passes. Takes about two seconds and, while it runs, memory several times the last
// cache.
MachineLimits measure_limits(const KernelTable& table, ThreadTeam& team);

}  // namespace core
