// A conversation in transformers' form: roles with parts of text, pictures and clips, tool calls and tools.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/media.h"

namespace tarsier {

using Json = nlohmann::ordered_json;  // keeps the order of keys, which tools are printed in

struct ContentPart {
  enum class Kind { text, image, video };
  Kind kind = Kind::text;
  std::string text;   // text
  std::string image;  // path, - or data URI, as read_picture takes it
  PixelWish pixels;   // of the image
  VideoPart video;
};

// NOLINTNEXTLINE(bugprone-exception-escape): of the JSON library, which aborts and never throws there
struct Message {
  std::string role;  // system, user, assistant, tool
  std::vector<ContentPart> content;
  std::string reasoning_content;  // of an assistant's turn of a Thinking model
  Json tool_calls;                // array, or null
};

// NOLINTNEXTLINE(bugprone-exception-escape): as above
struct Conversation {
  std::vector<Message> messages;
  Json tools;                  // array, or null
  bool add_vision_id = false;  // "Picture 1: " before each picture
  bool add_generation_prompt = true;
};

// From the text of a JSON file: a list of messages, or {"messages": [...], "tools": [...], "add_vision_id":
// ...}. folder: what relative paths of pictures are relative to. name: for messages. Error: who, what, found,
// wanted (roles, parts, types).
Conversation parse_conversation(std::string_view json, const std::string& folder, std::string_view name);
// The file at path; pictures are relative to its folder.
Conversation read_conversation(const std::string& path);

}  // namespace tarsier
