// Reads conversations. Everything is checked here, with the number of the message and the part in the error.
#include "src/input/conversation.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/input/picture_source.h"

namespace tarsier {
namespace {

constexpr int kMaxDepth = 200;  // of brackets: what walks over a value calls itself

// Where we are, and errors that say so.
struct Place {
  std::string name;
  const std::string* folder;

  Place at(std::string_view what, std::size_t index) const {
    return {name + std::string(what) + std::to_string(index + 1), folder};
  }
  template <class... T>
  void require(bool ok, const T&... part) const {
    core::require(ok, name, ": ", part...);
  }
};

const Json* find(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

std::string string_of(const Place& place, const Json& value, std::string_view key) {
  place.require(value.is_string(), key, " is ", value.type_name(), ", wanted a string");
  return value.get<std::string>();
}

bool bool_of(const Place& place, const Json& object, const char* key, bool otherwise) {
  const Json* value = find(object, key);
  if (value == nullptr) return otherwise;
  place.require(value->is_boolean(), key, " is ", value->type_name(), ", wanted true or false");
  return value->get<bool>();
}

int count_of(const Place& place, const Json& value, std::string_view key, int least) {
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  place.require(
      value.is_number_integer() && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= kMost,
      key, " is ", value.dump(), ", wanted a whole number from ", least, " to ", kMost);
  return value.get<int>();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) {
      out += text[i];
    } else {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

// Where a picture is, from a path, a file:// address, - or a data URI.
std::string path_of(const Place& place, const Json& value, std::string_view key) {
  std::string text = string_of(place, value, key);
  place.require(!text.empty(), key, " is empty, wanted the path of a file");
  place.require(text.find('\0') == std::string::npos, key, " has a zero byte in its path");
  for (const std::string_view scheme : {"http:", "https:", "ftp:", "s3:"})
    place.require(!text.starts_with(scheme), key, " is ", text.substr(0, 80),
                  ", wanted the path of a file or a data URI: nothing is fetched");
  if (!is_file_path(text)) return text;
  constexpr std::string_view kFile = "file://";
  if (text.starts_with(kFile)) {
    text = percent_decoded(std::string_view(text).substr(kFile.size()));
    if (text.starts_with("localhost/")) text.erase(0, std::string_view("localhost").size());
  }
  const std::filesystem::path path(text);
  return path.is_absolute() || place.folder->empty() ? text
                                                     : (std::filesystem::path(*place.folder) / path).string();
}

// The first of the keys that is there: a path, a list of paths, or {"url": path}.
const Json& source_of(const Place& place, const Json& part, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const Json* value = find(part, key)) {
      if (!value->is_object()) return *value;
      const Json* url = find(*value, "url");
      place.require(url != nullptr, key, " is an object without url");
      return *url;
    }
  core::fail(place.name, ": no path: wanted one of \"", *keys.begin(), "\", \"path\" and \"url\"");
}

std::optional<double> number_of(const Place& place, const Json& object, const char* key, bool zero) {
  const Json* value = find(object, key);
  if (value == nullptr) return std::nullopt;
  const bool fits = value->is_number() && std::isfinite(value->get<double>()) &&
                    (value->get<double>() > 0 || (zero && value->get<double>() == 0));
  place.require(fits, key, " is ", value->dump(), ", wanted a number ", zero ? "of at least 0" : "over 0");
  return value->get<double>();
}

template <class T>
std::optional<T> whole_of(const Place& place, const Json& object, const char* key) {
  const Json* value = find(object, key);
  if (value == nullptr) return std::nullopt;
  return count_of(place, *value, key, 1);
}

// In the words of qwen-vl-utils, as those of clips below.
PixelWish parse_pixels(const Place& place, const Json& part) {
  const PixelWish out{.min_pixels = whole_of<std::int64_t>(place, part, "min_pixels"),
                      .max_pixels = whole_of<std::int64_t>(place, part, "max_pixels")};
  place.require(!out.min_pixels || !out.max_pixels || *out.min_pixels <= *out.max_pixels, "min_pixels is ",
                out.min_pixels.value_or(0), ", more than max_pixels, ", out.max_pixels.value_or(0));
  return out;
}

ClipOptions parse_clip_options(const Place& place, const Json& part) {
  const PixelWish frame = parse_pixels(place, part);
  return {.fps = number_of(place, part, "fps", false),
          .min_frames = whole_of<int>(place, part, "min_frames"),
          .max_frames = whole_of<int>(place, part, "max_frames"),
          .max_pixels = whole_of<std::int64_t>(place, part, "total_pixels"),
          .frame_min_pixels = frame.min_pixels,
          .frame_max_pixels = frame.max_pixels,
          .start = number_of(place, part, "video_start", true),
          .end = number_of(place, part, "video_end", true),
          .frame_rate = number_of(place, part, "frame_rate", false)};
}

VideoPart parse_video(const Place& place, const Json& part) {
  VideoPart video;
  const Json& source = source_of(place, part, {"video", "video_url", "path", "url"});
  video.options = parse_clip_options(place, part);
  if (!source.is_array()) {
    video.file = path_of(place, source, "video");
    return video;
  }
  place.require(!source.empty(), "video has no frames");
  for (const Json& frame : source) video.frames.push_back(path_of(place, frame, "a frame of the video"));
  video.fps = std::exchange(video.options.fps, std::nullopt);  // of these frames, not what to take of them
  video.sample = bool_of(place, part, "sample", false);
  if (const Json* indices = find(part, "frames_indices")) {
    place.require(indices->is_array(), "frames_indices is ", indices->type_name(), ", wanted a list");
    for (const Json& index : *indices)
      video.frames_indices.push_back(count_of(place, index, "an index of frames_indices", 0));
    place.require(video.sample || video.frames_indices.size() == video.frames.size(), "frames_indices has ",
                  video.frames_indices.size(), " numbers for ", video.frames.size(), " frames");
  }
  if (const Json* total = find(part, "total_num_frames"))
    video.total_num_frames = count_of(place, *total, "total_num_frames", 1);
  return video;
}

ContentPart parse_part(const Place& place, const Json& part) {
  place.require(part.is_object(), "is ", part.type_name(), ", wanted an object with \"type\"");
  std::string type;
  if (const Json* stated = find(part, "type")) {
    type = string_of(place, *stated, "type");
  } else {  // the template looks at the keys, too
    for (const char* key : {"image", "image_url", "video", "video_url", "text"})
      if (type.empty() && part.contains(key)) type = key;
    place.require(!type.empty(), "has no type, wanted text, image or video");
  }
  ContentPart out;
  if (type == "text") {
    const Json* text = find(part, "text");
    place.require(text != nullptr, "is of type text without a text");
    out.text = string_of(place, *text, "text");
  } else if (type == "image" || type == "image_url") {
    out.kind = ContentPart::Kind::image;
    out.image = path_of(place, source_of(place, part, {"image", "image_url", "path", "url"}), "image");
    out.pixels = parse_pixels(place, part);
  } else if (type == "video" || type == "video_url") {
    out.kind = ContentPart::Kind::video;
    out.video = parse_video(place, part);
  } else {
    core::fail(place.name, ": type \"", type, "\", wanted text, image or video");
  }
  return out;
}

Message parse_message(const Place& place, const Json& json) {
  place.require(json.is_object(), "is ", json.type_name(), ", wanted an object with role and content");
  Message out;
  const Json* role = find(json, "role");
  place.require(role != nullptr, "has no role");
  out.role = string_of(place, *role, "role");
  place.require(out.role == "system" || out.role == "user" || out.role == "assistant" || out.role == "tool",
                "role \"", out.role, "\", wanted system, user, assistant or tool");
  if (const Json* calls = find(json, "tool_calls")) {
    place.require(calls->is_array(), "tool_calls is ", calls->type_name(), ", wanted a list");
    out.tool_calls = *calls;
  }
  if (const Json* reasoning = find(json, "reasoning_content"))
    out.reasoning_content = string_of(place, *reasoning, "reasoning_content");
  const Json* content = find(json, "content");
  if (content == nullptr) {  // usual beside tool calls
    place.require(out.role == "assistant", "has no content");
  } else if (content->is_string()) {
    out.content.push_back({.text = content->get<std::string>()});
  } else {
    place.require(content->is_array(), "content is ", content->type_name(),
                  ", wanted a string or a list of parts");
    for (std::size_t i = 0; i < content->size(); ++i)
      out.content.push_back(parse_part(place.at(", part ", i), (*content)[i]));
  }
  return out;
}

}  // namespace

Conversation parse_conversation(std::string_view json, const std::string& folder, std::string_view name) {
  const Place file{std::string(name), &folder};
  const auto check_depth = [&](int depth, Json::parse_event_t, Json&) {
    file.require(depth <= kMaxDepth, "brackets nest deeper than ", kMaxDepth);
    return true;
  };
  Json root;
  try {
    root = Json::parse(json.begin(), json.end(), check_depth);
  } catch (const Json::exception& e) {
    core::fail(file.name, ": not JSON: ", std::string_view(e.what()));
  }
  Conversation out;
  const Json* messages = &root;
  if (root.is_object()) {
    messages = find(root, "messages");
    file.require(messages != nullptr, "no \"messages\" in it");
    if (const Json* tools = find(root, "tools")) {
      file.require(tools->is_array(), "tools is ", tools->type_name(), ", wanted a list");
      out.tools = *tools;
    }
    out.add_vision_id = bool_of(file, root, "add_vision_id", out.add_vision_id);
    out.add_generation_prompt = bool_of(file, root, "add_generation_prompt", out.add_generation_prompt);
  }
  file.require(messages->is_array(), "messages is ", messages->type_name(), ", wanted a list");
  for (std::size_t i = 0; i < messages->size(); ++i)
    out.messages.push_back(parse_message(file.at(": message ", i), (*messages)[i]));
  return out;
}

Conversation read_conversation(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  core::require(file.good(), path, ": cannot be opened");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  core::require(!file.bad(), path, ": cannot be read");
  return parse_conversation(text, std::filesystem::path(path).parent_path().string(), path);
}

}  // namespace tarsier
