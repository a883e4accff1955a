// The tokenizer's keys of a GGUF file: llama.cpp's lists, and under tarsier.tokenizer.* what they do not say.
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/model/config_file.h"

namespace tarsier {
namespace {

constexpr std::string_view kModel = "tokenizer.ggml.model";
constexpr std::string_view kPre = "tokenizer.ggml.pre";
constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
constexpr std::string_view kBos = "tokenizer.ggml.bos_token_id";
constexpr std::string_view kAddBos = "tokenizer.ggml.add_bos_token";
constexpr std::string_view kMerges = "tokenizer.ggml.merges";
constexpr std::string_view kAddedIds = "tarsier.tokenizer.added_ids";
constexpr std::string_view kAddedFlags = "tarsier.tokenizer.added_flags";
constexpr std::string_view kPattern = "tarsier.tokenizer.pattern";
constexpr std::string_view kNfc = "tarsier.tokenizer.nfc";
constexpr std::string_view kIgnoreMerges = "tarsier.tokenizer.ignore_merges";
constexpr std::string_view kSentencePiece = "tarsier.tokenizer.sentencepiece";

// Values of tokenizer.ggml.token_type.
constexpr std::int64_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

// Bits of tarsier.tokenizer.added_flags.
constexpr std::int64_t kSpecial = 1, kNormalized = 2, kLstrip = 4, kRstrip = 8, kSingleWord = 16;

// What a value of tokenizer.ggml.pre stands for. llama.cpp (llama-vocab.cpp) splits by several expressions
// one after another where these are one; the words are the same.
struct PreTokenizer {
  std::string_view name;
  std::string_view pattern;  // empty: Qwen2's
  bool nfc = false;
  bool ignore_merges = false;
  bool bos = false;  // begins texts where no key says otherwise
};
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// GPT-2's behind a cut at every digit.
constexpr std::string_view kSmolPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+)";
// GPT-2's between runs of punctuation, numbers in threes.
constexpr std::string_view kDefaultPattern =
    R"([\p{P}$+<=>^~|]+| ?\p{L}+|[0-9]{3}|(?:(?![0-9]{3})\p{N})+| ?[^\s\p{L}\p{N}\p{P}$+<=>^~|]+)"
    R"(|\s+(?=[\p{P}$+<=>^~|])|\s+(?!\S)|\s+)";
constexpr std::array kPreTokenizers = {
    PreTokenizer{.name = "qwen2", .pattern = "", .nfc = true},
    PreTokenizer{.name = "deepseek-r1-qwen", .pattern = "", .nfc = true},
    PreTokenizer{.name = "llama-bpe", .pattern = kLlama3Pattern, .ignore_merges = true, .bos = true},
    PreTokenizer{.name = "llama3", .pattern = kLlama3Pattern, .ignore_merges = true, .bos = true},
    PreTokenizer{.name = "smollm", .pattern = kSmolPattern},
    PreTokenizer{.name = "gpt-2", .pattern = kGpt2Pattern},
    PreTokenizer{.name = "default", .pattern = kDefaultPattern},
};

const PreTokenizer& pre_tokenizer(const core::GgufReader& file) {
  if (!file.has(kPre)) return kPreTokenizers.front();
  const std::string& pre = file.text(kPre);
  std::string names;
  for (const PreTokenizer& p : kPreTokenizers) {
    if (p.name == pre) return p;
    names += (names.empty() ? "" : ", ") + std::string(p.name);
  }
  core::fail(file.path(), ": ", kPre, " is ", pre, ", wanted one of ", names);
}

// The name for llama.cpp; our own keys say more. Qwen2's where it has none for such a tokenizer.
std::string_view pre_name(const TokenizerData& t) {
  for (const PreTokenizer& p : kPreTokenizers)
    if (p.pattern == t.pattern && p.nfc == t.nfc && p.ignore_merges == t.ignore_merges) return p.name;
  return kPreTokenizers.front().name;
}

// The token that begins a raw prompt; -1: none.
int begin_token(const core::GgufReader& file, bool unless_said) {
  const bool begins = file.has(kAddBos) ? file.boolean(kAddBos) : unless_said;
  if (!begins || !file.has(kBos)) return -1;
  const std::int64_t id = file.integer(kBos);
  core::require(id >= 0 && std::cmp_less(id, file.texts(kTokens).size()), file.path(), ": ", kBos, " is ", id,
                ", which is none of its tokens");
  return static_cast<int>(id);
}

std::string padding(std::size_t id) { return "[PAD" + std::to_string(id) + "]"; }

std::int64_t flags_of(const AddedToken& t) {
  return (t.special ? kSpecial : 0) | (t.normalized ? kNormalized : 0) | (t.lstrip ? kLstrip : 0) |
         (t.rstrip ? kRstrip : 0) | (t.single_word ? kSingleWord : 0);
}

// Without the padding rows at the end.
std::size_t true_size(const core::TextList& tokens, const std::vector<std::int64_t>& types) {
  std::size_t n = tokens.size();
  while (n > 0 && n <= types.size() && types[n - 1] == kUnused && tokens[n - 1] == padding(n - 1)) --n;
  return n;
}

void read_added(const core::GgufReader& file, const std::vector<std::int64_t>& types, TokenizerData& out) {
  const auto add = [&](std::int64_t id, std::int64_t flags) {
    core::require(id >= 0 && std::cmp_less(id, out.tokens.size()), file.path(), ": added token ", id,
                  " is not one of the ", out.tokens.size(), " tokens");
    out.added.push_back({.id = static_cast<int>(id),
                         .text = std::string(out.tokens[static_cast<std::size_t>(id)]),
                         .special = (flags & kSpecial) != 0,
                         .normalized = (flags & kNormalized) != 0,
                         .lstrip = (flags & kLstrip) != 0,
                         .rstrip = (flags & kRstrip) != 0,
                         .single_word = (flags & kSingleWord) != 0});
  };
  if (!file.has(kAddedIds)) {
    for (std::size_t id = 0; id < types.size() && id < out.tokens.size(); ++id)
      if (types[id] == kControl || types[id] == kUserDefined)
        add(static_cast<std::int64_t>(id), types[id] == kControl ? kSpecial : 0);
    return;
  }
  const auto& ids = file.integers(kAddedIds);
  const auto& flags = file.integers(kAddedFlags);
  core::require(ids.size() == flags.size(), file.path(), ": ", kAddedIds, " has ", ids.size(), " numbers, ",
                kAddedFlags, " ", flags.size());
  for (std::size_t i = 0; i < ids.size(); ++i) add(ids[i], flags[i]);
}

}  // namespace

TokenizerData read_tokenizer(const core::GgufReader& file) {
  const std::string& model = file.text(kModel);
  TokenizerData out;
  if (file.has(kSentencePiece)) out.sentencepiece = file.bytes(kSentencePiece);
  core::require(model == "gpt2" || !out.sentencepiece.empty(), file.path(), ": ", kModel, " is ", model,
                ", wanted gpt2, or any with a SentencePiece model in ", kSentencePiece);
  if (file.has(kTokens)) out.tokens = file.texts(kTokens);
  const std::vector<std::int64_t> none;
  const std::vector<std::int64_t>& types = file.has(kTypes) ? file.integers(kTypes) : none;
  core::require(types.empty() || types.size() == out.tokens.size(), file.path(), ": ", kTypes, " has ",
                types.size(), " numbers for ", out.tokens.size(), " tokens");
  out.tokens.truncate(true_size(out.tokens, types));
  read_added(file, types, out);
  if (file.has(kNfc)) out.nfc = file.boolean(kNfc);
  if (file.has(kIgnoreMerges)) out.ignore_merges = file.boolean(kIgnoreMerges);
  if (!out.sentencepiece.empty()) return out;
  core::require(!out.tokens.empty(), file.path(), ": holds no tokens (", kTokens, ")");
  out.merges = file.texts(kMerges);
  const bool ours = file.has(kPattern);  // which says all that a name in tokenizer.ggml.pre stands for
  const PreTokenizer& pre = ours ? kPreTokenizers.front() : pre_tokenizer(file);
  out.pattern = ours ? file.text(kPattern) : std::string(pre.pattern);
  if (!file.has(kNfc)) out.nfc = pre.nfc;
  if (!file.has(kIgnoreMerges)) out.ignore_merges = pre.ignore_merges;
  out.bos = begin_token(file, pre.bos);
  return out;
}

void write_tokenizer(core::GgufWriter& file, const TokenizerData& tokenizer, int vocab_rows) {
  const bool sentencepiece = !tokenizer.sentencepiece.empty();
  core::require(std::cmp_less_equal(tokenizer.tokens.size(), vocab_rows), "the tokenizer has ",
                tokenizer.tokens.size(), " tokens, the embedding only ", vocab_rows, " rows");
  const auto set = [&](std::string_view key, core::GgufValue value) {
    file.set(std::string(key), std::move(value));
  };
  set(kModel, sentencepiece ? "llama" : "gpt2");
  if (!sentencepiece) set(kPre, std::string(pre_name(tokenizer)));
  core::TextList tokens = tokenizer.tokens;
  std::vector<std::int64_t> types(tokens.size(), kNormal);
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> flags;
  for (const AddedToken& t : tokenizer.added) {
    core::require(t.id >= 0 && std::cmp_less(t.id, tokens.size()), "added token ", t.text, " has the id ",
                  t.id, ", the tokenizer ", tokens.size(), " tokens");
    core::require(tokens[static_cast<std::size_t>(t.id)] == t.text, "added token ", t.text, " has the id ",
                  t.id, " of the token ", tokens[static_cast<std::size_t>(t.id)]);
    types[static_cast<std::size_t>(t.id)] = t.special ? kControl : kUserDefined;
    ids.push_back(t.id);
    flags.push_back(flags_of(t));
  }
  if (!tokens.empty())
    for (std::size_t id = tokens.size(); std::cmp_less(id, vocab_rows); ++id) {
      tokens.push_back(padding(id));
      types.push_back(kUnused);
    }
  const auto pad = std::find_if(tokenizer.added.begin(), tokenizer.added.end(),
                                [](const AddedToken& t) { return t.text == "<|endoftext|>"; });
  if (pad != tokenizer.added.end())
    set("tokenizer.ggml.padding_token_id", static_cast<std::uint32_t>(pad->id));
  set(kAddBos, tokenizer.bos >= 0);
  if (tokenizer.bos >= 0) set(kBos, static_cast<std::uint32_t>(tokenizer.bos));
  set(kTokens, std::move(tokens));
  set(kTypes, std::move(types));
  set(kAddedIds, std::move(ids));
  set(kAddedFlags, std::move(flags));
  set(kNfc, tokenizer.nfc);
  set(kIgnoreMerges, tokenizer.ignore_merges);
  if (sentencepiece) return set(kSentencePiece, tokenizer.sentencepiece);
  set(kPattern, tokenizer.pattern);
  set(kMerges, tokenizer.merges);
}

}  // namespace tarsier
