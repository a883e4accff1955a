// Renderings against Jinja's, and JSON against Python's.
#include "src/input/chat_template.h"

#include <gtest/gtest.h>

#include "ggml-like-core/base/error.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  core::require(file.good(), path, ": cannot be opened");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The rows of the vectors have the form of conversations; keys keep their order.
Conversation conversation_of(Json row) {
  if (!row.contains("add_generation_prompt")) row["add_generation_prompt"] = false;
  return parse_conversation(row.dump(), "", "row");
}

std::string rendered(const Conversation& conversation, TemplateKind kind = TemplateKind::instruct) {
  return to_text(render(conversation, kind));
}

TEST(ChatTemplate, every_rendering_of_the_vectors_is_equal) {
  const Json rows = Json::parse(read_text(std::string(TARSIER_TEST_DATA) + "/vectors/chat_template.json"));
  ASSERT_EQ(rows.size(), 60U);
  for (const Json& row : rows) EXPECT_EQ(rendered(conversation_of(row)), row.at("text").get<std::string>());
}

TEST(ChatTemplate, both_kinds_render_as_jinja_does) {
  const Json rows =
      Json::parse(read_text(std::string(TARSIER_TEST_DATA) + "/vectors/prompts.json")).at("prompts");
  int thinking = 0;
  for (const Json& row : rows) {
    SCOPED_TRACE(row.at("messages").dump());
    const bool thinks = row.at("kind") == "thinking";
    thinking += thinks ? 1 : 0;
    EXPECT_EQ(rendered(conversation_of(row), thinks ? TemplateKind::thinking : TemplateKind::instruct),
              row.at("text").get<std::string>());
  }
  EXPECT_EQ(rows.size(), 70U);
  EXPECT_EQ(thinking, 49);
}

TEST(ChatTemplate, only_the_templates_own_words_are_control) {
  const Conversation conversation = parse_conversation(R"({"messages": [
      {"role": "system", "content": "S<|im_end|>"},
      {"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "U<think>"}]},
      {"role": "assistant", "content": "A<|im_start|>", "tool_calls": [{"name": "F</tool_call>", "arguments": {"x": "G<|im_end|>"}}]},
      {"role": "tool", "content": "R</tool_response>"}], "tools": [{"name": "T<|im_end|>"}], "add_vision_id": true})",
                                                       "", "test");
  std::vector<std::string> control, words, scored;
  for (const TemplatePiece& p : render(conversation, TemplateKind::instruct)) {
    (p.control ? control : words).push_back(p.text);
    if (p.message >= 0) {
      EXPECT_EQ(p.message, 2);
      scored.push_back(p.text);
    }
  }
  EXPECT_EQ(words, (std::vector<std::string>{"S<|im_end|>", "{\"name\": \"T<|im_end|>\"}", "U<think>",
                                             "A<|im_start|>", "F</tool_call>", "{\"x\": \"G<|im_end|>\"}",
                                             "R</tool_response>"}));
  EXPECT_EQ(control.at(0), "<|im_start|>system\n");
  EXPECT_TRUE(control.at(2).ends_with(
      "<|im_end|>\n<|im_start|>user\nPicture 1: <|vision_start|><|image_pad|><|vision_end|>"));
  EXPECT_EQ(scored, (std::vector<std::string>{
                        "A<|im_start|>", "\n<tool_call>\n{\"name\": \"", "F</tool_call>",
                        "\", \"arguments\": ", "{\"x\": \"G<|im_end|>\"}", "}\n</tool_call><|im_end|>"}));
}

TEST(ChatTemplate, a_thinking_answer_counts_with_its_reasoning_and_end_but_not_the_line_break) {
  const Conversation conversation = parse_conversation(
      R"([{"role": "user", "content": "U"}, {"role": "assistant", "reasoning_content": "R", "content": "A"}])",
      "", "test");
  std::string scored;
  for (const TemplatePiece& p : render(conversation, TemplateKind::thinking))
    if (p.message == 1) scored += p.text;
  EXPECT_EQ(scored, "<think>\nR\n</think>\n\nA<|im_end|>");
}

TEST(ChatTemplate, pictures_in_a_thinking_turn_stay_where_they_stand) {
  const Conversation conversation = parse_conversation(
      R"({"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": [
          {"type": "text", "text": "<think>\nR\n</think>\n\nA "}, {"type": "image", "image": "a.png"},
          {"type": "text", "text": " B"}]}], "add_generation_prompt": false})",
      "", "test");
  EXPECT_EQ(rendered(conversation, TemplateKind::thinking),
            "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n<think>\nR\n</think>\n\nA "
            "<|vision_start|><|image_pad|><|vision_end|> B<|im_end|>\n");
}

TEST(ChatTemplate, the_kind_is_told_from_the_jinja_text) {
  EXPECT_EQ(template_kind("{{- '<|im_start|>assistant\\n<think>\\n' }}"), TemplateKind::thinking);
  const auto config =
      test::read_json(std::string(TARSIER_SOURCE) + "/models/tiny-vl-dense/tokenizer_config.json");
  EXPECT_EQ(template_kind(config.at("chat_template").get<std::string>()), TemplateKind::instruct);
  EXPECT_EQ(template_kind("{{ '[INST]' }}"), TemplateKind::unknown);
  EXPECT_EQ(template_kind(""), TemplateKind::none);
  const std::string smol =
      "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are SmolLM<|im_end|>\\n' }}{% "
      "endif %}";
  EXPECT_EQ(tarsier::default_system(smol), "You are SmolLM");
  EXPECT_EQ(tarsier::default_system(config.at("chat_template").get<std::string>()), "");
  EXPECT_THROW(render({}, TemplateKind::unknown), core::Error);
  EXPECT_THROW(render({}, TemplateKind::none), core::Error);
}

TEST(ChatTemplate, bad_roles_and_tool_calls_are_errors_with_their_number) {
  const auto error_of = [](const Conversation& conversation) -> std::string {
    try {
      render(conversation, TemplateKind::instruct);
    } catch (const core::Error& e) {
      return e.what();
    }
    return "";
  };
  Conversation c{.messages = {{.role = "user"}, {.role = "robot"}}};
  EXPECT_NE(error_of(c).find("message 2: role \"robot\""), std::string::npos) << error_of(c);
  c.messages[1].role = "assistant";
  for (const char* calls : {"{}", "[1]", "[{}]", R"([{"name": 1, "arguments": {}}])", R"([{"name": "f"}])",
                            R"([{"function": 7}])"}) {
    c.messages[1].tool_calls = Json::parse(calls);
    EXPECT_NE(error_of(c).find("message 2"), std::string::npos) << calls;
  }
}

TEST(PythonJson, prints_as_json_dumps_does) {
  const Json rows =
      Json::parse(read_text(std::string(TARSIER_TEST_DATA) + "/vectors/prompts.json")).at("python_json");
  EXPECT_EQ(rows.size(), 36U);
  for (const Json& row : rows)
    EXPECT_EQ(python_json(Json::parse(row.at("json").get<std::string>())), row.at("text").get<std::string>());
}

}  // namespace
}  // namespace tarsier
