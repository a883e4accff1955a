#include "src/input/chat_template.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

using Pieces = std::vector<TemplatePiece>;

constexpr std::string_view kImage = "<|vision_start|><|image_pad|><|vision_end|>";
constexpr std::string_view kVideo = "<|vision_start|><|video_pad|><|vision_end|>";
constexpr std::string_view kToolsBefore =
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
    "function signatures within <tools></tools> XML tags:\n<tools>";
constexpr std::string_view kToolsAfter =
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
    "<args-json-object>}\n</tool_call><|im_end|>\n";
// Tokens that an assistant writes by itself, so that its earlier words are read as it wrote them.
constexpr std::array<std::string_view, 4> kAssistantMarks = {"<think>", "</think>", "<tool_call>",
                                                             "</tool_call>"};

// The bytes [begin, end) of pieces that follow one another.
Pieces slice(const Pieces& pieces, std::size_t begin, std::size_t end) {
  Pieces out;
  std::size_t at = 0;
  for (const TemplatePiece& p : pieces) {
    const std::size_t from = std::max(begin, at);
    const std::size_t to = std::min(end, at + p.text.size());
    if (from < to) out.push_back({p.text.substr(from - at, to - from), p.control, p.message});
    at += p.text.size();
  }
  return out;
}

// Runs of text with their beginnings and ends, as Python's string methods see them.
struct Range {
  std::size_t begin, end;
};
Range strip_left(const std::string& text, Range r) {
  while (r.begin < r.end && text[r.begin] == '\n') ++r.begin;
  return r;
}
Range strip_right(const std::string& text, Range r) {
  while (r.begin < r.end && text[r.end - 1] == '\n') --r.end;
  return r;
}

class Renderer {
 public:
  Renderer(const Conversation& conversation, TemplateKind kind) : c_(conversation), kind_(kind) {}

  Pieces render() {
    const bool has_system = !c_.messages.empty() && c_.messages[0].role == "system";
    if (c_.tools.is_array() && !c_.tools.empty()) {
      control("<|im_start|>system\n");
      if (has_system) {
        append(content(0));
        control("\n\n");
      }
      control(kToolsBefore);
      for (const Json& tool : c_.tools) {
        control("\n");
        words(python_json(tool), -1);
      }
      control(kToolsAfter);
    } else if (has_system) {
      turn(0);
    }
    find_last_query();
    for (std::size_t i = has_system ? 1 : 0; i < c_.messages.size(); ++i) {
      const std::string& role = c_.messages[i].role;
      if (role == "assistant")
        assistant(i);
      else if (role == "tool")
        tool(i);
      else
        turn(i);
    }
    if (c_.add_generation_prompt)
      control(kind_ == TemplateKind::thinking ? "<|im_start|>assistant\n<think>\n"
                                              : "<|im_start|>assistant\n");
    return std::move(out_);
  }

 private:
  void put(std::string_view text, bool is_control, int message) {
    if (!text.empty()) out_.push_back({std::string(text), is_control, message});
  }
  void control(std::string_view text, int message = -1) { put(text, true, message); }
  void words(std::string_view text, int message) { put(text, false, message); }
  void append(const Pieces& pieces) {
    for (const TemplatePiece& p : pieces) put(p.text, p.control, p.message);
  }

  // The parts of message i. Counts its pictures and clips.
  Pieces content(std::size_t i) {
    const auto number = static_cast<int>(i);
    Pieces out;
    for (const ContentPart& part : c_.messages[i].content) {
      if (part.kind == ContentPart::Kind::text) {
        if (c_.messages[i].role == "assistant")
          assistant_words(out, part.text, number);
        else if (!part.text.empty())
          out.push_back({part.text, false, number});
        continue;
      }
      const bool image = part.kind == ContentPart::Kind::image;
      const int count = image ? ++images_ : ++videos_;
      if (c_.add_vision_id)
        out.push_back({(image ? "Picture " : "Video ") + std::to_string(count) + ": ", true, number});
      out.push_back({std::string(image ? kImage : kVideo), true, number});
    }
    return out;
  }

  static void assistant_words(Pieces& out, std::string_view text, int message) {
    while (!text.empty()) {
      std::size_t at = text.size();
      std::size_t length = 0;
      for (const std::string_view mark : kAssistantMarks)
        if (const std::size_t found = text.find(mark); found < at) {
          at = found;
          length = mark.size();
        }
      if (at > 0) out.push_back({std::string(text.substr(0, at)), false, message});
      if (length > 0) out.push_back({std::string(text.substr(at, length)), true, message});
      text.remove_prefix(at + length);
    }
  }

  // Of the system or the user.
  void turn(std::size_t i) {
    control("<|im_start|>" + c_.messages[i].role + "\n");
    append(content(i));
    close(i);
  }

  void close(std::size_t i) {
    control("<|im_end|>", static_cast<int>(i));
    control("\n");
  }

  // Thinking checkpoints keep the reasoning only of what follows the last question of the user.
  void find_last_query() {
    last_query_ = c_.messages.empty() ? 0 : c_.messages.size() - 1;
    for (std::size_t i = c_.messages.size(); i-- > 0;) {
      if (c_.messages[i].role != "user") continue;
      const auto images = images_;
      const auto videos = videos_;
      const std::string text = to_text(content(i));
      images_ = images;
      videos_ = videos;
      if (text.starts_with("<tool_response>") && text.ends_with("</tool_response>")) continue;
      last_query_ = i;
      return;
    }
  }

  void assistant(std::size_t i) {
    const auto number = static_cast<int>(i);
    control("<|im_start|>assistant\n");
    const Pieces body = content(i);
    bool has_words = !body.empty();
    if (kind_ == TemplateKind::thinking)
      has_words = thinking(i, body);
    else
      append(body);
    if (c_.messages[i].tool_calls.is_array()) tool_calls(c_.messages[i].tool_calls, has_words, number);
    close(i);
  }

  // Writes an assistant's words, and its reasoning where that is kept. Returns whether there are words
  // besides the reasoning.
  bool thinking(std::size_t i, const Pieces& body) {
    constexpr std::string_view kBegin = "<think>";
    constexpr std::string_view kEnd = "</think>";
    const auto number = static_cast<int>(i);
    const std::string text = to_text(body);
    Range answer{0, text.size()};
    Pieces reasoning;
    if (!c_.messages[i].reasoning_content.empty()) {
      assistant_words(reasoning, c_.messages[i].reasoning_content, number);
    } else if (const std::size_t first = text.find(kEnd); first != std::string::npos) {
      Range r = strip_right(text, {0, first});
      if (const std::size_t begin = text.substr(0, r.end).rfind(kBegin); begin != std::string::npos)
        r.begin = begin + kBegin.size();
      reasoning = slice(body, strip_left(text, r).begin, r.end);
      answer = strip_left(text, {text.rfind(kEnd) + kEnd.size(), text.size()});
    }
    const bool has_words = answer.begin < answer.end;
    const bool last = i + 1 == c_.messages.size();
    if (i > last_query_ && (last || !reasoning.empty())) {
      control("<think>\n");
      const std::string thoughts = to_text(reasoning);
      const Range kept = strip_left(thoughts, strip_right(thoughts, {0, thoughts.size()}));
      append(slice(reasoning, kept.begin, kept.end));
      control("\n</think>\n\n", number);
      answer = strip_left(text, answer);
    }
    append(slice(body, answer.begin, answer.end));
    return has_words;
  }

  void tool_calls(const Json& calls, bool after_words, int message) {
    for (const Json& call : calls) {
      const auto found = call.find("function");
      const Json& function = found != call.end() && !found->is_null() ? *found : call;
      const Json& arguments = function.at("arguments");
      if (after_words) control("\n", message);
      after_words = true;
      control("<tool_call>\n{\"name\": \"", message);
      words(function.at("name").get<std::string>(), message);
      control("\", \"arguments\": ", message);
      words(arguments.is_string() ? arguments.get<std::string>() : python_json(arguments), message);
      control("}\n</tool_call>", message);
    }
  }

  // Results that follow one another share a turn of the user.
  void tool(std::size_t i) {
    const auto is_tool = [&](std::size_t k) { return c_.messages[k].role == "tool"; };
    if (i == 0 || !is_tool(i - 1)) control("<|im_start|>user");
    control("\n<tool_response>\n");
    append(content(i));
    control("\n</tool_response>");
    if (i + 1 == c_.messages.size() || !is_tool(i + 1)) close(i);
  }

  const Conversation& c_;
  TemplateKind kind_;
  Pieces out_;
  int images_ = 0, videos_ = 0;
  std::size_t last_query_ = 0;
};

}  // namespace

TemplateKind template_kind(std::string_view jinja) {
  core::require(jinja.find("<|im_start|>") != std::string_view::npos,
                "the chat template is not of the Qwen3-VL family: no <|im_start|> in its ", jinja.size(),
                " bytes");
  // Both may speak of earlier reasoning; only a Thinking checkpoint begins its answers with it.
  const std::size_t prompt = jinja.rfind("add_generation_prompt");
  if (prompt == std::string_view::npos) return TemplateKind::instruct;
  const std::string_view ending = jinja.substr(prompt);
  const bool thinks = ending.find("<think>") != std::string_view::npos &&
                      ending.find("enable_thinking") == std::string_view::npos;
  return thinks ? TemplateKind::thinking : TemplateKind::instruct;
}

std::vector<TemplatePiece> render(const Conversation& conversation, TemplateKind kind) {
  try {
    return Renderer(conversation, kind).render();
  } catch (const nlohmann::json::exception& e) {
    core::fail("a tool call of the conversation has no name or no arguments: ", e.what());
  }
}

std::string to_text(const std::vector<TemplatePiece>& pieces) {
  std::string out;
  for (const TemplatePiece& p : pieces) out += p.text;
  return out;
}

}  // namespace tarsier
