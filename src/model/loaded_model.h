// An open file: everything that sessions share.
#pragma once

#include <string>

#include "ggml-like-core/gguf/reader.h"
#include "src/input/prompt.h"
#include "src/input/tokenizer.h"
#include "src/model/config.h"
#include "src/model/weights.h"

namespace tarsier {

// Immutable, so thread-safe.
struct LoadedModel {
  // Throws Error: not a GGUF file, not a model of this family, tensors that do not fit.
  explicit LoadedModel(const std::string& path);

  core::GgufReader file;
  Config config;
  Weights weights;
  Tokenizer tokenizer;
  TemplateKind template_kind;

  PromptContext prompt_context() const;
};

}  // namespace tarsier
