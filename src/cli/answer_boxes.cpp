#include "src/cli/answer_boxes.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "ggml-like-core/base/output_file.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {
namespace {

constexpr const char* kJson = "json";

// Of all media of the prompt before they were resized; nothing where they differ.
Size common_size(const Prompt& prompt) {
  Size out{};
  for (const std::vector<Media>* list : {&prompt.images, &prompt.videos})
    for (const Media& media : *list) {
      if (out == Size{}) out = media.original;
      if (out != media.original) return {};
    }
  return out;
}

}  // namespace

bool BoxesFlags::json() const { return std::find(to.begin(), to.end(), kJson) != to.end(); }

std::vector<std::string> BoxesFlags::files() const {
  std::vector<std::string> out = to;
  std::erase(out, kJson);
  return out;
}

void add_boxes_flag(CLI::App& app, BoxesFlags& flags) {
  app.add_option(
         "--boxes,--save-boxes", flags.to,
         "json: print the answer's boxes, points and events as one JSON object, in pixels of the picture "
         "and seconds of the clip; else a PNG file to draw boxes and points into; again for both")
      ->type_name("json|FILE.png")
      ->allow_extra_args(false);
}

nlohmann::ordered_json boxes_json(const chat::Grounding& found, const Prompt& prompt) {
  const Size size = common_size(prompt);
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  if (size != Size{}) out = {{"width", size.width}, {"height", size.height}};
  out.update(chat::to_json(found, size.width, size.height));
  return out;
}

void draw_boxes(const chat::Grounding& found, const std::string& picture, const ImageOptions& options,
                const std::string& path) {
  Image image = load_image(picture, options);
  chat::draw_boxes(image, found.boxes);
  const auto bytes = encode_png(image);
  core::OutputFile out(path, bytes.size());
  out.append(bytes);
  out.commit();
  for (const chat::Box& box : found.boxes) {
    const chat::PixelBox p = chat::to_pixels(box, image.width, image.height);
    const std::string name = box.label.empty() ? (box.point ? "point" : "box") : box.label;
    note(box.point ? fmt::format("{}: {} at {},{}", path, name, p.left, p.top)
                   : fmt::format("{}: {} at {},{} .. {},{}", path, name, p.left, p.top, p.right, p.bottom));
  }
  if (found.boxes.empty()) note(path + ": the answer holds no boxes");
}

}  // namespace tarsier::cli
