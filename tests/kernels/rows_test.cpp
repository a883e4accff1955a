// Functions of one row against double-precision loops, for every table and every tail.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/kernels/tables.h"

namespace core {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon() / 2;

std::vector<std::int64_t> lengths() {
  std::vector<std::int64_t> n;
  for (std::int64_t i = 1; i <= 35; ++i) n.push_back(i);
  n.insert(n.end(), {63, 64, 65, 127, 1000, 2048});
  return n;
}

using Row = std::vector<float>;
using Loop = std::function<double(std::int64_t)>;

// Runs call(out) into guarded memory and compares with expected(i), within bound(i).
void check(const KernelTable& table, std::int64_t n, const std::function<void(float*)>& call,
           const Loop& expected, const Loop& bound) {
  Guarded out(n);
  call(out.data());
  out.expect_untouched(table.name);
  for (std::int64_t i = 0; i < n; ++i)
    ASSERT_NEAR(out[i], expected(i), bound(i)) << table.name << " n " << n << " element " << i;
}

double at(const Row& x, std::int64_t i) { return x[static_cast<std::size_t>(i)]; }

TEST(Rows, rms_norm_equals_the_double_loop) {
  for (const KernelTable* t : supported_tables())
    for (const std::int64_t n : lengths()) {
      const Row x = random_floats(n, 1);
      const Row gain = random_floats(n, 2);
      double squares = 0;
      for (std::int64_t i = 0; i < n; ++i) squares += at(x, i) * at(x, i);
      const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-6);
      const auto expected = [&](std::int64_t i) { return at(x, i) * factor * at(gain, i); };
      // n roundings of the sum, halved by the square root; six more.
      check(
          *t, n, [&](float* out) { t->rms_norm(out, x.data(), gain.data(), n, 1e-6F); }, expected,
          [&](std::int64_t i) { return kEps * (static_cast<double>(n) / 2 + 6) * std::abs(expected(i)); });
    }
}

TEST(Rows, layer_norm_equals_the_double_loop) {
  for (const KernelTable* t : supported_tables())
    for (const std::int64_t n : lengths()) {
      Row x = random_floats(n, 3);
      for (float& v : x) v += 2;
      const Row gain = random_floats(n, 4);
      const Row bias = random_floats(n, 5);
      double mean = 0;
      double largest = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        mean += at(x, i) / static_cast<double>(n);
        largest = std::max(largest, std::abs(at(x, i)));
      }
      double squares = 0;
      for (std::int64_t i = 0; i < n; ++i) squares += std::pow(at(x, i) - mean, 2);
      const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-6);
      const auto normal = [&](std::int64_t i) { return (at(x, i) - mean) * factor; };
      // The mean is off by n + 1 roundings of the largest value, which moves every result by that times
      // factor.
      check(
          *t, n, [&](float* out) { t->layer_norm(out, x.data(), gain.data(), bias.data(), n, 1e-6F); },
          [&](std::int64_t i) { return normal(i) * at(gain, i) + at(bias, i); },
          [&](std::int64_t i) {
            const double steps = static_cast<double>(n) + 8;
            return kEps * steps *
                   ((largest * factor + std::abs(normal(i))) * std::abs(at(gain, i)) + std::abs(at(bias, i)));
          });
    }
}

TEST(Rows, rope_rotates_pairs_also_in_place) {
  for (const KernelTable* t : supported_tables())
    for (const std::int64_t n : {2, 4, 6, 18, 32, 34, 64, 72, 128, 130}) {
      const Row x = random_floats(n, 6);
      Row cos(static_cast<std::size_t>(n));
      Row sin(cos);
      for (std::size_t i = 0; i < cos.size(); ++i) {
        cos[i] = std::cos(0.3F * static_cast<float>(i));
        sin[i] = std::sin(0.3F * static_cast<float>(i));
      }
      const std::int64_t half = n / 2;
      const auto expected = [&](std::int64_t i) {
        return i < half ? at(x, i) * at(cos, i) - at(x, i + half) * at(sin, i)
                        : at(x, i) * at(cos, i) + at(x, i - half) * at(sin, i);
      };
      const auto bound = [&](std::int64_t) {
        return 3 * kEps * 2 * 5;
      };  // three roundings of two products below 5
      check(
          *t, n, [&](float* out) { t->rope(out, x.data(), cos.data(), sin.data(), n); }, expected, bound);
      check(
          *t, n,
          [&](float* out) {
            std::copy(x.begin(), x.end(), out);
            t->rope(out, out, cos.data(), sin.data(), n);
          },
          expected, bound);
    }
}

TEST(Rows, add_and_multiply_add_round_once) {
  for (const KernelTable* t : supported_tables())
    for (const std::int64_t n : lengths()) {
      const Row a = random_floats(n, 7);
      const Row b = random_floats(n, 8);
      check(
          *t, n, [&](float* out) { t->add(out, a.data(), b.data(), n); },
          [&](std::int64_t i) { return a[static_cast<std::size_t>(i)] + b[static_cast<std::size_t>(i)]; },
          [](std::int64_t) { return 0; });
      // fma, or one rounding more without it.
      check(
          *t, n,
          [&](float* out) {
            std::copy(b.begin(), b.end(), out);
            t->multiply_add(out, a.data(), 0.37F, n);
          },
          [&](std::int64_t i) { return at(b, i) + at(a, i) * 0.37F; },
          [&](std::int64_t i) { return kEps * 2 * (std::abs(at(b, i)) + std::abs(at(a, i))); });
    }
}

// Numbers over the whole range in which the function changes.
Row spread(double low, double high, std::int64_t n) {
  Row x(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i)
    x[static_cast<std::size_t>(i)] =
        static_cast<float>(low + (high - low) * static_cast<double>(i) / static_cast<double>(n - 1));
  return x;
}

// Through softmax's door: two elements, x and 0, give exp(x) / (exp(x) + 1), exp of x <= 0 itself being
// within 2e-7.
TEST(Rows, exp_is_within_2e_minus_7_over_its_range) {
  for (const KernelTable* t : supported_tables()) {
    const std::int64_t count = emulated() ? 20'000 : 200'000;
    double worst = 0;
    for (const float x : spread(-86, 0, count)) {
      const float pair[2] = {x, 0};
      float out[2];
      t->softmax(out, pair, 2);
      const double expected = std::exp(static_cast<double>(x));
      // out[0] / out[1] is exp(x) but for the two roundings of the common factor.
      worst = std::max(worst, std::abs(static_cast<double>(out[0]) / out[1] - expected) / expected);
    }
    EXPECT_LE(worst, 2e-7 + 2 * kEps) << t->name;
  }
}

TEST(Rows, silu_mul_and_gelus_equal_the_double_functions) {
  const std::int64_t n = emulated() ? 20'001 : 200'001;
  const Row x = spread(-30, 30, n);
  const Row up = random_floats(n, 9);
  for (const KernelTable* t : supported_tables()) {
    // exp within 2e-7 of itself, and four roundings.
    check(
        *t, n, [&](float* out) { t->silu_mul(out, x.data(), up.data(), n); },
        [&](std::int64_t i) { return at(x, i) / (1 + std::exp(-at(x, i))) * at(up, i); },
        [&](std::int64_t i) {
          const double value = at(x, i) / (1 + std::exp(-at(x, i))) * at(up, i);
          return (2e-7 + 4 * kEps) * std::abs(value) + 1e-37;
        });
    // The argument of exp, 2 u, is rounded four times: 4 eps |2 u| in the exponent.
    const auto inner = [&](std::int64_t i) {
      return 2 * std::sqrt(2 / M_PI) * (at(x, i) + 0.044715 * std::pow(at(x, i), 3));
    };
    check(
        *t, n, [&](float* out) { t->gelu_tanh(out, x.data(), n); },
        [&](std::int64_t i) { return at(x, i) / (1 + std::exp(-inner(i))); },
        [&](std::int64_t i) {
          const double value = at(x, i) / (1 + std::exp(-inner(i)));
          return (2e-7 + 4 * kEps + 5 * kEps * std::abs(inner(i))) * std::abs(value) + 1e-37;
        });
    // erf within 2e-7 absolutely; its argument is rounded twice, erf'(z) |z| <= 0.5.
    check(
        *t, n, [&](float* out) { t->gelu_erf(out, x.data(), n); },
        [&](std::int64_t i) { return at(x, i) / 2 * (1 + std::erf(at(x, i) / std::sqrt(2.0))); },
        [&](std::int64_t i) { return std::abs(at(x, i)) / 2 * (2e-7 + 6 * kEps); });
  }
}

TEST(Rows, activations_treat_every_tail_as_the_middle) {
  for (const KernelTable* t : supported_tables()) {
    const Row x = random_floats(67, 10);
    Row whole(67);
    for (const auto function : {t->gelu_tanh, t->gelu_erf}) {
      function(whole.data(), x.data(), 67);
      for (std::int64_t n = 1; n < 67; ++n) {
        Guarded out(n);
        function(out.data(), x.data(), n);
        out.expect_untouched(t->name);
        for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(out[i], whole[static_cast<std::size_t>(i)]) << t->name;
      }
    }
    t->silu_mul(whole.data(), x.data(), x.data(), 67);
    for (std::int64_t n = 1; n < 67; ++n) {
      Guarded out(n);
      t->silu_mul(out.data(), x.data(), x.data(), n);
      out.expect_untouched(t->name);
      for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(out[i], whole[static_cast<std::size_t>(i)]) << t->name;
    }
  }
}

TEST(Rows, activations_of_huge_and_infinite_values_are_their_limits) {
  const float inf = std::numeric_limits<float>::infinity();
  const float x[4] = {-1e30F, 1e30F, -300, 300};
  const float ones[4] = {1, 1, 1, 1};
  for (const KernelTable* t : supported_tables()) {
    float out[4];
    t->silu_mul(out, x, ones, 4);
    EXPECT_EQ(out[0], 0) << t->name;
    EXPECT_EQ(out[1], 1e30F);
    EXPECT_EQ(out[2], 0);
    EXPECT_EQ(out[3], 300);
    for (const auto function : {t->gelu_tanh, t->gelu_erf}) {
      function(out, x + 2, 2);
      EXPECT_EQ(out[0], 0) << t->name;
      EXPECT_EQ(out[1], 300) << t->name;
    }
    const float row[3] = {-inf, 0, -inf};
    t->softmax(out, row, 3);
    EXPECT_EQ(out[0], 0) << t->name;
    EXPECT_EQ(out[1], 1) << t->name;
  }
}

TEST(Rows, not_a_number_is_not_hidden) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable* t : supported_tables()) {
    const Row x(33, nan);
    const Row ones(33, 1.0F);
    Row out(33);
    t->silu_mul(out.data(), x.data(), ones.data(), 33);
    EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[32])) << t->name;
    t->gelu_tanh(out.data(), x.data(), 33);
    EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[32])) << t->name;
    t->rms_norm(out.data(), x.data(), ones.data(), 33, 1e-6F);
    EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[32])) << t->name;
  }
}

TEST(Rows, softmax_equals_the_double_loop_and_may_be_in_place) {
  for (const KernelTable* t : supported_tables())
    for (const std::int64_t n : lengths()) {
      Row x = random_floats(n, 11);
      for (float& v : x) v = v * 8 + 100;
      const double largest = *std::max_element(x.begin(), x.end());
      double total = 0;
      for (const float v : x) total += std::exp(v - largest);
      const auto expected = [&](std::int64_t i) { return std::exp(at(x, i) - largest) / total; };
      // exp of both sides, and the sum's n roundings.
      const auto bound = [&](std::int64_t i) {
        return (4e-7 + kEps * (static_cast<double>(n) + 4)) * expected(i) + 1e-38;
      };
      check(
          *t, n, [&](float* out) { t->softmax(out, x.data(), n); }, expected, bound);
      check(
          *t, n,
          [&](float* out) {
            std::copy(x.begin(), x.end(), out);
            t->softmax(out, out, n);
          },
          expected, bound);
    }
}

}  // namespace
}  // namespace core
