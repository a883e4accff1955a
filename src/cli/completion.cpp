#include "src/cli/completion.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"

namespace tarsier::cli {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// "-m", "--model" ...; none for what stands without a flag.
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> out;
  for (const std::string& name : option.get_snames()) out.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.push_back("--" + name);
  return out;
}

bool takes_value(const CLI::Option& option) { return option.get_type_size() != 0; }

// What a flag may be, where its type says so: "WAY:{auto,kitty}".
std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open);
  std::vector<std::string> out;
  if (open == std::string::npos || close == std::string::npos) return out;
  for (std::size_t at = open + 1; at < close;) {
    const std::size_t end = std::min(type.find(',', at), close);
    out.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? std::string() : std::string(between)) + word;
  return out;
}

// What stands without a flag, where only some words may.
std::vector<std::string> words_of(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options())
    if (option->get_positional())
      if (auto choices = choices_of(*option); !choices.empty()) return choices;
  return {};
}

std::string bash_script(const CLI::App& app) {
  std::vector<std::string> names;
  std::string cases;
  std::string values;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    std::vector<std::string> flags;
    for (const CLI::Option* option : command->get_options()) {
      const auto all = names_of(*option);
      flags.insert(flags.end(), all.begin(), all.end());
      if (const auto choices = choices_of(*option); !choices.empty() && !all.empty())
        for (const std::string& name : all)
          values += fmt::format("    '{} {}') COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n",
                                command->get_name(), name, joined(choices, " "));
    }
    cases += fmt::format("    {}) flags='{}' words='{}' ;;\n", command->get_name(), joined(flags, " "),
                         joined(words_of(*command), " "));
  }
  return fmt::format(
      "# bash completion of tarsier\n"
      "_tarsier() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} flags='' words=''\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then COMPREPLY=($(compgen -W '{} --help --version' -- \"$word\")); "
      "return; fi\n"
      "  case \"${{COMP_WORDS[1]}} $before\" in\n{}  esac\n"
      "  case ${{COMP_WORDS[1]}} in\n{}  esac\n"
      "  case $word in\n"
      "    -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$word\")) ;;\n"
      "    *) if [ -n \"$words\" ]; then COMPREPLY=($(compgen -W \"$words\" -- \"$word\"));\n"
      "       else compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")); fi ;;\n"
      "  esac\n"
      "}}\n"
      "complete -F _tarsier tarsier\n",
      joined(names, " "), values, cases);
}

std::string zsh_text(const std::string& text) {
  std::string out = replaced(text, "'", "'\\''");
  for (const char* special : {"[", "]", ":"}) out = replaced(out, special, std::string("\\") + special);
  return out;
}

std::string zsh_script(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    commands += fmt::format("    '{}:{}'\n", command->get_name(), zsh_text(command->get_description()));
    cases += fmt::format("    {}) _arguments", command->get_name());
    for (const CLI::Option* option : command->get_options())
      for (const std::string& name : names_of(*option)) {
        const auto choices = choices_of(*option);
        const std::string value = !takes_value(*option) ? ""
                                  : choices.empty()     ? ":value:_files"
                                                        : ":value:(" + joined(choices, " ") + ")";
        cases += fmt::format(" \\\n      '*{}[{}]{}'", name, zsh_text(option->get_description()), value);
      }
    const auto words = words_of(*command);
    cases += words.empty() ? " \\\n      '*:file:_files' ;;\n"
                           : " \\\n      '*:word:(" + joined(words, " ") + ")' ;;\n";
  }
  return fmt::format(
      "#compdef tarsier\n"
      "_tarsier() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
      "  local command=$words[2]\n"
      "  shift words; (( CURRENT-- ))\n"
      "  case $command in\n{}  esac\n"
      "}}\n"
      "# As a file of fpath it is run by the first Tab; else it is sourced.\n"
      "if [[ $funcstack[1] = _tarsier ]]; then _tarsier \"$@\"; else compdef _tarsier tarsier; fi\n",
      commands, cases);
}

std::string fish_text(const std::string& text) { return replaced(replaced(text, "\\", "\\\\"), "'", "\\'"); }

std::string fish_script(const CLI::App& app) {
  std::string out = "# fish completion of tarsier\n";
  for (const CLI::App* command : commands_of(app)) {
    out += fmt::format("complete -c tarsier -f -n __fish_use_subcommand -a {} -d '{}'\n", command->get_name(),
                       fish_text(command->get_description()));
    const auto words = words_of(*command);
    out += fmt::format("complete -c tarsier {} -n '__fish_seen_subcommand_from {}'\n",
                       words.empty() ? "-F" : "-f -a '" + joined(words, " ") + "'", command->get_name());
    for (const CLI::Option* option : command->get_options()) {
      std::string names;
      for (const std::string& name : option->get_snames()) names += " -s " + name;
      for (const std::string& name : option->get_lnames()) names += " -l " + name;
      if (names.empty()) continue;
      const auto choices = choices_of(*option);
      const std::string value = !takes_value(*option) ? ""
                                : choices.empty()     ? " -r -F"
                                                      : " -x -a '" + joined(choices, " ") + "'";
      out += fmt::format("complete -c tarsier -n '__fish_seen_subcommand_from {}'{}{} -d '{}'\n",
                         command->get_name(), names, value, fish_text(option->get_description()));
    }
  }
  return out;
}

std::string man_text(const std::string& text) {
  std::string out = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  out = replaced(out, "\n.", "\n\\&.");
  out = replaced(out, "\n'", "\n\\&'");
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

}  // namespace

std::string completion_script(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") return bash_script(app);
  if (shell == "zsh") return zsh_script(app);
  if (shell == "fish") return fish_script(app);
  core::fail("completion for ", shell, ": wanted bash, zsh or fish");
}

std::string man_page(const CLI::App& app, std::string_view version) {
  std::string out = fmt::format(
      ".TH TARSIER 1 \"\" \"tarsier {}\" \"User Commands\"\n.SH NAME\ntarsier \\- vision\\-language models "
      "on a "
      "processor\n.SH SYNOPSIS\n.B tarsier\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n{}\n.SH "
      "COMMANDS\n",
      version, man_text(app.get_description()));
  for (const CLI::App* command : commands_of(app)) {
    out += fmt::format(".SS {}\n{}.\n", man_text(command->get_name()), man_text(command->get_description()));
    for (const CLI::Option* option : command->get_options()) {
      const auto names = names_of(*option);
      const std::string type = option->get_type_name();
      const std::string value = takes_value(*option) ? type.substr(0, type.find(':')) : "";
      const std::string otherwise = option->get_default_str();
      out += fmt::format(".TP\n\\fB{}\\fR \\fI{}\\fR\n{}{}\n", man_text(joined(names, ", ")), man_text(value),
                         man_text(option->get_description()),
                         otherwise.empty() ? "" : man_text(" (" + otherwise + ")"));
    }
    if (!command->get_footer().empty()) out += ".PP\n.nf\n" + man_text(command->get_footer()) + "\n.fi\n";
  }
  return out + ".SH EXAMPLES\n.nf\n" + man_text(app.get_footer()) + "\n.fi\n";
}

}  // namespace tarsier::cli
