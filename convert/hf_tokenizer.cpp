#include "convert/hf_tokenizer.h"

#include <charconv>
#include <filesystem>
#include <string>
#include <vector>

#include "convert/json_file.h"
#include "ggml-like-core/base/error.h"
#include "src/input/tokenizer_json.h"

namespace tarsier {
namespace {

// Tokens of tokenizer_config.json that a SentencePiece model does not know. Ids that nobody names are
// padding.
void add_configured_tokens(const JsonFile& json, TokenizerData& data) {
  constexpr int kMostIds = 1 << 24;
  const auto* listed = json.find("added_tokens_decoder");
  if (listed == nullptr) return;
  core::require(listed->is_object(), json.path(), ": added_tokens_decoder is no object");
  std::vector<std::string> tokens(data.tokens.begin(), data.tokens.end());
  for (const auto& [number, entry] : listed->items()) {
    AddedToken t;
    const char* end = number.data() + number.size();
    const auto parsed = std::from_chars(number.data(), end, t.id);
    core::require(parsed.ec == std::errc() && parsed.ptr == end && t.id >= 0 && t.id < kMostIds, json.path(),
                  ": added_tokens_decoder has the key ", number, ", wanted the id of a token");
    const JsonFile token(json.path() + ": added token " + number, entry);
    core::require(token.get("content", t.text), token.path(), " has no content");
    token.get("special", t.special);
    token.get("normalized", t.normalized);
    token.get("lstrip", t.lstrip);
    token.get("rstrip", t.rstrip);
    token.get("single_word", t.single_word);
    const auto id = static_cast<std::size_t>(t.id);
    while (tokens.size() <= id) tokens.push_back("[PAD" + std::to_string(tokens.size()) + "]");
    std::erase_if(data.added, [&](const AddedToken& old) { return old.id == t.id; });
    tokens[id] = t.text;
    data.added.push_back(std::move(t));
  }
  data.tokens = tokens;
}

}  // namespace

TokenizerData read_hf_tokenizer(const std::string& folder) {
  const std::filesystem::path root(folder);
  if (const auto path = root / "tokenizer.json"; std::filesystem::exists(path))
    return read_tokenizer_json(path.string());
  const auto path = root / "tokenizer.model";
  core::require(std::filesystem::exists(path), folder,
                ": holds no tokenizer: neither tokenizer.json nor tokenizer.model");
  TokenizerData data = read_tokenizer_model(path.string());
  if (const auto config = root / "tokenizer_config.json"; std::filesystem::exists(config))
    add_configured_tokens(JsonFile(config.string()), data);
  return data;
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
