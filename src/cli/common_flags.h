// Flags that several subcommands share: the model and its session, the conversation and how it becomes a
// prompt.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/cli/picture_plan.h"
#include "src/engine.h"
#include "src/input/image.h"

namespace tarsier::cli {

struct SessionFlags {
  std::string model;
  std::string mmproj;  // empty: the model is one file
  int threads = 0;
  int context = 0;
  std::string kv_type;
};
void add_model_flag(CLI::App& app, SessionFlags& flags);   // with that of the vision tower
void add_mmproj_flag(CLI::App& app, SessionFlags& flags);  // alone
std::shared_ptr<const Model> open_model(const SessionFlags& flags, Fetch fetch);
void add_session_flags(CLI::App& app, SessionFlags& flags);
void add_on_off_flag(CLI::App& app, const std::string& name, const char* meaning, bool& value);
// GenerateOptions::speculate.
void add_speculate_flag(CLI::App& app, bool& speculate);
// expected: tokens of the prompt and the answer. Error: an unknown --kv-type.
SessionOptions session_options(const SessionFlags& flags, std::size_t expected = 0);

struct PromptFlags {
  std::string video_markers;
  bool special_tokens_in_text = false;
  SizeFlags sizes;
  ClipOptions clips;
  ImageOptions image;
};
// --no-rotate and --background.
void add_picture_flags(CLI::App& app, ImageOptions& options);
// Which frames of clips are seen, and how large.
void add_clip_flags(CLI::App& app, ClipOptions& clips);
void add_prompt_flags(CLI::App& app, PromptFlags& flags);
// As the model's own functions, with what the flags change. session: that will read it.
Prompt make_prompt(const std::shared_ptr<const Model>& model, const Conversation& conversation,
                   const PromptFlags& flags, const SessionOptions& session);
Prompt make_raw_prompt(const std::shared_ptr<const Model>& model, const std::string& text,
                       const std::vector<std::string>& images, const PromptFlags& flags,
                       const SessionOptions& session);

// A JSON file of messages; paths in it are relative to its folder.
CLI::Option* add_messages_flag(CLI::App& app, std::string& path);

// All the bytes of standard input.
std::string read_standard_input();

}  // namespace tarsier::cli
