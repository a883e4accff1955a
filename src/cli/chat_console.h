// Everything that a chat shows: on a terminal with colours, pictures and formatted answers; elsewhere the
// answers alone on standard output and notes on standard error; or one JSON object a line.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "src/chat/answer_watch.h"
#include "src/chat/settings.h"
#include "src/cli/chat_signals.h"
#include "src/cli/terminal.h"
#include "src/input/image.h"
#include "src/terminal/abilities.h"
#include "src/terminal/markdown_stream.h"

namespace tarsier::cli {

class Console {
 public:
  enum class Mode { terminal, plain, json };
  Console(Mode mode, const ChatSignals& signals) : mode_(mode), signals_(&signals) {}

  Mode mode() const { return mode_; }
  void set_pictures(const std::string& wanted);  // Error: an unknown way

  void note(std::string_view text);                               // beside the answer
  void error(std::string_view text);                              // something was not done
  void say(std::string_view text);                                // what a command was asked for
  void passage(std::string_view text);                            // the same of the model's words, formatted
  void send(std::string_view sequence);                           // to the terminal itself, as it is
  void event(std::string_view kind, const nlohmann::json& data);  // JSON mode only
  void show(const Image& image, int columns = 48, int rows = 14);
  std::string prompt() const;

  // One answer, in this order.
  void begin_answer(const chat::Settings& settings);
  void piece(const chat::ThinkingSplit::Part& part);
  void end_answer(int thinking_tokens);

  ProgressBar* progress() { return mode_ == Mode::terminal ? &bar_ : nullptr; }

 private:
  void write(std::string_view text);  // a terminal that is gone ends the chat, and throws nothing
  std::string dim(std::string_view text) const;
  std::string folded(std::string_view text) const;
  std::string in_lines(std::string_view text) const;
  std::unique_ptr<terminal::MarkdownStream> stream(bool dim) const;
  void fold_thinking(std::string_view text);

  Mode mode_;
  const ChatSignals* signals_;
  terminal::Abilities can_;
  ProgressBar bar_;
  chat::Settings settings_;
  std::unique_ptr<terminal::MarkdownStream> words_, thinking_;
  std::string folded_;  // the line of thinking that is on the screen
  bool fold_shown_ = false;
};

}  // namespace tarsier::cli
