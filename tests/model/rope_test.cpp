// Which axis each frequency takes.
#include "src/model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/safetensors_file.h"

namespace {

TEST(TextRope, frequencies_take_the_axes_that_transformers_gives_them) {
  for (const auto& c : test::read_json(std::string(TARSIER_TEST_DATA) + "/vectors/mrope_layout.json")) {
    SCOPED_TRACE(c.dump());
    const int head_dim = c.at("head_dim").get<int>();
    const auto section = c.at("mrope_section").get<std::vector<int>>();
    const auto axes = c.at("axis_of_frequency").get<std::string>();
    ASSERT_EQ(axes.size(), static_cast<std::size_t>(head_dim) / 2);
    const tarsier::TextRope rope(10000.0, head_dim, section);
    const std::vector<float> frequency = tarsier::rope_frequencies(10000.0, head_dim);
    const std::int32_t position[3] = {3, 50, 700};
    std::vector<float> cos(static_cast<std::size_t>(head_dim));
    std::vector<float> sin(cos.size());
    rope.table(cos.data(), sin.data(), position[0], position[1], position[2]);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const float angle = static_cast<float>(position[std::string("thw").find(axes[i])]) * frequency[i];
      EXPECT_EQ(cos[i], std::cos(angle)) << i;
      EXPECT_EQ(sin[i + axes.size()], std::sin(angle)) << i;
    }
  }
}

TEST(TextRope, without_sections_all_frequencies_take_the_first_number_and_factors_divide_them) {
  const std::vector<float> factors = {1, 2, 8, 3};
  const tarsier::TextRope rope(500000.0, 8, {}, factors);
  const std::vector<float> frequency = tarsier::rope_frequencies(500000.0, 8);
  std::vector<float> cos(8);
  std::vector<float> sin(8);
  rope.table(cos.data(), sin.data(), 77, 5, 6);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(cos[i], std::cos(77.0F * (frequency[i] / factors[i]))) << i;
    EXPECT_EQ(sin[i + 4], std::sin(77.0F * (frequency[i] / factors[i]))) << i;
  }
}

}  // namespace
