// Text <-> token ids, as Hugging Face's tokenizers do it for byte-level BPE; SentencePiece models go through
// libsentencepiece.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/text_list.h"

namespace tarsier {

// A token that is matched in the text as it stands, before anything else.
struct AddedToken {
  int id = 0;
  std::string text;
  bool special = false;     // left out by decode(skip_special)
  bool normalized = false;  // matched in the normalised text
  bool lstrip = false, rstrip = false, single_word = false;
};

// What a model file holds; from tokenizer.json, tokenizer.model or GGUF.
struct TokenizerData {
  core::TextList tokens;  // by id, as stored: byte-level text for BPE; added tokens stand here too
  core::TextList merges;  // "left right", best first
  std::vector<AddedToken> added;
  std::string pattern;                      // pre-tokenizer regex; empty: Qwen2's
  bool nfc = true;                          // Unicode normalisation before the pre-tokenizer
  bool ignore_merges = false;               // a whole word that is a token is taken as it is
  int bos = -1;                             // begins a raw prompt; -1: nothing does
  std::vector<std::uint8_t> sentencepiece;  // serialized model; when not empty libsentencepiece does the work
};

// A run of a text that somebody wrote.
struct TextPart {
  std::string_view text;
  bool parse_special = false;
};
// The ids of parts that were encoded as one text.
struct EncodedParts {
  std::vector<int> ids;
  std::vector<int> part;  // by token: the part in which it begins
};

// Immutable after construction, so thread-safe.
class Tokenizer {
 public:
  // Throws Error: merges or added tokens that name no token, a pattern that does not compile, a damaged
  // SentencePiece model.
  explicit Tokenizer(TokenizerData data);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // parse_special: added tokens spelled out in the text become their ids, as HF does; else the text is only
  // text. Bytes that are not UTF-8 count as U+FFFD.
  std::vector<int> encode(std::string_view text, bool parse_special) const;
  // The same for parts that follow one another without a seam, where added tokens count only inside a part
  // that says so.
  EncodedParts encode(std::span<const TextPart> parts) const;
  // Bytes that do not form UTF-8 become U+FFFD, as in HF. Ids out of range decode to nothing.
  std::string decode(std::span<const int> ids, bool skip_special = false) const;
  // The raw bytes of one token, for streaming: may be a part of a character. Empty for ids out of range and
  // padding rows.
  std::string token_bytes(int id) const;
  std::optional<int> find(std::string_view token) const;  // as stored, or the text of an added token
  int size() const;  // ids below this exist (padding rows of the embedding do not count)
  bool is_special(int id) const;
  const TokenizerData& data() const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

// Gathers bytes and gives them out in whole UTF-8 characters.
class Utf8Stream {
 public:
  // The whole characters that are there now; bytes that can never become one give U+FFFD.
  std::string push(std::string_view bytes);
  // What is left over as U+FFFD.
  std::string flush();

 private:
  std::string waiting_;
};

}  // namespace tarsier
