// The subcommands. Each file COMMAND_command.cpp declares its flags and sets what runs when the words of the
// command line name it.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

namespace tarsier::cli {

// Runs after parsing; returns the exit code.
using Action = std::function<int()>;

void add_chat_command(CLI::App& app, Action& action);
void add_run_command(CLI::App& app, Action& action);
void add_convert_command(CLI::App& app, Action& action);
void add_split_command(CLI::App& app, Action& action);
void add_quantize_command(CLI::App& app, Action& action);
void add_inspect_command(CLI::App& app, Action& action);
void add_trace_command(CLI::App& app, Action& action);
void add_score_command(CLI::App& app, Action& action);
void add_bench_command(CLI::App& app, Action& action);
void add_doctor_command(CLI::App& app, Action& action);
// After all others: they describe the whole command line.
void add_completion_commands(CLI::App& app, Action& action, const std::string& version);

}  // namespace tarsier::cli
