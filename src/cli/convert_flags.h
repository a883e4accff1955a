// What the subcommands convert and quantize share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "convert/convert.h"
#include "convert/policy.h"

namespace tarsier::cli {

// "f32, f16, ...": for help texts.
std::string preset_names();

// Notes on standard error: the warnings, then how large the file is.
void report_conversion(const std::string& output, const ConvertResult& result);

// Options: ConvertOptions or QuantizeOptions.
template <class Options>
void add_conversion_flags(CLI::App& command, Options& options) {
  command.add_option("-o,--output", options.output, "The GGUF file to write")->required()->type_name("FILE");
  command.add_option("--type", options.type, "Type of the text model's weights: " + preset_names())
      ->capture_default_str()
      ->type_name("TYPE");
  command
      .add_option("--vision-type", options.vision_type, "Type of the vision tower's weights: the same list")
      ->capture_default_str()
      ->type_name("TYPE");
  command.add_flag(
      "--tiles", options.tiles,
      "Keep rows of quantized and BF16 weights 16 together: read as they lie, lossless, for tarsier alone");
  command.add_option("--threads", options.threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace tarsier::cli
