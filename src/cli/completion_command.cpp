// tarsier completion, tarsier man: what an installation puts where shells and man look.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "src/cli/commands.h"
#include "src/cli/completion.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {

void add_completion_commands(CLI::App& app, Action& action, const std::string& version) {
  CLI::App* completion = app.add_subcommand("completion", "Prints a completion script for a shell");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("SHELL");
  completion->footer(
      "Examples:\n"
      "  tarsier completion bash > ~/.local/share/bash-completion/completions/tarsier\n"
      "  tarsier completion fish > ~/.config/fish/completions/tarsier.fish");
  completion->callback([&app, &action, shell] {
    action = [&app, shell] {
      print(completion_script(app, *shell));
      return kOk;
    };
  });
  CLI::App* man = app.add_subcommand("man", "Prints the manual page: tarsier man | man -l -");
  man->callback([&app, &action, version] {
    action = [&app, version] {
      print(man_page(app, version));
      return kOk;
    };
  });
}

}  // namespace tarsier::cli
