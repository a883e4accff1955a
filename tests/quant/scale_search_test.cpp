// The search against a dense one by brute force.
#include "ggml-like-core/quant/scale_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace core {
namespace {

constexpr RangeSearch k4Bits{.max_q = 15, .candidates = 20, .first = -1.0F, .step = 0.1F};

double weighted_error(const std::vector<float>& x, const std::vector<double>& weight, double scale,
                      double min, int low, int high) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double q = scale == 0 ? 0 : std::clamp<double>(std::nearbyint((x[i] - min) / scale), low, high);
    sum += weight[i] * std::pow(scale * q + min - x[i], 2);
  }
  return sum;
}

TEST(ScaleSearch, with_minimum_comes_within_5_percent_of_brute_force_error) {
  std::mt19937 rng(3);
  std::normal_distribution<float> normal;
  double found = 0;
  double best = 0;
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<float> x(32);
    for (float& v : x) v = normal(rng) + static_cast<float>(trial % 3) * 0.7F;
    double squares = 0;
    for (const float v : x) squares += v * v;
    std::vector<double> weight;
    weight.reserve(x.size());
    for (const float v : x) weight.push_back(std::sqrt(squares / 32) + std::abs(v));
    const ScaleAndMin fit = search_scale_and_min(x, k4Bits);
    EXPECT_LE(fit.min, 0);
    EXPECT_GT(fit.scale, 0);
    found += weighted_error(x, weight, fit.scale, fit.min, 0, 15);
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    const double range = *high - std::min(*low, 0.0F);
    double least = 1e30;
    for (int s = 60; s <= 130; ++s)
      for (int m = -20; m <= 20; ++m)
        least = std::min(least, weighted_error(x, weight, range / 15 * s / 100,
                                               std::min(0.0, std::min(*low, 0.0F) + range * m / 100), 0, 15));
    best += least;
  }
  EXPECT_LE(found, 1.05 * 1.05 * best);
}

TEST(ScaleSearch, without_minimum_comes_within_10_percent_of_brute_force_error) {
  std::mt19937 rng(4);
  std::normal_distribution<float> normal;
  double found = 0;
  double best = 0;
  for (int trial = 0; trial < 60; ++trial) {
    std::vector<float> x(16);
    for (float& v : x) v = normal(rng);
    std::vector<double> weight;
    weight.reserve(x.size());
    float largest = 0;
    for (const float v : x) {
      weight.push_back(v * v);
      if (std::abs(v) > std::abs(largest)) largest = v;
    }
    found += weighted_error(x, weight, search_scale(x, 32), 0, -32, 31);
    double least = 1e30;
    for (int s = -1500; s <= 1500; ++s)
      if (s != 0) least = std::min(least, weighted_error(x, weight, largest / 32.0 * s / 1000, 0, -32, 31));
    best += least;
  }
  EXPECT_LE(found, 1.1 * 1.1 * best);  // brute force tries both signs
}

TEST(ScaleSearch, finds_values_that_lie_on_a_grid) {
  std::vector<float> x(32);
  for (int i = 0; i < 32; ++i) x[static_cast<std::size_t>(i)] = 0.25F * static_cast<float>(i % 16) - 1.5F;
  const ScaleAndMin fit = search_scale_and_min(x, k4Bits);
  EXPECT_NEAR(fit.scale, 0.25, 1e-5);
  EXPECT_NEAR(fit.min, -1.5, 1e-5);
}

TEST(ScaleSearch, groups_of_one_value_need_no_scale) {
  const std::vector<float> zero(32, 0.0F);
  const std::vector<float> negative(32, -2.5F);
  const std::vector<float> positive(32, 2.5F);
  EXPECT_EQ(search_scale_and_min(zero, k4Bits).scale, 0);
  EXPECT_EQ(search_scale_and_min(zero, k4Bits).min, 0);
  EXPECT_EQ(search_scale_and_min(negative, k4Bits).min, -2.5F);
  const ScaleAndMin fit = search_scale_and_min(positive, k4Bits);
  EXPECT_NEAR(fit.scale * std::nearbyint((2.5F - fit.min) / fit.scale) + fit.min, 2.5, 1e-4);
  EXPECT_EQ(search_scale(std::span(zero).first(16), 32), 0);
}

}  // namespace
}  // namespace core
