#include "src/chat/boxes.h"

#include <stb/stb_easy_font.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tarsier::chat {
namespace {

constexpr double kScale = 1000;  // of the model's coordinates
constexpr std::array<std::array<std::uint8_t, 3>, 6> kColours = {
    {{255, 0, 102}, {0, 200, 255}, {255, 200, 0}, {0, 220, 90}, {170, 90, 255}, {255, 120, 0}}};

int pixel(double coordinate, int size) {
  const double at = std::isfinite(coordinate) ? coordinate / kScale * size : 0;
  return static_cast<int>(std::clamp(std::round(at), 0.0, size - 1.0));
}

void fill(Image& image, PixelBox box, std::array<std::uint8_t, 3> colour) {
  for (int y = box.top; y <= box.bottom; ++y)
    for (int x = box.left; x <= box.right; ++x)
      std::copy(colour.begin(), colour.end(), image.rgb.begin() + (std::ptrdiff_t{y} * image.width + x) * 3);
}

void fill_disc(Image& image, int x, int y, int radius, std::array<std::uint8_t, 3> colour) {
  for (int down = -radius; down <= radius; ++down) {
    if (y + down < 0 || y + down >= image.height) continue;
    const int half =
        static_cast<int>(std::sqrt(static_cast<double>(radius) * radius - static_cast<double>(down) * down));
    fill(image, {std::max(x - half, 0), y + down, std::min(x + half, image.width - 1), y + down}, colour);
  }
}

// text with its upper left corner at (left, top), letters of 7 * scale pixels high. stb_easy_font knows
// ASCII.
void draw_text(Image& image, int left, int top, int scale, std::string text,
               std::array<std::uint8_t, 3> colour) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  struct Corner {
    float x, y, z;
    std::uint8_t colour[4];
  };
  std::vector<Corner> corners(text.size() * 70 +
                              4);  // the font's promise: 270 bytes a letter are enough for its quads
  const int quads = stb_easy_font_print(0, 0, text.data(), nullptr, corners.data(),
                                        static_cast<int>(corners.size() * sizeof(Corner)));
  for (int i = 0; i < quads; ++i) {
    const Corner& from = corners[static_cast<std::size_t>(i) * 4];
    const Corner& to = corners[static_cast<std::size_t>(i) * 4 + 2];
    const auto at = [&](float coordinate, int begin) { return begin + static_cast<int>(coordinate) * scale; };
    fill(image,
         {.left = std::max(at(from.x, left), 0),
          .top = std::max(at(from.y, top), 0),
          .right = std::min(at(to.x, left), image.width) - 1,
          .bottom = std::min(at(to.y, top), image.height) - 1},
         colour);
  }
}

}  // namespace

PixelBox to_pixels(const Box& box, int width, int height) {
  return {.left = pixel(std::min(box.left, box.right), width),
          .top = pixel(std::min(box.top, box.bottom), height),
          .right = pixel(std::max(box.left, box.right), width),
          .bottom = pixel(std::max(box.top, box.bottom), height)};
}

std::array<std::uint8_t, 3> box_colour(std::size_t n) { return kColours[n % kColours.size()]; }

std::vector<FrameBoxes> boxes_by_frame(const Media& clip, const std::vector<Box>& boxes) {
  std::map<std::size_t, std::vector<Box>> found;
  for (const Box& box : boxes) found[box.time ? frame_at(clip, *box.time) : 0].push_back(box);
  std::vector<FrameBoxes> out;
  out.reserve(found.size());
  for (auto& [frame, its] : found)
    out.push_back({frame, clip.frames_indices.at(frame), clip.frame_seconds.at(frame), std::move(its)});
  return out;
}

void draw_boxes(Image& image, const std::vector<Box>& boxes) {
  const int line =
      std::max(1, std::min(image.width, image.height) / 100);  // visible on a small and on a large picture
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const PixelBox b = to_pixels(boxes[i], image.width, image.height);
    if (boxes[i].point) {
      fill_disc(image, b.left, b.top, 2 * line + 1, box_colour(i));
      draw_text(image, b.left + 3 * line + 2, b.top, line, boxes[i].label, box_colour(i));
      continue;
    }
    const int across = std::min(line, b.right - b.left + 1) - 1;
    const int down = std::min(line, b.bottom - b.top + 1) - 1;
    fill(image, {b.left, b.top, b.right, b.top + down}, box_colour(i));
    fill(image, {b.left, b.bottom - down, b.right, b.bottom}, box_colour(i));
    fill(image, {b.left, b.top, b.left + across, b.bottom}, box_colour(i));
    fill(image, {b.right - across, b.top, b.right, b.bottom}, box_colour(i));
    // The label inside the upper left corner, where it cannot leave the picture.
    draw_text(image, b.left + line + 2, b.top + line + 2, line, boxes[i].label, box_colour(i));
  }
}

}  // namespace tarsier::chat
