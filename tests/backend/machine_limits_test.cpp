#include "ggml-like-core/backend/cpu/machine_limits.h"

#include <gtest/gtest.h>

#include "ggml-like-core/kernels/select.h"

namespace {

TEST(MachineLimits, are_measured_with_any_number_of_threads) {
  for (const int threads : {1, 3}) {
    core::ThreadTeam team(threads);
    const core::MachineLimits limits = core::measure_limits(core::selected_table(), team);
    EXPECT_GT(limits.bytes, 0);
    EXPECT_GT(limits.f32_ops, 0);
    EXPECT_GT(limits.half_ops, 0);
    EXPECT_GT(limits.int8_ops, 0);
  }
}

}  // namespace
