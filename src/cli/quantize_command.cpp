// tarsier quantize: a model file -> the same model in other types.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "convert/quantize.h"
#include "src/cli/commands.h"
#include "src/cli/convert_flags.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {

void add_quantize_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("quantize", "Makes a model file smaller, or of another type");
  const auto options = std::make_shared<QuantizeOptions>();
  command->add_option("source", options->source, "A GGUF file made by tarsier convert")
      ->required()
      ->type_name("FILE");
  add_conversion_flags(*command, *options);
  command->get_option("--type")->required()->default_str("")->description(
      "Type of the text model's weights: " + preset_names() + "; same: each as it is");
  command->get_option("--vision-type")->default_str("bf16; same with --type same");
  command->footer(
      "Examples:\n"
      "  tarsier quantize qwen3-vl-2b.gguf -o qwen3-vl-2b-q4.gguf --type q4_k\n"
      "  tarsier quantize qwen3-vl-2b.gguf -o small.gguf --type q4_k --vision-type q8_0\n"
      "  tarsier quantize any.gguf -o tiles.gguf --type same --tiles\n"
      "\nStart from a bf16 or f32 file: a file that was quantized before keeps its errors. The file appears "
      "whole or not at all.");
  command->callback([options, &action] {
    action = [options] {
      exit_on_interrupt();
      ProgressBar bar;
      report_conversion(options->output, quantize(*options, &bar));
      return kOk;
    };
  });
}

}  // namespace tarsier::cli
