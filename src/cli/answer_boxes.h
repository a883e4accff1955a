// What run does with the boxes, points and events of an answer: JSON on standard output, or a drawn picture.
#pragma once

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/chat/grounding.h"
#include "src/input/image.h"
#include "src/input/prompt.h"

namespace tarsier::cli {

struct BoxesFlags {
  std::vector<std::string> to;  // "json", or names of PNG files

  bool json() const;
  std::vector<std::string> files() const;
};
void add_boxes_flag(CLI::App& app, BoxesFlags& flags);

// As chat::to_json, with width and height. Pixels are those of the pictures and clips of the prompt as they
// were given; where these differ in size there are none, since nobody knows which is meant. Where the prompt
// has one clip and nothing else to see, what has a time also gets "frame" and "frame_time": the frame looked
// at that is nearest, by its number in the clip, and when it is shown.
nlohmann::ordered_json boxes_json(const chat::Grounding& found, const Prompt& prompt);

// Draws the boxes and points on the picture, read with options, into the PNG file at path, and notes where
// they are. Error: the picture cannot be read, the file cannot be written.
void draw_boxes(const chat::Grounding& found, const std::string& picture, const ImageOptions& options,
                const std::string& path);
// The same on the frame of a clip that is nearest to their time; several frames go to files of their own.
void draw_boxes(const chat::Grounding& found, const Media& clip, const std::string& path);

// "red circle at 10,20 .. 30,40", in pixels of the image.
std::string place_text(const chat::Box& box, const Image& image);
// "frame 12, at 1.5 s".
std::string frame_text(const chat::FrameBoxes& frame);
// "boxes.png" -> "boxes-12.png".
std::string frame_path(const std::string& path, const chat::FrameBoxes& frame);

}  // namespace tarsier::cli
