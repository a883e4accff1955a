// The template of the Qwen3-VL checkpoints, branch for branch; it knows whose words each piece is.
#include "src/input/chat_template.h"

#include <algorithm>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

using Pieces = std::vector<TemplatePiece>;

constexpr std::string_view kImage = "<|vision_start|><|image_pad|><|vision_end|>";
constexpr std::string_view kVideo = "<|vision_start|><|video_pad|><|vision_end|>";
constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kBeforeTools =
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
    "function signatures within <tools></tools> XML tags:\n<tools>";
constexpr std::string_view kAfterTools =
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
    "<args-json-object>}\n</tool_call><|im_end|>\n";

void append(Pieces& out, std::string_view text, bool control, int message = -1) {
  if (text.empty()) return;
  if (!out.empty() && out.back().control == control && out.back().message == message)
    out.back().text += text;
  else
    out.push_back({std::string(text), control, message});
}
void append(Pieces& out, const Pieces& more) {
  for (const TemplatePiece& p : more) append(out, p.text, p.control, p.message);
}

// The bytes [begin, end) of the pieces' text.
Pieces slice(const Pieces& pieces, std::size_t begin, std::size_t end) {
  Pieces out;
  std::size_t at = 0;
  for (const TemplatePiece& p : pieces) {
    const std::size_t from = std::max(begin, at);
    const std::size_t to = std::min(end, at + p.text.size());
    if (from < to) append(out, std::string_view(p.text).substr(from - at, to - from), p.control, p.message);
    at += p.text.size();
  }
  return out;
}

// Counted over the whole conversation.
struct MediaCounter {
  bool numbered;
  int images = 0, videos = 0;
};

// message: for the words of an assistant's turn, else -1.
Pieces render_content(const std::vector<ContentPart>& content, MediaCounter& counter, int message = -1) {
  Pieces out;
  for (const ContentPart& part : content) {
    if (part.kind == ContentPart::Kind::text) {
      append(out, part.text, false, message);
      continue;
    }
    const bool image = part.kind == ContentPart::Kind::image;
    const int number = image ? ++counter.images : ++counter.videos;
    if (counter.numbered) append(out, (image ? "Picture " : "Video ") + std::to_string(number) + ": ", true);
    append(out, image ? kImage : kVideo, true);
  }
  return out;
}

void append_tool_calls(Pieces& out, const Json& calls, bool after_words, int message) {
  if (calls.is_null()) return;
  core::require(calls.is_array(), "message ", message + 1, ": tool_calls is not an array");
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto wanted = [&](bool ok, std::string_view what) {
      core::require(ok, "message ", message + 1, ", tool call ", i + 1, ": ", what);
    };
    wanted(calls[i].is_object(), "is not an object");
    const auto inner = calls[i].find("function");
    const bool wrapped = inner != calls[i].end() && !inner->empty();
    const Json& function = wrapped ? *inner : calls[i];
    wanted(function.is_object(), "function is not an object");
    wanted(function.contains("name") && function["name"].is_string(), "has no name");
    wanted(function.contains("arguments"), "has no arguments");
    if (after_words || i > 0) append(out, "\n", true, message);
    append(out, "<tool_call>\n{\"name\": \"", true, message);
    append(out, function["name"].get_ref<const std::string&>(), false, message);
    append(out, "\", \"arguments\": ", true, message);
    const Json& arguments = function["arguments"];
    append(out, arguments.is_string() ? arguments.get<std::string>() : python_json(arguments), false,
           message);
    append(out, "}\n</tool_call>", true, message);
  }
}

std::size_t skip_newlines(std::string_view text, std::size_t begin, std::size_t end) {
  while (begin < end && text[begin] == '\n') ++begin;
  return begin;
}
std::size_t trim_newlines(std::string_view text, std::size_t begin, std::size_t end) {
  while (begin < end && text[end - 1] == '\n') --end;
  return end;
}

// What an assistant of a Thinking model thought, and what it said.
struct Turn {
  Pieces reasoning, words;
  bool thought = false;  // reasoning_content of line breaks alone counts, in <think> it does not
};
Turn split_turn(const Message& message, Pieces content, int index) {
  Turn turn;
  if (!message.reasoning_content.empty()) {
    append(turn.reasoning, message.reasoning_content, false, index);
    turn.words = std::move(content);
  } else {
    const std::string text = to_text(content);
    const std::size_t first = text.find(kThinkEnd);
    if (first == std::string::npos) {
      turn.words = std::move(content);
      return turn;
    }
    const std::size_t open = std::string_view(text).substr(0, first).rfind(kThink);
    turn.reasoning = slice(content, open == std::string::npos ? 0 : open + kThink.size(), first);
    const std::size_t behind = text.rfind(kThinkEnd) + kThinkEnd.size();
    turn.words = slice(content, skip_newlines(text, behind, text.size()), text.size());
  }
  const std::string text = to_text(turn.reasoning);
  const std::size_t begin = skip_newlines(text, 0, text.size());
  turn.reasoning = slice(turn.reasoning, begin, trim_newlines(text, begin, text.size()));
  turn.thought = !message.reasoning_content.empty() || !turn.reasoning.empty();
  return turn;
}

// The last thing a person asked: a user's message that is no tool response written out.
std::size_t last_query(const std::vector<Message>& messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    if (messages[i].role != "user") continue;
    MediaCounter unused{false};
    const std::string text = to_text(render_content(messages[i].content, unused));
    if (!(text.starts_with("<tool_response>") && text.ends_with("</tool_response>"))) return i;
  }
  return messages.empty() ? 0 : messages.size() - 1;
}

void append_thinking_turn(Pieces& out, Turn& turn, bool after_query, bool last, int index) {
  if (!after_query || (!last && !turn.thought)) {
    append(out, turn.words);
    return;
  }
  append(out, "<think>\n", true, index);
  append(out, turn.reasoning);
  append(out, "\n</think>\n\n", true, index);
  const std::string text = to_text(turn.words);
  append(out, slice(turn.words, skip_newlines(text, 0, text.size()), text.size()));
}

void append_system(Pieces& out, const Conversation& conversation, MediaCounter& counter) {
  const std::vector<Message>& messages = conversation.messages;
  const bool has_system = !messages.empty() && messages[0].role == "system";
  const bool has_tools = conversation.tools.is_array() && !conversation.tools.empty();
  if (!has_system && !has_tools) return;
  append(out, "<|im_start|>system\n", true);
  if (has_system) append(out, render_content(messages[0].content, counter));
  if (!has_tools) {
    append(out, "<|im_end|>\n", true);
    return;
  }
  if (has_system) append(out, "\n\n", true);
  append(out, kBeforeTools, true);
  for (const Json& tool : conversation.tools) {
    append(out, "\n", true);
    append(out, python_json(tool), false);
  }
  append(out, kAfterTools, true);
}

}  // namespace

TemplateKind template_kind(std::string_view jinja) {
  if (jinja.empty()) return TemplateKind::none;
  if (jinja.find("<|im_start|>") == std::string_view::npos) return TemplateKind::unknown;
  // Jinja's source spells the line break as backslash and n.
  for (const std::string_view start : {"<|im_start|>assistant\\n<think>", "<|im_start|>assistant\n<think>"})
    if (jinja.find(start) != std::string_view::npos) return TemplateKind::thinking;
  return TemplateKind::instruct;
}

std::string default_system(std::string_view jinja) {
  // A literal that goes on behind the line break, as ChatML's templates of text models have it.
  for (const std::string_view start : {"<|im_start|>system\\n", "<|im_start|>system\n"}) {
    const std::size_t at = jinja.find(start);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = jinja.substr(at + start.size());
    const std::string_view words = rest.substr(0, rest.find("<|im_end|>"));
    if (words.size() < rest.size() && words.find_first_of("'\"{}\\") == std::string_view::npos)
      return std::string(words);
  }
  return "";
}

Pieces render(const Conversation& conversation, TemplateKind kind) {
  core::require(kind != TemplateKind::none, "the model has no chat template: it takes only raw prompts");
  core::require(
      kind != TemplateKind::unknown,
      "the model's chat template is none that this program knows (those with <|im_start|>): it takes "
      "only raw prompts");
  const std::vector<Message>& messages = conversation.messages;
  const bool thinking = kind == TemplateKind::thinking;
  const std::size_t query = thinking ? last_query(messages) : 0;
  MediaCounter counter{conversation.add_vision_id};
  Pieces out;
  append_system(out, conversation, counter);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const bool last = i + 1 == messages.size();
    if (message.role == "user" || message.role == "system") {
      if (i == 0 && message.role == "system") continue;
      append(out, "<|im_start|>" + message.role + "\n", true);
      append(out, render_content(message.content, counter));
      append(out, "<|im_end|>\n", true);
    } else if (message.role == "assistant") {
      const int index = static_cast<int>(i);
      append(out, "<|im_start|>assistant\n", true);
      Turn turn{{}, render_content(message.content, counter, index)};
      if (thinking) {
        turn = split_turn(message, std::move(turn.words), index);
        append_thinking_turn(out, turn, i > query, last, index);
      } else {
        append(out, turn.words);
      }
      append_tool_calls(out, message.tool_calls, !turn.words.empty(), index);
      append(out, "<|im_end|>", true, index);
      append(out, "\n", true);
    } else if (message.role == "tool") {
      if (i == 0 || messages[i - 1].role != "tool") append(out, "<|im_start|>user", true);
      append(out, "\n<tool_response>\n", true);
      append(out, render_content(message.content, counter));
      append(out, "\n</tool_response>", true);
      if (last || messages[i + 1].role != "tool") append(out, "<|im_end|>\n", true);
    } else {
      core::fail("message ", i + 1, ": role \"", message.role, "\", wanted system, user, assistant or tool");
    }
  }
  if (conversation.add_generation_prompt)
    append(out, thinking ? "<|im_start|>assistant\n<think>\n" : "<|im_start|>assistant\n", true);
  return out;
}

std::string to_text(const Pieces& pieces) {
  std::string out;
  for (const TemplatePiece& p : pieces) out += p.text;
  return out;
}

}  // namespace tarsier
