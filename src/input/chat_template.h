// The chat template of the Qwen3-VL family, written as code.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/input/conversation.h"

namespace tarsier {

// Instruct and Thinking checkpoints differ in how they begin an answer and what they keep of earlier ones.
// none: there is no template. unknown: one that is not of this family (no <|im_start|>).
enum class TemplateKind { instruct, thinking, none, unknown };
// Told from the checkpoint's Jinja text.
TemplateKind template_kind(std::string_view jinja);
// The system message that the Jinja text puts before conversations that have none; empty: none.
std::string default_system(std::string_view jinja);

// A run of the rendered text.
struct TemplatePiece {
  std::string text;
  bool control;  // of the template itself: special tokens in it are parsed. Else somebody's words, which
                 // never become control tokens.
  int message =
      -1;  // whose words (content, reasoning, tool calls and the closing <|im_end|> of this message), or -1
};

// Pictures and clips are <|vision_start|><|image_pad|><|vision_end|> and
// <|vision_start|><|video_pad|><|vision_end|>.
// Error: a kind without a template.
std::vector<TemplatePiece> render(const Conversation& conversation, TemplateKind kind);
std::string to_text(const std::vector<TemplatePiece>& pieces);

// As Python's json.dumps(value, ensure_ascii=False) prints it, which the template's tojson filter uses.
std::string python_json(const Json& value);

}  // namespace tarsier
