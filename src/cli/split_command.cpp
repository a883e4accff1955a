// tarsier split: one model file -> the pair of files that llama.cpp reads.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "convert/pair.h"
#include "src/cli/commands.h"
#include "src/cli/convert_flags.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {
namespace {

int split(SplitOptions options) {
  const std::filesystem::path text(options.text);
  if (options.mmproj.empty())
    options.mmproj = (text.parent_path() / ("mmproj-" + text.filename().string())).string();
  exit_on_interrupt();
  ProgressBar bar;
  report_conversion(options.text + " and " + options.mmproj, split_pair(options, &bar));
  return kOk;
}

}  // namespace

void add_split_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "split", "Makes of a model file the two that llama.cpp reads: text model and vision tower");
  const auto options = std::make_shared<SplitOptions>();
  command->add_option("source", options->source, "A GGUF file made by tarsier convert")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--output", options->text, "The text model's file to write")
      ->required()
      ->type_name("FILE");
  command->add_option("--mmproj", options->mmproj, "The vision tower's file to write")
      ->default_str("mmproj-OUTPUT beside it")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  tarsier split qwen3-vl-2b.gguf -o text.gguf      # and mmproj-text.gguf\n"
      "  llama-mtmd-cli -m text.gguf --mmproj mmproj-text.gguf --image cat.jpg -p 'What is this?'\n"
      "\nThe weights keep their bytes; tarsier convert text.gguf mmproj-text.gguf -o one.gguf joins them "
      "again.");
  command->callback([options, &action] { action = [options] { return split(*options); }; });
}

}  // namespace tarsier::cli
