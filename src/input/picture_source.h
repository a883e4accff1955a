// Where a picture's bytes come from, everywhere a picture can be named: the path of a file, - for standard
// input, or a data URI (RFC 2397), "data:image/png;base64,iVBOR...".
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/buffer.h"

namespace tarsier {

class PictureBytes {
 public:
  explicit PictureBytes(core::MappedFile file) : file_(std::move(file)) {}
  explicit PictureBytes(std::vector<std::byte> bytes) : own_(std::move(bytes)) {}
  std::span<const std::byte> bytes() const { return own_.empty() ? file_.bytes() : own_; }

 private:
  core::MappedFile file_;
  std::vector<std::byte> own_;
};

// Errors: a file that cannot be read, a data URI that is none. Standard input can be read once.
PictureBytes read_picture(const std::string& source);

// Neither standard input nor a data URI.
bool is_file_path(std::string_view source);

// For messages: a path as it is; "standard input"; "a data URI of N characters".
std::string source_name(std::string_view source);

}  // namespace tarsier
