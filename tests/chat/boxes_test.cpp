// Boxes in pixels, and frames on a picture.
#include "src/chat/boxes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace {

using tarsier::chat::Box;
using tarsier::chat::to_pixels;

TEST(Boxes, scale_from_thousandths_to_pixels_inside_the_picture) {
  const auto p = to_pixels({100, 250, 500, 1000, ""}, 200, 100);
  EXPECT_EQ(p.left, 20);
  EXPECT_EQ(p.top, 25);
  EXPECT_EQ(p.right, 100);
  EXPECT_EQ(p.bottom, 99);  // the last row
  const auto far =
      to_pixels({5000, 1e300, -70, -1e300, ""}, 200, 100);  // out of range and the wrong way round
  EXPECT_EQ(far.left, 0);
  EXPECT_EQ(far.top, 0);
  EXPECT_EQ(far.right, 199);
  EXPECT_EQ(far.bottom, 99);
}

TEST(Boxes, are_drawn_as_frames_and_leave_the_rest_alone) {
  constexpr int kWidth = 20;
  constexpr int kHeight = 10;
  tarsier::Image image{kWidth, kHeight, std::vector<std::uint8_t>(kWidth * kHeight * 3, 7)};
  tarsier::chat::draw_boxes(image, {{100, 200, 500, 800, ""}});  // columns 2..10, rows 2..8
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const bool inside = x >= 2 && x <= 10 && y >= 2 && y <= 8;
      const bool frame = inside && (x == 2 || x == 10 || y == 2 || y == 8);
      const auto* pixel = &image.rgb[static_cast<std::size_t>((y * kWidth + x) * 3)];
      const std::array<std::uint8_t, 3> found = {pixel[0], pixel[1], pixel[2]};
      const std::array<std::uint8_t, 3> background = {7, 7, 7};
      EXPECT_EQ(found, frame ? tarsier::chat::box_colour(0) : background) << x << ", " << y;
    }
}

TEST(Boxes, of_one_pixel_can_be_drawn) {
  tarsier::Image image{1, 1, {7, 7, 7}};
  tarsier::chat::draw_boxes(image, {{0, 0, 0, 0, ""}, {1000, 1000, 1000, 1000, ""}});
  EXPECT_EQ(image.rgb[0], tarsier::chat::box_colour(1)[0]);
}

TEST(Boxes, carry_their_label_inside_and_never_paint_outside_the_picture) {
  constexpr int kSide = 60;
  const auto painted = [&](const std::string& label, double left) {
    tarsier::Image image{kSide, kSide, std::vector<std::uint8_t>(kSide * kSide * 3, 7)};
    tarsier::chat::draw_boxes(image, {{left, 0, 1000, 1000, label}});
    return kSide * kSide * 3 - std::count(image.rgb.begin(), image.rgb.end(), 7);
  };
  EXPECT_GT(painted("star", 0), painted("", 0) + 30);
  EXPECT_GT(painted("a very long label that does not fit", 0), painted("star", 0));  // cut at the edge
  EXPECT_GE(painted("star", 990), painted("", 990));
  EXPECT_GT(painted("\xE6\x98\x9F", 0), painted("", 0));  // letters that the font lacks are question marks
}

TEST(Boxes, points_are_discs) {
  const std::vector<Box> points = {{500, 500, 500, 500, "p", true}, {0, 1000, 0, 1000, "", true}};
  tarsier::Image image{.width = 40, .height = 20, .rgb = std::vector<std::uint8_t>(40 * 20 * 3, 7)};
  tarsier::chat::draw_boxes(image, points);
  const auto pixel = [&](int x, int y) { return image.rgb[static_cast<std::size_t>(y * 40 + x) * 3]; };
  EXPECT_EQ(pixel(20, 10), tarsier::chat::box_colour(0)[0]);
  EXPECT_EQ(pixel(0, 19), tarsier::chat::box_colour(1)[0]);
  EXPECT_EQ(pixel(10, 2), 7);
}

TEST(Boxes, belong_to_the_frame_that_is_nearest_to_their_time) {
  tarsier::Media clip;
  clip.frames_indices = {0, 4, 8, 12};
  clip.frame_seconds = {0, 1, 2, 3};
  const auto at = [](double seconds, const char* label) {
    return Box{.right = 1, .label = label, .time = seconds};
  };
  const auto frames = tarsier::chat::boxes_by_frame(
      clip, {at(2.6, "last"), at(0.9, "one"), {.label = "no time"}, at(1.5, "tie"), at(99, "late")});
  ASSERT_EQ(frames.size(), 3U);
  const auto labels = [](const tarsier::chat::FrameBoxes& one) {
    std::string out;
    for (const Box& box : one.boxes) out += box.label + ";";
    return out;
  };
  EXPECT_EQ(frames[0].number, 0);
  EXPECT_EQ(labels(frames[0]), "no time;");
  EXPECT_EQ(frames[1].number, 4);
  EXPECT_EQ(frames[1].seconds, 1);
  EXPECT_EQ(labels(frames[1]), "one;tie;");
  EXPECT_EQ(frames[2].number, 12);
  EXPECT_EQ(labels(frames[2]), "last;late;");
}

}  // namespace
