#include "src/cli/chat_console.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "ggml-like-core/base/error.h"
#include "src/terminal/columns.h"
#include "src/terminal/picture_text.h"

namespace tarsier::cli {

using terminal::MarkdownStream;

void Console::set_pictures(const std::string& wanted) {
  can_ = terminal::abilities(std::getenv, wanted);
  if (mode_ != Mode::terminal) can_ = {};
}

void Console::write(std::string_view text) {
  try {
    print(text);
  } catch (const core::Error&) {
    if (mode_ != Mode::terminal) throw;
    signals_->lose_terminal();
  }
}

std::string Console::dim(std::string_view text) const {
  return can_.colours == terminal::Colours::none ? std::string(text)
                                                 : "\x1b[2m" + std::string(text) + "\x1b[0m";
}

// text in lines that fit, broken where it has " · ".
std::string Console::folded(std::string_view text) const {
  constexpr std::string_view kDot = " · ";
  const int columns = terminal::window_size().columns;
  std::string out;
  int used = 0;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(kDot));
    text.remove_prefix(std::min(text.size(), part.size() + kDot.size()));
    const int more = terminal::columns_of(part);
    if (used > 0) out += used + 3 + more < columns ? kDot : "\n";
    used = used > 0 && used + 3 + more < columns ? used + 3 + more : more;
    out += part;
  }
  return out;
}

// text in lines of words, without what would control the terminal: names of files and a model's words may
// hold it.
std::string Console::in_lines(std::string_view text) const {
  std::string out;
  MarkdownStream lines([&](std::string_view piece) { out += piece; },
                       [] { return terminal::window_size().columns; }, {.render = false});
  lines.push(text);
  lines.finish();
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

void Console::note(std::string_view text) {
  if (mode_ == Mode::terminal)
    write(dim(in_lines(folded(text))) + "\n");
  else if (mode_ == Mode::json)
    event("note", {{"text", text}});
  else
    cli::note(text);
}

void Console::error(std::string_view text) {
  if (mode_ == Mode::terminal)
    write(can_.colours == terminal::Colours::none ? in_lines(text) + "\n"
                                                  : "\x1b[31m" + in_lines(text) + "\x1b[0m\n");
  else if (mode_ == Mode::json)
    event("error", {{"text", text}});
  else
    fmt::print(stderr, "tarsier: {}\n", text);
}

void Console::say(std::string_view text) {
  if (mode_ == Mode::json)
    event("text", {{"text", text}});
  else
    write(mode_ == Mode::terminal ? terminal::without_controls(text) : std::string(text));
}

void Console::passage(std::string_view text) {
  if (mode_ != Mode::terminal) return say(std::string(text) + "\n");
  const auto words = stream(false);
  words->push(text);
  words->finish();
}

void Console::send(std::string_view sequence) {
  if (mode_ == Mode::terminal) write(sequence);
}

void Console::event(std::string_view kind, const nlohmann::json& data) {
  if (mode_ != Mode::json) return;
  nlohmann::ordered_json line = {{"event", kind}};
  for (const auto& [key, value] : data.items()) line[key] = value;
  write(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void Console::show(const Image& image, int columns, int rows) {
  if (mode_ != Mode::terminal) return;
  const terminal::WindowSize window = terminal::window_size();
  write(terminal::picture_text(image, can_, window, std::min(columns, window.columns - 1),
                               std::min(rows, std::max(window.rows - 4, 1))));
}

std::string Console::prompt() const {
  return can_.colours == terminal::Colours::none ? "> " : "\x1b[1;35m>\x1b[0m ";
}

std::unique_ptr<MarkdownStream> Console::stream(bool dim) const {
  const bool terminal = mode_ == Mode::terminal;
  return std::make_unique<MarkdownStream>(
      [this](std::string_view text) { const_cast<Console*>(this)->write(text); },
      [] { return terminal::window_size().columns; },
      terminal::MarkdownStyle{.render = terminal && settings_.markdown,
                              .colours = can_.colours != terminal::Colours::none,
                              .dim = dim});
}

void Console::begin_answer(const chat::Settings& settings) {
  settings_ = settings;
  words_ = stream(false);
  thinking_.reset();
  folded_.clear();
  fold_shown_ = false;
}

// One dim line that always shows the end of what was thought.
void Console::fold_thinking(std::string_view text) {
  folded_ += text;
  std::replace(folded_.begin(), folded_.end(), '\n', ' ');
  constexpr std::string_view kHead = "thinking: ";
  const int room = terminal::window_size().columns - 2 - static_cast<int>(kHead.size());
  while (terminal::columns_of(folded_) > std::max(room, 10)) {
    std::size_t n = 1;
    while (n < folded_.size() && (static_cast<unsigned char>(folded_[n]) & 0xC0) == 0x80) ++n;
    folded_.erase(0, n);
  }
  write("\r\x1b[K" + dim(std::string(kHead) + folded_));
  fold_shown_ = true;
}

void Console::piece(const chat::ThinkingSplit::Part& part) {
  if (mode_ == Mode::json) return;
  if (mode_ == Mode::plain) {
    if (!part.thinking) write(part.text);
    return;
  }
  if (part.thinking && !settings_.show_thinking) {
    fold_thinking(part.text);
  } else if (part.thinking) {
    if (!thinking_) {
      thinking_ = stream(true);
      write(can_.colours == terminal::Colours::none ? "" : "\x1b[2m");
    }
    thinking_->push(part.text);
  } else {
    if (fold_shown_) write("\r\x1b[K" + dim("thought (/think shows it)") + "\n");
    fold_shown_ = false;
    if (thinking_) {
      thinking_->finish();
      write("\x1b[0m\n");
      thinking_.reset();
    }
    words_->push(part.text);
  }
}

void Console::end_answer(int thinking_tokens) {
  if (mode_ == Mode::plain) write("\n");
  if (mode_ != Mode::terminal) return;
  bar_.erase();
  if (fold_shown_)
    write("\r\x1b[K" + dim(fmt::format("thought of {} tokens (/think shows it)", thinking_tokens)) + "\n");
  fold_shown_ = false;
  if (thinking_) thinking_->finish();
  words_->finish();
  if (can_.colours != terminal::Colours::none) write("\x1b[0m");
}

}  // namespace tarsier::cli
