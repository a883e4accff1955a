// Byte-level byte-pair encoding: words of bytes -> token ids.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/text_list.h"

namespace tarsier {

// The bytes that a stored token stands for: byte-level text spells each byte as one printable character (HF:
// ByteLevel, after GPT-2's bytes_to_unicode). A token with any other character stands for its own UTF-8.
std::string stored_to_bytes(std::string_view stored);

// An open-addressing table of strings that live elsewhere.
class TokenTable {
 public:
  TokenTable() = default;
  explicit TokenTable(const core::TextList& tokens);  // tokens must outlive the table; later ones win
  std::optional<int> find(std::string_view text) const;
  // The same for some texts at once, -1 for none: it waits for memory once and not for each.
  void find_all(std::span<const std::string_view> texts, std::span<std::int32_t> ids) const;

 private:
  struct Slot {
    std::int32_t id = -1;    // -1: empty
    std::uint32_t hash = 0;  // half of it, so that other texts are not looked at
  };
  std::size_t place_of(std::string_view text, std::uint64_t hash) const;

  std::vector<Slot> slots_;  // open addressing, a power of two
  const core::TextList* tokens_ = nullptr;
};

// Immutable, so thread-safe.
class Bpe {
 public:
  // tokens, merges: as in TokenizerData; tokens must outlive it. Error: a merge that names no token.
  Bpe(const core::TextList& tokens, const TokenTable& table, const core::TextList& merges,
      bool ignore_merges);
  // Appends the ids of one word of the pre-tokenizer, and to ends where each token ends in word. Bytes
  // without a token of their own are left out, as HF does.
  void encode(std::string_view word, std::vector<int>& ids, std::vector<std::size_t>& ends) const;

 private:
  struct Merge {
    std::uint64_t pair;  // left id << 32 | right id; kNoPair: an empty slot
    std::int32_t rank;   // smaller is better
    std::int32_t id;     // of the merged token
  };
  struct Symbol {
    int id;
    std::uint32_t end;  // in the word
  };
  const Merge* find(int left, int right) const;
  void merge_short(std::vector<Symbol>& symbols) const;
  void merge_long(std::vector<Symbol>& symbols) const;

  std::vector<Merge> merges_;  // open addressing, a power of two
  std::int32_t byte_ids_[256];
  const TokenTable* table_;
  bool ignore_merges_;
};

}  // namespace tarsier
