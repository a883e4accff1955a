// Boxes out of what a model says, and frames on a picture.
#include "src/chat/boxes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace {

using tarsier::chat::Box;
using tarsier::chat::parse_boxes;
using tarsier::chat::to_pixels;

TEST(Boxes, are_read_from_the_models_answer) {
  const auto boxes = parse_boxes(
      R"([{"bbox_2d": [155, 124, 452, 590], "label": "orange star"}, {"bbox_2d": [544, 154.5, 900, 620], "label": "white square"}])");
  ASSERT_EQ(boxes.size(), 2U);
  EXPECT_EQ(boxes[0].label, "orange star");
  EXPECT_EQ(boxes[0].left, 155);
  EXPECT_EQ(boxes[0].bottom, 590);
  EXPECT_EQ(boxes[1].top, 154.5);
  EXPECT_EQ(boxes[1].label, "white square");
}

TEST(Boxes, may_stand_in_other_text_and_need_no_label) {
  const auto boxes = parse_boxes("Here:\n```json\n{\"bbox_2d\": [1, 2, 3, 4]}\n```\nDone {really}.");
  ASSERT_EQ(boxes.size(), 1U);
  EXPECT_EQ(boxes[0].label, "");
}

TEST(Boxes, that_are_cut_off_or_not_boxes_are_passed_over) {
  EXPECT_TRUE(parse_boxes("").empty());
  EXPECT_TRUE(parse_boxes("A white star.").empty());
  EXPECT_TRUE(parse_boxes(R"({"bbox_2d": [1, 2, 3], "label": "x"})").empty());
  EXPECT_TRUE(parse_boxes(R"({"bbox_2d": [1, 2, "3", 4]})").empty());
  EXPECT_TRUE(parse_boxes(R"({"bbox_2d": 7})").empty());
  EXPECT_EQ(parse_boxes(R"([{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [54, 4)").size(), 1U);
  EXPECT_EQ(parse_boxes(R"({"bbox_2d": [1, 2, 3, 4], "label": 5})").at(0).label, "");
}

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

TEST(Boxes, points_are_read_and_drawn) {
  const auto points =
      parse_boxes(R"([{"point_2d": [500, 500], "label": "p"}, {"point_2d": [1]}, {"point_2d": [0, 1000]}])");
  ASSERT_EQ(points.size(), 2U);
  EXPECT_TRUE(points[0].point);
  EXPECT_EQ(points[0].label, "p");
  tarsier::Image image{.width = 40, .height = 20, .rgb = std::vector<std::uint8_t>(40 * 20 * 3, 7)};
  tarsier::chat::draw_boxes(image, points);
  const auto pixel = [&](int x, int y) { return image.rgb[static_cast<std::size_t>(y * 40 + x) * 3]; };
  EXPECT_EQ(pixel(20, 10), tarsier::chat::box_colour(0)[0]);
  EXPECT_EQ(pixel(0, 19), tarsier::chat::box_colour(1)[0]);
  EXPECT_EQ(pixel(10, 2), 7);
}

}  // namespace
