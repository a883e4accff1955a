// What convert and quantize say alike: lists in messages, the head of a file, and which files are not
// overwritten.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/gguf/writer.h"

namespace tarsier {

// title and up to 20 lines, each indented by two spaces, then "and N more".
std::string listed(std::string_view title, const std::vector<std::string>& lines);

// Error where output and input are one file.
void refuse_overwriting(const std::string& output, const std::string& input);

// Alignment, file type and quantization version. Before everything else.
void write_header(core::GgufWriter& writer, std::uint32_t file_type);

}  // namespace tarsier
