#include "convert/hf_tokenizer.h"

#include <filesystem>

#include "ggml-like-core/base/error.h"
#include "src/input/tokenizer_json.h"

namespace tarsier {

TokenizerData read_hf_tokenizer(const std::string& folder) {
  const std::filesystem::path root(folder);
  if (const auto path = root / "tokenizer.json"; std::filesystem::exists(path))
    return read_tokenizer_json(path.string());
  const auto path = root / "tokenizer.model";
  core::require(std::filesystem::exists(path), folder,
                ": holds no tokenizer: neither tokenizer.json nor tokenizer.model");
  return read_tokenizer_model(path.string());
}

void complete_from_tokenizer(Config& config, const TokenizerData& tokenizer) {
  for (const AddedToken& t : tokenizer.added) {
    if (t.text == "<|im_start|>") config.special.im_start = t.id;
    if (t.text == "<|im_end|>") config.special.im_end = t.id;
  }
  if (config.generation.eos_token_id.empty() && config.special.im_end >= 0)
    config.generation.eos_token_id = {config.special.im_end};
}

}  // namespace tarsier
