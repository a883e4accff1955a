#include "src/input/conversation.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <utility>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

namespace fs = std::filesystem;

// Walks over the JSON of a conversation and remembers where it is, for messages.
class Reader {
 public:
  Reader(std::string folder, std::string_view name) : folder_(std::move(folder)), where_(name) {}

  Conversation conversation(const Json& json) {
    Conversation out;
    const Json* messages = &json;
    if (json.is_object()) {
      messages = value(json, {"messages"});
      if (messages == nullptr) fail("has no messages");
      if (const Json* tools = value(json, {"tools"})) {
        if (!tools->is_array()) fail("tools is ", tools->type_name(), ", wanted an array");
        out.tools = *tools;
      }
      out.add_vision_id = flag(json, "add_vision_id", out.add_vision_id);
      out.add_generation_prompt = flag(json, "add_generation_prompt", out.add_generation_prompt);
    }
    if (!messages->is_array())
      fail("is ", messages->type_name(), ", wanted an array of messages or an object with messages");
    const std::string outer = where_;
    for (std::size_t i = 0; i < messages->size(); ++i) {
      where_ = outer + ": message " + std::to_string(i + 1);
      out.messages.push_back(message((*messages)[i]));
    }
    return out;
  }

 private:
  template <class... T>
  [[noreturn]] void fail(const T&... part) const {
    core::fail(where_, ": ", part...);
  }
  // The first of the keys that is there and not null.
  static const Json* value(const Json& object, std::initializer_list<const char*> keys) {
    for (const char* key : keys)
      if (const auto found = object.find(key); found != object.end() && !found->is_null()) return &*found;
    return nullptr;
  }
  bool flag(const Json& object, const char* key, bool fallback) const {
    const Json* found = value(object, {key});
    if (found == nullptr) return fallback;
    if (!found->is_boolean()) fail(key, " is ", found->type_name(), ", wanted true or false");
    return found->get<bool>();
  }
  std::string text(const Json& json, const char* name) const {
    if (!json.is_string()) fail(name, " is ", json.type_name(), ", wanted a string");
    return json.get<std::string>();
  }
  int count(const Json& json, const char* name) const {
    if (!json.is_number_unsigned() || json.get<std::uint64_t>() > 1'000'000'000U)
      fail(name, " is ", json.is_number() ? json.dump() : json.type_name(), ", wanted a whole number from 0");
    return json.get<int>();
  }

  Message message(const Json& json) const {
    if (!json.is_object()) fail("is ", json.type_name(), ", wanted an object");
    const Json* role = value(json, {"role"});
    if (role == nullptr) fail("has no role");
    Message out{.role = text(*role, "role")};
    constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};
    if (std::find(kRoles.begin(), kRoles.end(), out.role) == kRoles.end())
      fail("the role is ", out.role, ", wanted system, user, assistant or tool");
    if (const Json* content = value(json, {"content"})) {
      if (content->is_string()) {
        out.content.push_back({.text = content->get<std::string>()});
      } else {
        if (!content->is_array()) fail("content is ", content->type_name(), ", wanted a string or an array");
        for (const Json& entry : *content) out.content.push_back(part(entry));
      }
    }
    if (const Json* reasoning = value(json, {"reasoning_content", "thinking", "reasoning"}))
      out.reasoning_content = text(*reasoning, "reasoning_content");
    if (const Json* calls = value(json, {"tool_calls"})) {
      if (!calls->is_array()) fail("tool_calls is ", calls->type_name(), ", wanted an array");
      for (const Json& call : *calls) check_call(call);
      out.tool_calls = *calls;
    }
    return out;
  }

  void check_call(const Json& call) const {
    if (!call.is_object()) fail("a tool call is ", call.type_name(), ", wanted an object");
    const Json* function = value(call, {"function"});
    if (function == nullptr) function = &call;
    if (!function->is_object())
      fail("a tool call's function is ", function->type_name(), ", wanted an object");
    const Json* name = value(*function, {"name"});
    if (name == nullptr) fail("a tool call has no name");
    text(*name, "a tool call's name");
    if (!function->contains("arguments")) fail("a tool call has no arguments");
  }

  ContentPart part(const Json& json) const {
    if (!json.is_object()) fail("a part of the content is ", json.type_name(), ", wanted an object");
    std::string type;
    if (const Json* found = value(json, {"type"})) type = text(*found, "type");
    if (type == "image" || json.contains("image") || json.contains("image_url")) {
      const Json* source = value(json, {"image", "image_url", "path", "url"});
      if (source == nullptr) fail("a part of type image names no file (key image)");
      return {.kind = ContentPart::Kind::image, .image = path(*source, "image")};
    }
    if (type == "video" || json.contains("video") || json.contains("video_url"))
      return {.kind = ContentPart::Kind::video, .video = video(json)};
    const Json* words = value(json, {"text"});
    if (words == nullptr)
      fail("a part of the content has the type \"", type, "\", wanted text, image or video");
    return {.text = text(*words, "text")};
  }

  // A string, or an object {"url": string}.
  std::string path(const Json& json, const char* name) const {
    const Json* inner = json.is_object() ? value(json, {"url"}) : &json;
    if (inner == nullptr) fail(name, " is an object without url");
    std::string out = text(*inner, name);
    for (const std::string_view scheme : {"http://", "https://", "data:"})
      if (out.starts_with(scheme))
        fail(name, " is the address ", out.substr(0, 60),
             ", wanted the path of a file: nothing is downloaded");
    constexpr std::string_view kFile = "file://";
    if (out.starts_with(kFile)) out.erase(0, kFile.size());
    if (out.empty()) fail(name, " is an empty path");
    return fs::path(out).is_absolute() ? out : (fs::path(folder_) / out).string();
  }

  VideoPart video(const Json& json) const {
    VideoPart out;
    const Json* source = value(json, {"video", "video_url", "path", "url"});
    if (source == nullptr) fail("a part of type video names no frames (key video)");
    if (source->is_array()) {
      for (const Json& frame : *source) out.frames.push_back(path(frame, "video"));
      if (out.frames.empty()) fail("video is an empty list of frames");
    } else {
      out.frames = files_of(path(*source, "video"));
    }
    if (const Json* fps = value(json, {"fps"})) {
      if (!fps->is_number() || !(fps->get<double>() > 0))
        fail("fps is ", shown(*fps), ", wanted a number over 0");
      out.fps = fps->get<double>();
    }
    out.sample = flag(json, "sample", false);
    if (const Json* indices = value(json, {"frames_indices"})) {
      if (!indices->is_array()) fail("frames_indices is ", indices->type_name(), ", wanted an array");
      for (const Json& index : *indices) out.frames_indices.push_back(count(index, "frames_indices"));
    }
    if (const Json* total = value(json, {"total_num_frames"}))
      out.total_num_frames = count(*total, "total_num_frames");
    return out;
  }

  static std::string shown(const Json& json) { return json.is_number() ? json.dump() : json.type_name(); }

  // The files of a folder in the order of their names, or the file itself.
  std::vector<std::string> files_of(const std::string& source) const {
    std::error_code error;
    if (!fs::is_directory(source, error)) return {source};
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(source, error))
      if (entry.is_regular_file(error)) out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    if (out.empty()) fail("the folder ", source, " holds no files, wanted the frames of a video");
    return out;
  }

  std::string folder_;
  std::string where_;
};

}  // namespace

Conversation parse_conversation(std::string_view json, const std::string& folder, std::string_view name) {
  try {
    return Reader(folder, name).conversation(Json::parse(json));
  } catch (const nlohmann::json::exception& e) {
    core::fail(name, ": is no valid JSON: ", e.what());
  }
}

Conversation read_conversation(const std::string& path) {
  const core::MappedFile file(path);
  const auto bytes = file.bytes();
  return parse_conversation({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                            fs::path(path).parent_path().string(), path);
}

}  // namespace tarsier
