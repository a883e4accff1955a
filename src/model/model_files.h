// Where a model lies: one GGUF file, or the pair of files that llama.cpp has for a model that sees.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ggml-like-core/gguf/reader.h"

namespace tarsier {

// Whether a key (clip.*) or tensor (v.*, mm.*) of that name is the vision tower's. In a pair those stand in
// the second file, called mmproj, and all others in the first.
bool is_vision_name(std::string_view name);

// Immutable, so thread-safe. Neither copied nor moved.
class ModelFiles {
 public:
  // mmproj: empty where path holds the whole model, or one that reads text only. Error: a file that is no
  // GGUF file, or of another kind than it is given as.
  explicit ModelFiles(const std::string& path, const std::string& mmproj = {});
  ModelFiles(const ModelFiles&) = delete;
  ModelFiles& operator=(const ModelFiles&) = delete;
  ~ModelFiles() = default;

  const std::string& path() const { return text_.path(); }
  const core::GgufReader& text() const { return text_; }
  const core::GgufReader& vision() const { return mmproj_ ? *mmproj_ : text_; }
  const core::GgufReader& holder(std::string_view name) const {
    return is_vision_name(name) ? vision() : text();
  }
  bool is_pair() const { return mmproj_.has_value(); }
  bool has_vision() const { return vision().has("clip.vision.block_count"); }

 private:
  core::GgufReader text_;
  std::optional<core::GgufReader> mmproj_;
};

}  // namespace tarsier
