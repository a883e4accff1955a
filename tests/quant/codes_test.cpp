// Codes and scales as integers: every format against the gguf package's weights, the ranges that kernels rely
// on, and the grids.
#include "ggml-like-core/quant/codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "ggml-like-core/quant/formats.h"

namespace core {
namespace {

// f.template operator()<Q>() for every format that has codes.
template <class F>
void for_each_coded(const F& f) {
  AllFormats::for_each([&]<class Q>() {
    if constexpr (Q::block_len > 1) f.template operator()<Q>();
  });
}

template <class Q>
struct Decoded {
  using Codes = CodesOf<Q>;
  explicit Decoded(const typename Q::Block& b) : scale(Codes::scale(b)) {
    Codes::codes(codes, b);
    std::fill(std::begin(sub_scales), std::end(sub_scales), std::int8_t{1});
    std::fill(std::begin(sub_mins), std::end(sub_mins), std::int8_t{1});
    if constexpr (Codes::has_sub_scales) Codes::sub_scales(sub_scales, b);
    if constexpr (Codes::has_min) min_scale = Codes::min_scale(b);
    if constexpr (Codes::has_min && Codes::has_sub_scales) Codes::sub_mins(sub_mins, b);
  }
  float weight(int i) const {
    const int g = i / Codes::group;
    const double product = static_cast<double>(scale) * sub_scales[g] * codes[i];
    return static_cast<float>(product - static_cast<double>(min_scale) * sub_mins[g]);
  }
  float scale;
  float min_scale = 0;
  std::int8_t sub_scales[Codes::groups];
  std::int8_t sub_mins[Codes::groups];
  std::int8_t codes[Q::block_len];
};

template <class Q>
std::vector<typename Q::Block> fixture_blocks() {
  std::ifstream in(std::string(TARSIER_TEST_DATA "/formats-gguf/") + Q::name + ".blocks", std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(in), {});
  std::vector<typename Q::Block> blocks(bytes.size() / sizeof(typename Q::Block));
  if (!blocks.empty()) std::memcpy(blocks.data(), bytes.data(), bytes.size());
  return blocks;
}

// In double every product is exact and one rounding is left: so it is in f32, whatever the order.
TEST(Codes, times_scales_are_the_weights_that_gguf_gives_bit_for_bit) {
  for_each_coded([]<class Q>() {
    if (info(Q::dtype).is_own()) return;  // reference_test.cpp spells these out
    const auto blocks = fixture_blocks<Q>();
    ASSERT_GE(blocks.size(), 4U) << Q::name;
    std::ifstream in(std::string(TARSIER_TEST_DATA "/formats-gguf/") + Q::name + ".weights",
                     std::ios::binary);
    for (const auto& block : blocks) {
      const Decoded<Q> decoded(block);
      for (int i = 0; i < Q::block_len; ++i) {
        float expected = 0;
        in.read(reinterpret_cast<char*>(&expected), sizeof expected);
        ASSERT_EQ(decoded.weight(i), expected) << Q::name << " weight " << i;
      }
    }
    EXPECT_TRUE(in.good()) << Q::name;
  });
}

TEST(Codes, stay_within_their_bounds_and_reach_them) {
  for_each_coded([]<class Q>() {
    std::mt19937 rng(1);
    int least = 127;
    int most = -128;
    for (int trial = 0; trial < 2000; ++trial) {
      typename Q::Block block;
      auto* bytes = reinterpret_cast<unsigned char*>(&block);
      for (std::size_t i = 0; i < sizeof block; ++i) bytes[i] = static_cast<unsigned char>(rng());
      const Decoded<Q> decoded(block);
      for (const std::int8_t code : decoded.codes) {
        least = std::min<int>(least, code);
        most = std::max<int>(most, code);
      }
      for (const std::int8_t min : decoded.sub_mins) ASSERT_GE(min, 0) << Q::name;
    }
    // TQ1_0 counts to 2 only; the two ternary formats share their bounds.
    EXPECT_EQ(least, CodesOf<Q>::least_code) << Q::name;
    EXPECT_EQ(most, Q::dtype == DType::tq1_0 ? 1 : CodesOf<Q>::most_code) << Q::name;
  });
}

template <class Value, int kPoints, int kLength>
void expect_grid(const Grid<Value, kPoints, kLength>& grid, const std::string& name) {
  std::ifstream in(TARSIER_TEST_DATA "/formats-gguf/grids.txt");
  for (std::string found; in >> found;) {
    int points = 0;
    int length = 0;
    std::uint64_t hash = 0;
    in >> std::dec >> points >> length >> std::hex >> hash;
    if (found != name) continue;
    EXPECT_EQ(points, kPoints) << name;
    EXPECT_EQ(length, kLength) << name;
    std::uint64_t value = 0xcbf29ce484222325U;  // FNV-1a
    for (const auto& point : grid.point)
      for (const Value coordinate : point)
        value = (value ^ static_cast<std::uint8_t>(coordinate)) * 0x100000001b3U;
    EXPECT_EQ(value, hash) << name;
    return;
  }
  ADD_FAILURE() << "grids.txt does not know " << name;
}

TEST(Grids, are_those_of_gguf) {
  expect_grid(grid_iq2_xxs, "iq2_xxs");
  expect_grid(grid_iq2_xs, "iq2_xs");
  expect_grid(grid_iq2_s, "iq2_s");
  expect_grid(grid_iq3_xxs, "iq3_xxs");
  expect_grid(grid_iq3_s, "iq3_s");
  expect_grid(grid_iq1, "iq1");
}

}  // namespace
}  // namespace core
