// Every one of the 65,536 half and brain floats, and the rounding between each pair of neighbours.
#include "ggml-like-core/base/numbers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace {

// The value of a binary16 from its definition, in double.
double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}
bool half_is_finite(std::uint16_t bits) { return (bits & 0x7c00) != 0x7c00; }

TEST(Numbers, every_half_float_has_the_value_of_its_definition) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float x = core::f16_to_f32(bits);
    if (half_is_finite(bits)) {
      ASSERT_EQ(static_cast<double>(x), half_value(bits)) << i;
      ASSERT_EQ(std::signbit(x), (bits & 0x8000) != 0) << i;
    } else if ((bits & 0x3ff) == 0) {
      ASSERT_EQ(x, (bits & 0x8000) != 0 ? -INFINITY : INFINITY);
    } else {
      ASSERT_TRUE(std::isnan(x)) << i;
    }
  }
}

TEST(Numbers, every_half_float_survives_the_way_to_f32_and_back) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const std::uint16_t back = core::f32_to_f16(core::f16_to_f32(bits));
    if (half_is_finite(bits) || (bits & 0x3ff) == 0)
      ASSERT_EQ(back, bits);
    else
      ASSERT_TRUE(std::isnan(core::f16_to_f32(back))) << i;
  }
}

TEST(Numbers, f32_to_f16_rounds_to_nearest_and_halves_to_even) {
  for (std::uint32_t i = 0; i + 1 < 0x7c00; ++i) {
    const auto low = static_cast<std::uint16_t>(i);
    const auto high = static_cast<std::uint16_t>(i + 1);
    const auto middle = static_cast<float>((half_value(low) + half_value(high)) / 2);  // exact in f32
    ASSERT_EQ(core::f32_to_f16(middle), (i & 1) == 0 ? low : high) << i;
    ASSERT_EQ(core::f32_to_f16(std::nextafter(middle, 0.0F)), low) << i;
    ASSERT_EQ(core::f32_to_f16(std::nextafter(middle, INFINITY)), high) << i;
    ASSERT_EQ(core::f32_to_f16(-middle), ((i & 1) == 0 ? low : high) | 0x8000) << i;
  }
}

TEST(Numbers, f32_to_f16_overflows_to_infinity_from_65520) {
  EXPECT_EQ(core::f32_to_f16(std::nextafter(65520.0F, 0.0F)), 0x7bff);
  EXPECT_EQ(core::f32_to_f16(65520.0F), 0x7c00);
  EXPECT_EQ(core::f32_to_f16(-std::numeric_limits<float>::max()), 0xfc00);
  EXPECT_EQ(core::f32_to_f16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(core::f32_to_f16(-0.0F), 0x8000);
}

TEST(Numbers, every_brain_float_survives_the_way_to_f32_and_back) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float x = core::bf16_to_f32(bits);
    if (std::isnan(x))
      ASSERT_TRUE(std::isnan(core::bf16_to_f32(core::f32_to_bf16(x)))) << i;
    else
      ASSERT_EQ(core::f32_to_bf16(x), bits);
  }
}

TEST(Numbers, f32_to_bf16_takes_the_nearest_neighbour_and_halves_to_even) {
  std::mt19937 random(7);
  for (int i = 0; i < 200000; ++i) {
    const std::uint32_t bits =
        static_cast<std::uint32_t>(random()) & 0xff7fffffU;  // finite, not the last binade
    const std::uint32_t rest = bits & 0xffffU;
    const std::uint32_t low = bits >> 16;
    const bool up = rest > 0x8000 || (rest == 0x8000 && (low & 1) != 0);
    ASSERT_EQ(core::f32_to_bf16(std::bit_cast<float>(bits)), low + (up ? 1 : 0)) << std::hex << bits;
  }
  EXPECT_EQ(core::f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);  // nearest is infinity
  EXPECT_EQ(core::f32_to_bf16(std::bit_cast<float>(0x3f808000U)), 0x3f80);
  EXPECT_EQ(core::f32_to_bf16(std::bit_cast<float>(0x3f818000U)), 0x3f82);
}

TEST(Numbers, sizes_that_wrap_are_nothing) {
  constexpr std::size_t kMax = SIZE_MAX;
  EXPECT_EQ(core::checked_mul(3, 5), 15U);
  EXPECT_EQ(core::checked_mul(kMax, 1), kMax);
  EXPECT_EQ(core::checked_mul(kMax, 2), std::nullopt);
  EXPECT_EQ(core::checked_mul(std::size_t{1} << 32, std::size_t{1} << 32), std::nullopt);
  EXPECT_EQ(core::checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(core::checked_add(kMax, 1), std::nullopt);
}

TEST(Numbers, rounding_up_gives_the_least_multiple) {
  for (std::size_t step = 1; step <= 64; step *= 2)
    for (std::size_t n = 0; n < 200; ++n) {
      const std::size_t up = core::round_up(n, step);
      EXPECT_EQ(up % step, 0U);
      EXPECT_GE(up, n);
      EXPECT_LT(up - n, step);
    }
  EXPECT_EQ(core::ceil_div(0, 7), 0);
  EXPECT_EQ(core::ceil_div(7, 7), 1);
  EXPECT_EQ(core::ceil_div(8, 7), 2);
}

}  // namespace
