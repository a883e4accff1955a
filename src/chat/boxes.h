// Boxes and points that a model writes into its answer, and drawing them on the picture.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/image.h"

namespace tarsier::chat {

// x and y as the model gives them: 0..1000 of the picture's width and height.
struct Box {
  double left, top, right, bottom;
  std::string label;
  bool point = false;  // left == right, top == bottom
};

// Every {"bbox_2d": [x0, y0, x1, y1], "label": ...} and {"point_2d": [x, y], ...} of the answer, in order.
// What stands around them, and objects that are cut off or not of this form, are passed over.
std::vector<Box> parse_boxes(std::string_view answer);

struct PixelBox {
  int left, top, right, bottom;  // the last column and row are part of it
};
// In pixels of a picture of this size, inside it, left <= right and top <= bottom.
PixelBox to_pixels(const Box& box, int width, int height);

// The colour of the n-th box.
std::array<std::uint8_t, 3> box_colour(std::size_t n);

// Frames, and discs for points; one colour each.
void draw_boxes(Image& image, const std::vector<Box>& boxes);

}  // namespace tarsier::chat
