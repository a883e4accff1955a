#include "src/cli/answer_boxes.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

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

void draw_and_save(Image image, const std::vector<chat::Box>& boxes, const std::string& path) {
  chat::draw_boxes(image, boxes);
  const auto bytes = encode_png(image);
  core::OutputFile out(path, bytes.size());
  out.append(bytes);
  out.commit();
  for (const chat::Box& box : boxes) note(path + ": " + place_text(box, image));
  if (boxes.empty()) note(path + ": the answer holds no boxes");
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
         "and seconds and frames of the clip; else a PNG file to draw boxes and points into, of a clip on "
         "the frame of their time (several frames: FILE-12.png, with the frame's number); again for both")
      ->type_name("json|FILE.png")
      ->allow_extra_args(false);
}

nlohmann::ordered_json boxes_json(const chat::Grounding& found, const Prompt& prompt) {
  const Size size = common_size(prompt);
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  if (size != Size{}) out = {{"width", size.width}, {"height", size.height}};
  out.update(chat::to_json(found, size.width, size.height));
  if (prompt.videos.size() != 1 || !prompt.images.empty()) return out;
  const Media& clip = prompt.videos.front();
  for (const char* list : {"boxes", "points"})
    for (auto& one : out[list]) {
      if (!one.contains("time")) continue;
      const std::size_t frame = frame_at(clip, one["time"].get<double>());
      one["frame"] = clip.frames_indices[frame];
      one["frame_time"] = clip.frame_seconds[frame];
    }
  return out;
}

void draw_boxes(const chat::Grounding& found, const std::string& picture, const ImageOptions& options,
                const std::string& path) {
  draw_and_save(load_image(picture, options), found.boxes, path);
}

void draw_boxes(const chat::Grounding& found, const Media& clip, const std::string& path) {
  const std::vector<chat::FrameBoxes> frames = chat::boxes_by_frame(clip, found.boxes);
  for (const chat::FrameBoxes& one : frames) {
    const std::string name = frames.size() == 1 ? path : frame_path(path, one);
    note(name + ": " + frame_text(one));
    draw_and_save(frame_image(clip, one.frame), one.boxes, name);
  }
  if (frames.empty()) draw_and_save(frame_image(clip, 0), {}, path);
}

std::string place_text(const chat::Box& box, const Image& image) {
  const chat::PixelBox p = chat::to_pixels(box, image.width, image.height);
  const std::string name = box.label.empty() ? (box.point ? "point" : "box") : box.label;
  return box.point ? fmt::format("{} at {},{}", name, p.left, p.top)
                   : fmt::format("{} at {},{} .. {},{}", name, p.left, p.top, p.right, p.bottom);
}

std::string frame_text(const chat::FrameBoxes& frame) {
  return fmt::format("frame {}, at {:.1f} s", frame.number, frame.seconds);
}

std::string frame_path(const std::string& path, const chat::FrameBoxes& frame) {
  std::filesystem::path out(path);
  out.replace_filename(fmt::format("{}-{}{}", out.stem().string(), frame.number, out.extension().string()));
  return out.string();
}

}  // namespace tarsier::cli
