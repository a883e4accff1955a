#include "src/cli/picture_plan.h"

#include <fmt/core.h>

#include <cstdio>

#include "ggml-like-core/base/error.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {

Size picture_size(const std::string& flag, const std::string& text) {
  Size size{};
  int used = 0;
  const bool read = std::sscanf(text.c_str(), "%6dx%6d%n", &size.width, &size.height, &used) == 2 &&
                    static_cast<std::size_t>(used) == text.size();
  core::require(read && size.width > 0 && size.height > 0, flag, ": found ", text,
                ", wanted WIDTHxHEIGHT in pixels, such as 1024x768");
  return size;
}

std::string plan_text(std::string_view name, const PictureNeed& need, double seconds) {
  std::string line = fmt::format("{} {}x{} -> {}x{}, {} tokens", name, need.original.width,
                                 need.original.height, need.resized.width, need.resized.height, need.tokens);
  if (seconds > 0) line += ", " + about_text(seconds);
  return line + ", " + bytes_text(static_cast<double>(need.peak()));
}

}  // namespace tarsier::cli
