// What shells and man want to know, out of the command line's own definition.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <string_view>

namespace tarsier::cli {

// A script that completes commands, flags, their choices and files. shell: bash, zsh or fish.
std::string completion_script(const CLI::App& app, std::string_view shell);

// The manual page, in troff's man macros.
std::string man_page(const CLI::App& app, std::string_view version);

}  // namespace tarsier::cli
