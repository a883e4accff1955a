// The vector types' 16-bit integers against plain loops.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "tests/kernels/simd_probe.h"
#include "tests/kernels/tables.h"

extern const SimdProbe TARSIER_SIMD_PROBES;

namespace core {
namespace {

std::vector<SimdProbe> probes() {
  std::vector<SimdProbe> runnable;
  for (const SimdProbe& probe : {TARSIER_SIMD_PROBES})
    for (const KernelTable* table : all_tables())
      if (supported(*table) && std::string(table->name) == probe.name) runnable.push_back(probe);
  return runnable;
}

TEST(Simd, dot2_adds_two_products_to_each_lane) {
  std::mt19937 rng(1);
  for (const SimdProbe& p : probes())
    for (const int most : {3, 4095, 32767}) {
      std::uniform_int_distribution<int> number(-most, most);
      alignas(64) std::int16_t words[32];
      std::int16_t x[2];
      alignas(64) std::int32_t sum[16];
      std::int32_t expected[16];
      for (int trial = 0; trial < 200; ++trial) {
        for (auto& v : words) v = static_cast<std::int16_t>(trial == 0 ? -32767 : number(rng));
        for (auto& v : x) v = static_cast<std::int16_t>(trial == 0 ? 32767 : number(rng));
        for (int i = 0; i < p.lanes; ++i) {
          sum[i] = trial == 0 ? 0 : number(rng);
          expected[i] = sum[i] + words[2 * i] * x[0] + words[2 * i + 1] * x[1];
        }
        p.dot2(sum, words, x);
        for (int i = 0; i < p.lanes; ++i) ASSERT_EQ(sum[i], expected[i]) << p.name << " lane " << i;
      }
    }
}

TEST(Simd, store_i16_rounds_to_even_and_saturates) {
  for (const SimdProbe& p : probes())
    for (const float start : {-1e9F, -32770.0F, -32767.5F, -4.0F, -0.5F, 0.5F, 32764.5F, 32767.5F, 1e9F})
      for (const float step : {0.25F, 0.5F, 1.0F, 12345.0F}) {
        float x[16];
        std::int16_t found[17];
        found[p.lanes] = 77;
        for (int i = 0; i < p.lanes; ++i) x[i] = start + step * static_cast<float>(i);
        p.store_i16(found, x);
        for (int i = 0; i < p.lanes; ++i)
          ASSERT_EQ(found[i], std::nearbyint(std::min(32767.0F, std::max(-32768.0F, x[i])))) << p.name;
        ASSERT_EQ(found[p.lanes], 77) << p.name << ": wrote too much";
      }
}

}  // namespace
}  // namespace core
