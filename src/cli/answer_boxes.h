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
// were given; where these differ in size there are none, since nobody knows which is meant.
nlohmann::ordered_json boxes_json(const chat::Grounding& found, const Prompt& prompt);

// Draws the boxes and points on the picture, read with options, into the PNG file at path, and notes where
// they are. Error: the picture cannot be read, the file cannot be written.
void draw_boxes(const chat::Grounding& found, const std::string& picture, const ImageOptions& options,
                const std::string& path);

}  // namespace tarsier::cli
