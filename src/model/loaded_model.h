// An open model: everything that sessions share.
#pragma once

#include <memory>
#include <string>

#include "ggml-like-core/base/read_ahead.h"
#include "src/input/prompt.h"
#include "src/input/tokenizer.h"
#include "src/model/config.h"
#include "src/model/model_files.h"
#include "src/model/weights.h"

namespace tarsier {

// What is fetched from the disk as soon as a model is open, while the rest is prepared.
enum class Fetch {
  nothing,   // weights come when they are read
  text,      // the text model's weights
  pictures,  // the vision tower's, then the text model's
};

// Immutable, so thread-safe.
struct LoadedModel {
  // mmproj: as for ModelFiles. Throws Error: not a GGUF file, not a model of this family, files or tensors
  // that do not fit.
  explicit LoadedModel(const std::string& path, const std::string& mmproj = {}, Fetch fetch = Fetch::nothing);

  ModelFiles files;
  Config config;
  Weights weights;
  bool fits_memory;  // all weights together
  std::unique_ptr<core::ReadAhead> fetching;
  Tokenizer tokenizer;
  TemplateKind template_kind;

  PromptContext prompt_context() const;
};

}  // namespace tarsier
