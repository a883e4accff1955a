// An open model: everything that sessions share.
#pragma once

#include <string>

#include "src/input/prompt.h"
#include "src/input/tokenizer.h"
#include "src/model/config.h"
#include "src/model/model_files.h"
#include "src/model/weights.h"

namespace tarsier {

// Immutable, so thread-safe.
struct LoadedModel {
  // mmproj: as for ModelFiles. Throws Error: not a GGUF file, not a model of this family, files or tensors
  // that do not fit.
  explicit LoadedModel(const std::string& path, const std::string& mmproj = {});

  ModelFiles files;
  Config config;
  Weights weights;
  Tokenizer tokenizer;
  TemplateKind template_kind;

  PromptContext prompt_context() const;
};

}  // namespace tarsier
