// tarsier convert: a Hugging Face checkpoint -> one GGUF file.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "convert/policy.h"
#include "ggml-like-core/base/error.h"
#include "src/cli/commands.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {
namespace {

struct ConvertFlags {
  std::vector<std::string> sources;
  ConvertOptions options;
};

std::string preset_names() {
  std::string names;
  for (const TypePreset& preset : type_presets())
    names += (names.empty() ? "" : ", ") + std::string(preset.name);
  return names;
}

int run_convert(ConvertFlags flags) {
  core::require(flags.sources.size() == 1, "convert takes one checkpoint folder, found ",
                flags.sources.size(), ": ", flags.sources.front(), ", ", flags.sources.back());
  flags.options.source = flags.sources.front();
  exit_on_interrupt();
  ProgressBar bar;
  const ConvertResult result = convert(flags.options, &bar);
  for (const std::string& warning : result.warnings) note("warning: " + warning);
  note(fmt::format("{}: {} from {}", flags.options.output, bytes_text(result.output_bytes),
                   bytes_text(result.source_bytes)));
  return kOk;
}

}  // namespace

void add_convert_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("convert", "Makes one model file of a Hugging Face checkpoint");
  const auto flags = std::make_shared<ConvertFlags>();
  ConvertOptions& options = flags->options;
  const std::string types = preset_names();
  command
      ->add_option("source", flags->sources,
                   "The checkpoint's folder: config.json, *.safetensors, tokenizer and processor settings")
      ->required()
      ->type_name("SOURCE");
  command->add_option("-o,--output", options.output, "The GGUF file to write")->required()->type_name("FILE");
  command->add_option("--type", options.type, "Type of the text model's weights: " + types)
      ->capture_default_str()
      ->type_name("TYPE");
  command
      ->add_option("--vision-type", options.vision_type, "Type of the vision tower's weights: the same list")
      ->capture_default_str()
      ->type_name("TYPE");
  command->add_option("--name", options.name, "The model's name in the file")
      ->default_str("the folder's")
      ->type_name("NAME");
  command->add_option("--threads", options.threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str()
      ->type_name("N");
  command->footer(
      "Examples:\n"
      "  tarsier convert Qwen3-VL-2B-Instruct -o qwen3-vl-2b.gguf\n"
      "  tarsier convert Qwen3-VL-2B-Instruct -o qwen3-vl-2b-q4.gguf --type q4_k\n"
      "\nThe file appears whole or not at all. Norms, biases, positions and routers stay f32; q4_k and q5_k "
      "keep\n"
      "embeddings and the most sensitive matrices in q6_k.");
  command->callback([flags, &action] { action = [flags] { return run_convert(*flags); }; });
}

}  // namespace tarsier::cli
