#include "src/chat/commands.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "ggml-like-core/base/error.h"

namespace tarsier::chat {
namespace {

constexpr CommandRow kCommands[] = {
    {Command::image, "image", "FILE...",
     "Attach pictures or videos to the next question; a folder is a clip, its pictures the frames. Before a "
     "video: FPS=1 looks at so many frames a second, FRAMES=32 at most at so many, START=0:30 END=1:00 at a "
     "part; FPS=2 before a folder says how its frames follow",
     Completes::paths},
    {Command::paste, "paste", "", "Attach the picture in the clipboard", Completes::nothing},
    {Command::resolution, "resolution", "[NAME|MIN MAX]",
     "Pixels that the model sees of the pictures attached last, and of those to come: low, auto, high, max, "
     "or fit [SECONDS], as many as memory and time allow",
     Completes::resolutions},
    {Command::boxes, "boxes", "", "Show the answer's boxes and points on the picture", Completes::nothing},
    {Command::save_boxes, "save-boxes", "FILE.png",
     "Draw them on the picture, in its own pixels, into a file", Completes::paths},
    {Command::regen, "regen", "", "Answer the last question again", Completes::nothing},
    {Command::edit, "edit", "", "Change the last question in the editor and ask it anew", Completes::nothing},
    {Command::undo, "undo", "", "Take back the pictures that wait, else the last question and its answer",
     Completes::nothing},
    {Command::go_on, "continue", "", "Go on with an answer that was stopped or cut off", Completes::nothing},
    {Command::branch, "branch", "[NAME]", "Mark this place, to come back to it", Completes::nothing},
    {Command::back, "back", "[NAME]",
     "Go back to the mark; what was said since is kept behind a mark of its own", Completes::marks},
    {Command::clear, "clear", "", "Begin anew with an empty conversation", Completes::nothing},
    {Command::system, "system", "[TEXT]", "Show or change the system message; - removes it",
     Completes::nothing},
    {Command::set, "set", "[NAME [VALUE]]", "Show or change a setting; without a value: as at the start",
     Completes::settings},
    {Command::think, "think", "[on|off|N]",
     "Show the last thinking; on shows it as it comes, off folds it, N ends it after so many tokens, 0 never",
     Completes::nothing},
    {Command::context, "context", "", "What fills the context, and what is free", Completes::nothing},
    {Command::stats, "stats", "", "Times and counts of the last answer and of all", Completes::nothing},
    {Command::copy, "copy", "[N]", "Put the last answer, or its N-th code block, into the clipboard",
     Completes::nothing},
    {Command::raw, "raw", "", "Show the last answer as the model wrote it", Completes::nothing},
    {Command::save, "save", "NAME", "Give the session a name", Completes::sessions},
    {Command::load, "load", "NAME", "Go on with a session", Completes::sessions},
    {Command::sessions, "sessions", "", "List the sessions", Completes::nothing},
    {Command::export_to, "export", "FILE.md|.json|.html", "Write the conversation; .html holds the pictures",
     Completes::paths},
    {Command::help, "help", "[COMMAND]", "This list, or what a command does", Completes::commands},
    {Command::quit, "quit", "", "Leave; Ctrl-D does, too", Completes::nothing},
};

constexpr const char* kKeys[] = {
    "Enter sends, Alt-Enter begins a new line, \"\"\" begins and ends a text of several lines,",
    "Ctrl-G opens $EDITOR, Ctrl-R searches what was typed before, Tab completes.",
    "A path dropped or pasted into the question, or @path, attaches the picture or video.",
    "Ctrl-C stops an answer and keeps what is there; twice leaves."};

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

std::string_view first_word(std::string_view line) { return line.substr(0, line.find_first_of(" \t\n")); }

// Lines of words, all but the first behind so many blanks.
std::string wrapped(std::string_view rest, int columns, std::size_t indent) {
  const std::size_t room = static_cast<std::size_t>(std::max(columns - 1, 30)) - indent;
  std::string out;
  std::size_t at = 0;
  while (!rest.empty()) {
    const std::string_view word = first_word(rest);
    if (at > 0 && at + 1 + word.size() > room) {
      out += "\n" + std::string(indent, ' ');
      at = 0;
    }
    if (at > 0) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  return out;
}

const CommandRow* row_named(std::string_view name) {
  const CommandRow* found = nullptr;
  for (const CommandRow& row : kCommands) {
    if (name == row.name) return &row;
    if (name.size() < 2 || !std::string_view(row.name).starts_with(name)) continue;
    if (found != nullptr) return nullptr;
    found = &row;
  }
  return found;
}

}  // namespace

std::span<const CommandRow> commands() { return kCommands; }

std::optional<CommandLine> parse_command(std::string_view line) {
  line = trimmed(line);
  if (!line.starts_with('/')) return std::nullopt;
  const std::string_view word = first_word(line);
  const CommandRow* row = row_named(word == "/?" ? "help" : word == "/exit" ? "quit" : word.substr(1));
  if (row == nullptr) return std::nullopt;
  return CommandLine{row, std::string(trimmed(line.substr(word.size())))};
}

bool is_unknown_command(std::string_view line) {
  line = trimmed(line);
  if (!line.starts_with('/') || parse_command(line)) return false;
  const std::string_view word = first_word(line);
  std::error_code ignored;
  return word.find('/', 1) == std::string_view::npos && !std::filesystem::exists(word, ignored);
}

std::string rows_text(std::span<const TextRow> rows, int columns) {
  std::size_t widest = 0;
  for (const TextRow& row : rows) widest = std::max(widest, row.head.size());
  const bool narrow = columns < static_cast<int>(widest) + 40;
  const std::size_t indent = narrow ? 4 : widest + 2;
  std::string out;
  for (const TextRow& row : rows) {
    std::string line = row.head;
    if (narrow)
      line += "\n" + std::string(indent, ' ');
    else
      line.resize(indent, ' ');
    out += line + wrapped(row.meaning, columns, indent) + "\n";
  }
  return out;
}

std::string help_text(int columns, std::string_view about) {
  const auto text_row = [](const CommandRow& row) {
    return TextRow{std::string("/") + row.name + (*row.arguments != '\0' ? " " : "") + row.arguments,
                   row.meaning};
  };
  if (!about.empty()) {
    const std::string_view name = about.substr(about.starts_with('/') ? 1 : 0);
    const CommandRow* row = row_named(name);
    core::require(row != nullptr, "there is no command /", name, "; /help lists them");
    return rows_text(std::vector{text_row(*row)}, columns);
  }
  std::vector<TextRow> rows;
  for (const CommandRow& row : kCommands) rows.push_back(text_row(row));
  std::string out = rows_text(rows, columns) + "\n";
  for (const char* line : kKeys) out += wrapped(line, columns, 0) + "\n";
  return out;
}

}  // namespace tarsier::chat
