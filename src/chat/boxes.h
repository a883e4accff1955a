// Boxes and points in a picture: in its pixels, and drawn on it. grounding.h reads them out of an answer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/input/image.h"
#include "src/input/media.h"

namespace tarsier::chat {

// x and y as the model gives them: 0..1000 of the picture's width and height.
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
  std::string label;
  bool point = false;          // left == right, top == bottom
  std::optional<double> time;  // in a clip, seconds
};

struct PixelBox {
  int left, top, right, bottom;  // the last column and row are part of it
};
// In pixels of a picture of this size, inside it, left <= right and top <= bottom.
PixelBox to_pixels(const Box& box, int width, int height);

// The colour of the n-th box.
std::array<std::uint8_t, 3> box_colour(std::size_t n);

// Boxes that are seen in one frame of a clip.
struct FrameBoxes {
  std::size_t frame;  // its place in Media::frames_indices
  int number;         // of it in the clip's source
  double seconds;     // when it is shown
  std::vector<Box> boxes;
};
// By the frame that is nearest to each box's time, in the order of the frames; those without a time belong to
// the first.
std::vector<FrameBoxes> boxes_by_frame(const Media& clip, const std::vector<Box>& boxes);

// Frames, and discs for points; one colour each.
void draw_boxes(Image& image, const std::vector<Box>& boxes);

}  // namespace tarsier::chat
