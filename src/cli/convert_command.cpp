// tarsier convert: a Hugging Face checkpoint, or a pair of GGUF files -> one GGUF file.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "convert/pair.h"
#include "ggml-like-core/base/error.h"
#include "src/cli/commands.h"
#include "src/cli/convert_flags.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {
namespace {

struct ConvertFlags {
  std::vector<std::string> sources;
  ConvertOptions options;
  bool types_given = false;
};

ConvertResult convert_sources(ConvertFlags& flags, ProgressBar& bar) {
  ConvertOptions& options = flags.options;
  core::require(flags.sources.size() <= 2,
                "convert takes a checkpoint's folder, or the two files of a pair; found ",
                flags.sources.size(), ": ", flags.sources.front(), ", ... ", flags.sources.back());
  if (flags.sources.size() == 2) {
    core::require(!flags.types_given,
                  "joining a pair keeps its types: leave --type and --vision-type to tarsier quantize");
    return merge_pair({.text = flags.sources[0],
                       .mmproj = flags.sources[1],
                       .output = options.output,
                       .name = options.name,
                       .threads = options.threads},
                      &bar);
  }
  options.source = flags.sources.front();
  return convert(options, &bar);
}

int run_convert(ConvertFlags flags) {
  exit_on_interrupt();
  ProgressBar bar;
  const ConvertResult result = convert_sources(flags, bar);
  report_conversion(flags.options.output, result);
  return kOk;
}

}  // namespace

std::string preset_names() {
  std::string names;
  for (const TypePreset& preset : type_presets())
    names += (names.empty() ? "" : ", ") + std::string(preset.name);
  return names;
}

void report_conversion(const std::string& output, const ConvertResult& result) {
  for (const std::string& warning : result.warnings) note("warning: " + warning);
  note(fmt::format("{}: {} from {}", output, bytes_text(result.output_bytes),
                   bytes_text(result.source_bytes)));
}

void add_convert_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "convert", "Makes one model file of a Hugging Face checkpoint, or of a pair of GGUF files");
  const auto flags = std::make_shared<ConvertFlags>();
  ConvertOptions& options = flags->options;
  command
      ->add_option(
          "source", flags->sources,
          "The checkpoint's folder: config.json, *.safetensors, tokenizer and processor settings; or two "
          "files, text model and vision tower (mmproj), as llama.cpp has them")
      ->required()
      ->type_name("SOURCE");
  add_conversion_flags(*command, options);
  command->add_option("--name", options.name, "The model's name in the file")
      ->default_str("the folder's")
      ->type_name("NAME");
  command->footer(
      "Examples:\n"
      "  tarsier convert Qwen3-VL-2B-Instruct -o qwen3-vl-2b.gguf\n"
      "  tarsier convert Qwen3-VL-2B-Instruct -o qwen3-vl-2b-q4.gguf --type q4_k\n"
      "  tarsier convert text.gguf mmproj.gguf -o one.gguf\n"
      "\nThe file appears whole or not at all. Norms, biases, positions and routers stay f32; types "
      "below\n"
      "q6_k keep embeddings, and most of them the most sensitive matrices, in larger ones (gguf-spec.md).");
  command->callback([flags, command, &action] {
    flags->types_given = command->count("--type") + command->count("--vision-type") > 0;
    action = [flags] { return run_convert(*flags); };
  });
}

}  // namespace tarsier::cli
