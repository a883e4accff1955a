#include "src/input/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/error.h"
#include "src/input/sentencepiece.h"

namespace tarsier {
namespace {

using Tree = nlohmann::json;  // sorted objects: the vocabulary has 150,000 keys

constexpr std::int64_t kMaxTokens = 1 << 24;
constexpr std::string_view kGpt2Pattern =  // of a ByteLevel pre-tokenizer with its own splitting
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A value as it can stand in a message.
std::string shown(const Tree& value) {
  return value.is_structured() ? "an " + std::string(value.type_name()) : value.dump().substr(0, 60);
}

// Reads values of a tree and fails with path and name where they are not of the wanted kind.
class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  const Tree& at(const Tree& object, const char* key) const {
    core::require(object.is_object() && object.contains(key), path_, ": no ", key);
    return object[key];
  }
  bool flag(const Tree& object, const char* key, bool fallback) const {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return fallback;
    if (!found->is_boolean()) core::fail(path_, ": ", key, " is ", shown(*found), ", wanted true or false");
    return found->get<bool>();
  }
  std::string text(const Tree& value, std::string_view name) const {
    core::require(value.is_string(), path_, ": ", name, " is ", value.type_name(), ", wanted a string");
    return value.get<std::string>();
  }
  std::int64_t id(const Tree& value, std::string_view name) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= std::uint64_t{kMaxTokens})
      core::fail(path_, ": the id of ", name, " is ", shown(value), ", wanted 0 to ", kMaxTokens - 1);
    return value.get<std::int64_t>();
  }
  std::string type(const Tree& object, std::string_view name) const {
    core::require(object.is_object() && object.contains("type"), path_, ": ", name, " has no type");
    return text(object["type"], name);
  }
  // A part that may be absent and must be neutral where it is there.
  void require_off(const Tree& object, const char* key) const {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null() || *found == false || *found == Tree("")) return;
    core::fail(path_, ": ", key, " is ", shown(*found), ", which is not supported");
  }

 private:
  std::string path_;
};

// tokens: as many as the file gives at most.
void put_token(const Reader& read, std::vector<std::string>& tokens, std::int64_t id,
               const std::string& text) {
  const auto i = static_cast<std::size_t>(id);
  core::require(i < tokens.size(), read.path(), ": the id ", id, " of ", text, " leaves gaps: at most ",
                tokens.size(), " ids are given");
  core::require(tokens[i].empty() || tokens[i] == text, read.path(), ": the id ", id, " belongs to both ",
                tokens[i], " and ", text);
  tokens[i] = text;
}

void read_model(const Reader& read, const Tree& model, std::vector<std::string>& tokens, TokenizerData& out) {
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"})
    read.require_off(model, key);
  out.ignore_merges = read.flag(model, "ignore_merges", false);
  const Tree& vocab = read.at(model, "vocab");
  core::require(vocab.is_object(), read.path(), ": vocab is ", vocab.type_name(), ", wanted an object");
  for (const auto& [token, id] : vocab.items()) put_token(read, tokens, read.id(id, token), token);
  const Tree& merges = read.at(model, "merges");
  core::require(merges.is_array(), read.path(), ": merges is ", merges.type_name(), ", wanted an array");
  out.merges.reserve(merges.size());
  for (const Tree& merge : merges) {
    if (merge.is_string()) {
      out.merges.push_back(merge.get<std::string>());
      continue;
    }
    if (!merge.is_array() || merge.size() != 2)
      core::fail(read.path(), ": a merge is ", shown(merge), ", wanted two tokens");
    const std::string left = read.text(merge[0], "a merge's token");
    const std::string right = read.text(merge[1], "a merge's token");
    core::require((left + right).find(' ') == std::string::npos, read.path(), ": a merge's token is \"", left,
                  "\" or \"", right, "\": not byte-level, which has no blanks");
    out.merges.push_back(std::string(left).append(" ").append(right));
  }
}

void read_added(const Reader& read, const Tree& file, std::vector<std::string>& tokens, TokenizerData& out) {
  const auto added = file.find("added_tokens");
  if (added == file.end() || added->is_null()) return;
  core::require(added->is_array(), read.path(), ": added_tokens is ", added->type_name(),
                ", wanted an array");
  for (const Tree& entry : *added) {
    AddedToken token{.id = static_cast<int>(read.id(read.at(entry, "id"), "an added token")),
                     .text = read.text(read.at(entry, "content"), "an added token's content"),
                     .special = read.flag(entry, "special", false),
                     .normalized = read.flag(entry, "normalized", false),
                     .lstrip = read.flag(entry, "lstrip", false),
                     .rstrip = read.flag(entry, "rstrip", false),
                     .single_word = read.flag(entry, "single_word", false)};
    put_token(read, tokens, token.id, token.text);
    out.added.push_back(std::move(token));
  }
}

void read_normalizer(const Reader& read, const Tree& file, TokenizerData& out) {
  const auto normalizer = file.find("normalizer");
  out.nfc = normalizer != file.end() && !normalizer->is_null();
  if (!out.nfc) return;
  const std::string type = read.type(*normalizer, "normalizer");
  core::require(type == "NFC", read.path(), ": the normalizer is ", type, ", wanted NFC or none");
}

// Split with a regular expression, then ByteLevel; or ByteLevel alone with the expression of GPT-2.
void read_pretokenizer(const Reader& read, const Tree& file, TokenizerData& out) {
  const Tree& top = read.at(file, "pre_tokenizer");
  const std::string top_type = read.type(top, "pre_tokenizer");
  std::vector<const Tree*> steps;
  if (top_type == "Sequence") {
    const Tree& sequence = read.at(top, "pretokenizers");
    core::require(sequence.is_array(), read.path(), ": pretokenizers is ", sequence.type_name(),
                  ", wanted an array");
    for (const Tree& step : sequence) steps.push_back(&step);
  } else {
    steps.push_back(&top);
  }
  bool byte_level = false;
  for (const Tree* step : steps) {
    const std::string type = read.type(*step, "a pre-tokenizer");
    if (type == "Split" && out.pattern.empty() && !byte_level) {
      const Tree& pattern = read.at(*step, "pattern");
      out.pattern = read.text(read.at(pattern, "Regex"), "the pre-tokenizer's pattern");
      const std::string behavior = read.text(read.at(*step, "behavior"), "behavior");
      core::require(behavior == "Isolated" && !read.flag(*step, "invert", false), read.path(),
                    ": the pre-tokenizer's split is ", behavior, ", wanted Isolated and not inverted");
    } else if (type == "ByteLevel" && !byte_level) {
      byte_level = true;
      read.require_off(*step, "add_prefix_space");
      const bool own_pattern = read.flag(*step, "use_regex", true);
      core::require(!own_pattern || out.pattern.empty(), read.path(),
                    ": both Split and ByteLevel split the text, wanted one of them");
      if (own_pattern) out.pattern = kGpt2Pattern;
    } else {
      core::fail(read.path(), ": the pre-tokenizers have a ", type,
                 ", wanted one Split and one ByteLevel after it");
    }
  }
  core::require(byte_level && !out.pattern.empty(), read.path(),
                ": the pre-tokenizer has no ByteLevel or no pattern to split by");
}

// What a file with a BPE model can give at most: the limit of its ids.
std::size_t token_count(const Reader& read, const Tree& file) {
  const Tree& model = read.at(file, "model");
  const std::string type = read.type(model, "model");
  core::require(type == "BPE", read.path(), ": the model is ", type, ", wanted BPE");
  const Tree& vocab = read.at(model, "vocab");
  const auto added = file.find("added_tokens");
  const std::size_t n =
      vocab.size() + (added != file.end() && added->is_array() ? added->size() : std::size_t{0});
  core::require(n <= std::size_t{kMaxTokens}, read.path(), ": ", n, " tokens, the limit is ", kMaxTokens);
  return n;
}

TokenizerData read_tree(const Reader& read, const Tree& file) {
  core::require(file.is_object(), read.path(), ": is JSON but no object, wanted a tokenizer");
  TokenizerData out;
  std::vector<std::string> tokens(token_count(read, file));
  read_model(read, read.at(file, "model"), tokens, out);
  read_added(read, file, tokens, out);
  // An added token may stand in the vocabulary, too: then fewer ids are given.
  while (!tokens.empty() && tokens.back().empty()) tokens.pop_back();
  const auto hole = std::find(tokens.begin(), tokens.end(), "");
  core::require(hole == tokens.end(), read.path(), ": no token has the id ", hole - tokens.begin(),
                ", wanted ids without gaps");
  out.tokens = tokens;
  read_normalizer(read, file, out);
  read_pretokenizer(read, file, out);
  for (const char* part : {"post_processor", "decoder"})
    if (const auto found = file.find(part); found != file.end() && !found->is_null()) {
      const std::string type = read.type(*found, part);
      core::require(type == "ByteLevel", read.path(), ": the ", part, " is ", type, ", wanted ByteLevel");
    }
  return out;
}

}  // namespace

TokenizerData read_tokenizer_json(const std::string& path) {
  const core::MappedFile file(path);
  const auto bytes = file.bytes();
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  try {
    return read_tree(Reader(path), Tree::parse(text, text + bytes.size()));
  } catch (const nlohmann::json::exception& e) {
    core::fail(path, ": is no valid JSON: ", e.what());
  }
}

TokenizerData read_tokenizer_model(const std::string& path) {
  const core::MappedFile file(path);
  const auto bytes = file.bytes();
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  TokenizerData out;
  out.nfc = false;  // the model normalises by itself
  out.sentencepiece.assign(data, data + bytes.size());
  try {
    for (const Piece& piece : read_pieces(out.sentencepiece)) {
      if (piece.type == PieceType::control)
        out.added.push_back({.id = static_cast<int>(out.tokens.size()), .text = piece.text, .special = true});
      out.tokens.push_back(piece.text);
    }
  } catch (const core::Error& e) {
    core::fail(path, ": ", e.what());
  }
  return out;
}

}  // namespace tarsier
