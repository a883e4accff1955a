#include "convert/output.h"

#include <filesystem>

#include "ggml-like-core/base/error.h"

namespace tarsier {

std::string listed(std::string_view title, const std::vector<std::string>& lines) {
  constexpr std::size_t kMost = 20;
  std::string text(title);
  for (std::size_t i = 0; i < lines.size() && i < kMost; ++i) text += "\n  " + lines[i];
  if (lines.size() > kMost) text += "\n  and " + std::to_string(lines.size() - kMost) + " more";
  return text;
}

void refuse_overwriting(const std::string& output, const std::string& input) {
  std::error_code ignored;
  core::require(!std::filesystem::equivalent(output, input, ignored), output,
                ": is read from, so it cannot be written; choose another name");
}

void write_header(core::GgufWriter& writer, std::uint32_t file_type) {
  constexpr std::uint32_t kAlignment = 64;  // a cache line, and the widest vector
  constexpr std::uint32_t kQuantizationVersion = 2;
  writer.set("general.alignment", kAlignment);
  writer.set("general.file_type", file_type);
  writer.set("general.quantization_version", kQuantizationVersion);
}

}  // namespace tarsier
