// The program: parses the command line, runs one subcommand, and turns errors into one line and an exit code.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "ggml-like-core/base/cpu_features.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/kernels/select.h"
#include "src/cli/commands.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {
namespace {

std::string version_text() {
  return fmt::format("tarsier {} (kernels {}; processor: {})", TARSIER_VERSION, core::selected_table().name,
                     core::cpu_features_text(core::cpu_features()));
}

// Help lines end with their default: "--seed N   Of the random numbers [default: 0]".
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    const std::string type = option->get_type_name();  // with its checks behind a colon
    if (option->get_type_size() != 0) text += " " + type.substr(0, type.find(':'));
    if (option->get_expected_max() > 1) text += " ...";
    if (option->get_required()) text += " (required)";
    return text;
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string value = option->get_default_str();
    return option->get_description() + (value.empty() ? "" : " [default: " + value + "]");
  }
};

int report(std::string_view what) {
  fmt::print(stderr, "tarsier: {}\n", what);
  return kFailed;
}

int run_program(int argc, const char* const* argv) {
  CLI::App app{
      "Answers questions about pictures and videos with models of the Qwen3-VL family, on the processor.",
      "tarsier"};
  app.footer(
      "Examples:\n"
      "  tarsier convert Qwen3-VL-2B-Instruct -o qwen3-vl-2b.gguf --type q8_0\n"
      "  tarsier chat -m qwen3-vl-2b.gguf cat.jpg\n"
      "  tarsier run -m qwen3-vl-2b.gguf --image cat.jpg --prompt 'What is this?'\n"
      "\nExit codes: 0 done, 1 error, 2 wrong command line, 130 interrupted.\n"
      "TARSIER_ISA=NAME forces a kernel table; NO_COLOR turns colours off.");
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", version_text);
  Action action;
  add_chat_command(app, action);
  add_run_command(app, action);
  add_convert_command(app, action);
  add_quantize_command(app, action);
  add_split_command(app, action);
  add_inspect_command(app, action);
  add_score_command(app, action);
  add_bench_command(app, action);
  add_trace_command(app, action);
  add_doctor_command(app, action);
  add_completion_commands(app, action, TARSIER_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "tarsier: {}\nRun with --help for more information.\n", error.what());
    return kUsage;
  }
  return action();
}

}  // namespace
}  // namespace tarsier::cli

int main(int argc, char** argv) {
  using namespace tarsier::cli;  // NOLINT(google-build-using-namespace): this is the program
  try {
    return run_program(argc, argv);
  } catch (const core::Error& error) {
    return report(error.what());
  } catch (const std::bad_alloc&) {
    return report("out of memory");
  } catch (const std::exception& error) {
    return report(error.what());
  }
}
