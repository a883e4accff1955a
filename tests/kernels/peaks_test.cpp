// The loops that measure an instruction set: what they count, and that what is read is read.
#include <gtest/gtest.h>

#include "tests/kernels/tables.h"

namespace core {
namespace {

TEST(Peaks, count_operations_by_rounds) {
  for (const KernelTable* t : supported_tables())
    for (const auto peak : {t->peak_f32, t->peak_16_bit, t->peak_int8}) {
      const double once = peak(1);
      EXPECT_GT(once, 0) << t->name;
      EXPECT_EQ(peak(7), 7 * once) << t->name;
    }
}

TEST(Peaks, every_float_is_read) {
  for (const KernelTable* t : supported_tables()) {
    std::vector<float> x(384);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    EXPECT_EQ(t->read_all(x.data(), 384), 384 * 383 / 2) << t->name;  // small integers: exact
    EXPECT_EQ(t->read_all(x.data(), 128), 128 * 127 / 2) << t->name;
  }
}

}  // namespace
}  // namespace core
