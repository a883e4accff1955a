// The only list of a chat's commands: /help, Tab, the man page and the dispatch come from it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier::chat {

enum class Command {
  image,
  paste,
  resolution,
  boxes,
  save_boxes,
  regen,
  edit,
  undo,
  go_on,
  branch,
  back,
  clear,
  system,
  set,
  think,
  context,
  stats,
  copy,
  raw,
  save,
  load,
  sessions,
  export_to,
  help,
  quit
};

enum class Completes { nothing, paths, settings, sessions, resolutions, marks, commands };

struct CommandRow {
  Command command;
  const char* name;       // without the slash
  const char* arguments;  // "" or as help shows them
  const char* meaning;
  Completes completes;
};

std::span<const CommandRow> commands();

struct CommandLine {
  const CommandRow* row;
  std::string arguments;  // without blanks around them
};
// "/set temperature 0.2". Nothing: line is no command (words, a path, an unknown name). The beginning of a
// name is enough where it fits one command only.
std::optional<CommandLine> parse_command(std::string_view line);
// Whether line looks like a command that is not there: "/imgae x".
bool is_unknown_command(std::string_view line);

// What something is called, and what it means beside that, or below it where the window is narrow. columns:
// its width.
struct TextRow {
  std::string head, meaning;
};
std::string rows_text(std::span<const TextRow> rows, int columns);

// The commands, and what keys do; or one command. Error: there is no such command.
std::string help_text(int columns, std::string_view about = {});

}  // namespace tarsier::chat
