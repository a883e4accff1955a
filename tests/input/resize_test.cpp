// The resampler equals torchvision on every vector, and a double-precision sum within one level.
#include "src/input/resize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ggml-like-core/base/error.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

const std::string kVectors = std::string(TARSIER_TEST_DATA) + "/vectors/";

// [channel][row][column], as torch stores pictures.
std::vector<std::uint8_t> planes(const Image& image) {
  std::vector<std::uint8_t> out(image.rgb.size());
  const std::size_t plane = out.size() / 3;
  for (std::size_t k = 0; k < plane; ++k) {
    for (std::size_t c = 0; c < 3; ++c) out[c * plane + k] = image.rgb[3 * k + c];
  }
  return out;
}

TEST(Resize, equals_torchvision_on_every_vector) {
  const auto rows = test::read_json(kVectors + "resize.json");
  const test::SafetensorsFile want(kVectors + "resize.safetensors");
  ASSERT_EQ(rows.size(), 10U);
  for (const auto& row : rows) {
    const auto name = std::to_string(row.at("case").get<int>()) + ".torchvision_uint8";
    SCOPED_TRACE(name);
    const Image image = load_image(kVectors + row.at("file").get<std::string>());
    const Image resized =
        resize_bicubic(image, row.at("resized").at(0).get<int>(), row.at("resized").at(1).get<int>());
    EXPECT_EQ((std::vector<std::int64_t>{3, resized.height, resized.width}), want.shape(name));
    EXPECT_TRUE(planes(resized) == want.u8(name));
  }
}

TEST(Resize, one_colour_stays_one_colour_at_every_size) {
  for (const int size : {1, 2, 3, 31, 32, 100, 700}) {
    Image image{size, 7, {}};
    for (int k = 0; k < size * 7; ++k) image.rgb.insert(image.rgb.end(), {255, 128, 1});
    for (const int target : {1, 5, 33, 640}) {
      const Image out = resize_bicubic(image, 9, target);
      ASSERT_EQ(out.rgb.size(), static_cast<std::size_t>(9 * target * 3));
      for (std::size_t k = 0; k < out.rgb.size(); k += 3) {
        ASSERT_EQ(out.rgb[k], 255);
        ASSERT_EQ(out.rgb[k + 1], 128);
        ASSERT_EQ(out.rgb[k + 2], 1);
      }
    }
  }
}

TEST(Resize, one_pass_is_within_a_level_of_the_exact_cubic_sum) {
  std::mt19937 random(3);
  const int width = 61;
  Image image{width, 1, std::vector<std::uint8_t>(std::size_t{width} * 3)};
  for (std::uint8_t& level : image.rgb) level = static_cast<std::uint8_t>(random());
  for (const int target : {7, 32, 60, 62, 200}) {
    const Image out = resize_bicubic(image, 1, target);
    const double scale = static_cast<double>(width) / target;
    const double stretch = std::max(scale, 1.0);
    for (int k = 0; k < target; ++k) {
      const double centre = (k + 0.5) * scale - 0.5;
      double sum = 0;
      double total = 0;
      for (int j = 0; j < width; ++j) {
        const double x = std::abs(j - centre) / stretch;
        // Keys' kernel with a = -1/2 (Keys 1981, equation 4).
        const double w = x < 1   ? 1.5 * x * x * x - 2.5 * x * x + 1
                         : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2
                                 : 0;
        sum += w * image.rgb[static_cast<std::size_t>(j) * 3];
        total += w;
      }
      // Half a level for rounding the result, and for the weights 255 * taps * 2^-14 at most, which is below
      // a half.
      EXPECT_NEAR(out.rgb[static_cast<std::size_t>(k) * 3], std::clamp(sum / total, 0.0, 255.0), 1.0)
          << target << " " << k;
    }
  }
}

TEST(Resize, refuses_empty_pictures_and_sizes) {
  EXPECT_THROW(resize_bicubic(Image{}, 4, 4), core::Error);
  const Image image{1, 1, {1, 2, 3}};
  EXPECT_THROW(resize_bicubic(image, 0, 4), core::Error);
  EXPECT_THROW(resize_bicubic(image, 4, -1), core::Error);
}

}  // namespace
}  // namespace tarsier
