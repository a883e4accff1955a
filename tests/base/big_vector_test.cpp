#include "ggml-like-core/base/big_vector.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>

namespace core {
namespace {

TEST(BigVector, keeps_its_values_when_it_grows_and_when_it_is_copied) {
  BigVector<int> small(3);
  std::iota(small.begin(), small.end(), 1);
  small.resize(3000000);
  EXPECT_EQ(small[0] + small[1] + small[2], 6);
  small.back() = 9;
  const BigVector<int> copy = small;
  EXPECT_EQ(copy.back(), 9);
  EXPECT_EQ(copy.size(), 3000000U);
  EXPECT_EQ(BigVector<int>(4, 7), (BigVector<int>{7, 7, 7, 7}));
}

TEST(BigVector, many_bytes_begin_at_a_large_page) {
  const BigVector<float> big(std::size_t{2} << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(big.data()) % (std::size_t{2} << 20), 0U);
}

}  // namespace
}  // namespace core
