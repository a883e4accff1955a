#include "src/input/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <queue>
#include <tuple>

#include "ggml-like-core/base/error.h"
#include "src/input/utf8.h"

namespace tarsier {
namespace {

constexpr std::uint64_t kNoPair = ~std::uint64_t{0};
constexpr std::size_t kBatch = 32;      // merges whose tokens are looked up together
constexpr std::size_t kShortWord = 32;  // symbols; up to here looking at all pairs beats a queue

// Byte -> the character that spells it: printable Latin-1 as it is, the rest from U+0100 on in order.
constexpr std::array<char16_t, 256> make_byte_chars() {
  std::array<char16_t, 256> chars{};
  char16_t next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    chars[b] = printable ? static_cast<char16_t>(b) : next++;
  }
  return chars;
}
constexpr std::array<char16_t, 256> kByteChars = make_byte_chars();

// The reverse: character -> byte, or -1.
constexpr std::array<std::int16_t, 0x144> make_char_bytes() {
  std::array<std::int16_t, 0x144> bytes{};
  for (auto& b : bytes) b = -1;
  for (std::size_t b = 0; b < 256; ++b) bytes[kByteChars[b]] = static_cast<std::int16_t>(b);
  return bytes;
}
constexpr std::array<std::int16_t, 0x144> kCharBytes = make_char_bytes();

std::uint64_t mix(std::uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
  x = (x ^ x >> 27) * 0x94D049BB133111EBU;
  return x ^ x >> 31;
}

std::uint64_t pair_of(int left, int right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

// Between a third and two thirds are full.
std::size_t slots_for(std::size_t n) { return std::bit_ceil(n + n / 2 + 2); }

template <class T>
std::uint64_t load(const char* at) {
  T x;
  std::memcpy(&x, at, sizeof(x));
  return x;
}

// Eight bytes at a time, the last ones again where that fills up: texts are short, and half a million of them
// are hashed at each start.
std::uint64_t hash_of(std::string_view text) {
  const char* at = text.data();
  const std::size_t n = text.size();
  std::uint64_t hash = n;
  if (n >= 8) {
    for (std::size_t i = 0; i + 8 < n; i += 8) hash = mix(hash ^ load<std::uint64_t>(at + i));
    return mix(hash ^ load<std::uint64_t>(at + n - 8));
  }
  if (n >= 4) return mix(hash ^ (load<std::uint32_t>(at) << 32 | load<std::uint32_t>(at + n - 4)));
  for (const char c : text) hash = hash << 8 | static_cast<unsigned char>(c);
  return mix(hash);
}

std::uint32_t upper_half(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

}  // namespace

std::string stored_to_bytes(std::string_view stored) {
  std::string out;
  out.reserve(stored.size());
  for (std::string_view rest = stored; !rest.empty();) {
    const Utf8Char c = read_utf8(rest);
    if (!c.valid || c.code >= kCharBytes.size() || kCharBytes[c.code] < 0) return std::string(stored);
    out += static_cast<char>(static_cast<unsigned char>(kCharBytes[c.code]));
    rest.remove_prefix(static_cast<std::size_t>(c.bytes));
  }
  return out;
}

TokenTable::TokenTable(const core::TextList& tokens) : slots_(slots_for(tokens.size())), tokens_(&tokens) {
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;  // a hole in the ids
    const std::uint64_t hash = hash_of(tokens[id]);
    slots_[place_of(tokens[id], hash)] = {static_cast<std::int32_t>(id), upper_half(hash)};
  }
}

// Where text stands or would stand.
std::size_t TokenTable::place_of(std::string_view text, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].id >= 0 && (slots_[slot].hash != upper_half(hash) ||
                                  (*tokens_)[static_cast<std::size_t>(slots_[slot].id)] != text))
    slot = (slot + 1) & mask;
  return slot;
}

std::optional<int> TokenTable::find(std::string_view text) const {
  if (slots_.empty()) return std::nullopt;
  const std::int32_t id = slots_[place_of(text, hash_of(text))].id;
  return id >= 0 ? std::optional(id) : std::nullopt;
}

void TokenTable::find_all(std::span<const std::string_view> texts, std::span<std::int32_t> ids) const {
  if (slots_.empty()) return std::fill(ids.begin(), ids.end(), -1);
  constexpr std::size_t kMost = 3 * kBatch;
  core::bug_if(texts.size() > kMost, "more texts than are looked up together");
  std::array<std::uint64_t, kMost> hashes;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    hashes[i] = hash_of(texts[i]);
    __builtin_prefetch(&slots_[hashes[i] & mask]);
  }
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (const Slot& slot = slots_[hashes[i] & mask]; slot.id >= 0)
      tokens_->prefetch(static_cast<std::size_t>(slot.id));
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (const Slot& slot = slots_[hashes[i] & mask]; slot.id >= 0)
      __builtin_prefetch((*tokens_)[static_cast<std::size_t>(slot.id)].data());
  for (std::size_t i = 0; i < texts.size(); ++i) ids[i] = slots_[place_of(texts[i], hashes[i])].id;
}

Bpe::Bpe(const core::TextList& tokens, const TokenTable& table, const core::TextList& merges,
         bool ignore_merges)
    : merges_(slots_for(merges.size()), Merge{kNoPair, 0, 0}), table_(&table), ignore_merges_(ignore_merges) {
  for (std::size_t b = 0; b < 256; ++b) {
    std::string spelled;
    append_utf8(spelled, kByteChars[b]);
    byte_ids_[b] = table.find(spelled).value_or(-1);
  }
  // Of each merge its left token, its right one, and the whole.
  std::array<std::string_view, 3 * kBatch> parts;
  std::array<std::int32_t, 3 * kBatch> ids{};
  std::array<std::string, kBatch> joined;
  std::array<std::uint64_t, kBatch> pairs{};
  const std::size_t mask = merges_.size() - 1;
  for (std::size_t first = 0; first < merges.size(); first += kBatch) {
    const std::size_t count = std::min(kBatch, merges.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view merge = merges[first + i];
      const std::size_t space = merge.find(' ');
      core::require(space != std::string_view::npos && space > 0 && space + 1 < merge.size(),
                    "tokenizer: merge ", first + i, " is \"", merge,
                    "\", wanted two tokens and a space between");
      parts[3 * i] = merge.substr(0, space);
      parts[3 * i + 1] = merge.substr(space + 1);
      parts[3 * i + 2] = joined[i].assign(parts[3 * i]).append(parts[3 * i + 1]);
    }
    table.find_all(std::span(parts).first(3 * count), ids);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t p = 3 * i; p < 3 * i + 3; ++p)
        core::require(ids[p] >= 0, "tokenizer: merge ", first + i, " is \"", merges[first + i], "\", but ",
                      parts[p], " is none of the ", tokens.size(), " tokens");
      pairs[i] = pair_of(ids[3 * i], ids[3 * i + 1]);
      __builtin_prefetch(&merges_[mix(pairs[i]) & mask]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t slot = mix(pairs[i]) & mask;
      while (merges_[slot].pair != kNoPair && merges_[slot].pair != pairs[i]) slot = (slot + 1) & mask;
      merges_[slot] = {pairs[i], static_cast<std::int32_t>(first + i), ids[3 * i + 2]};
    }
  }
}

const Bpe::Merge* Bpe::find(int left, int right) const {
  const std::uint64_t pair = pair_of(left, right);
  const std::size_t mask = merges_.size() - 1;
  for (std::size_t slot = mix(pair) & mask; merges_[slot].pair != kNoPair; slot = (slot + 1) & mask)
    if (merges_[slot].pair == pair) return &merges_[slot];
  return nullptr;
}

void Bpe::encode(std::string_view word, std::vector<int>& ids, std::vector<std::size_t>& ends) const {
  if (ignore_merges_) {
    std::string spelled;
    for (const char c : word) append_utf8(spelled, kByteChars[static_cast<unsigned char>(c)]);
    if (const auto id = table_->find(spelled)) {
      ids.push_back(*id);
      ends.push_back(word.size());
      return;
    }
  }
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (std::size_t i = 0; i < word.size(); ++i)
    if (const int id = byte_ids_[static_cast<unsigned char>(word[i])]; id >= 0)
      symbols.push_back({id, static_cast<std::uint32_t>(i + 1)});
  if (symbols.size() <= kShortWord)
    merge_short(symbols);
  else
    merge_long(symbols);
  for (const Symbol& s : symbols) {
    ids.push_back(s.id);
    ends.push_back(s.end);
  }
}

// Again and again the best pair of all, of equals the leftmost.
void Bpe::merge_short(std::vector<Symbol>& symbols) const {
  if (symbols.size() < 2) return;
  std::array<const Merge*, kShortWord> merges{};  // of symbols i and i + 1
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) merges[i] = find(symbols[i].id, symbols[i + 1].id);
  while (symbols.size() > 1) {
    std::size_t best = symbols.size();
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
      if (merges[i] != nullptr && (best == symbols.size() || merges[i]->rank < merges[best]->rank)) best = i;
    if (best == symbols.size()) return;
    symbols[best] = {merges[best]->id, symbols[best + 1].end};
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    for (std::size_t i = best + 1; i + 1 < symbols.size(); ++i) merges[i] = merges[i + 1];
    if (best > 0) merges[best - 1] = find(symbols[best - 1].id, symbols[best].id);
    if (best + 1 < symbols.size()) merges[best] = find(symbols[best].id, symbols[best + 1].id);
  }
}

// The same with a queue over a linked list: n log n.
void Bpe::merge_long(std::vector<Symbol>& symbols) const {
  struct Candidate {
    std::int32_t rank;
    std::uint32_t left, right;  // symbols
    int left_id, right_id;      // what they were; another id now means that the candidate is stale
    int id;
    bool operator>(const Candidate& o) const { return std::tie(rank, left) > std::tie(o.rank, o.left); }
  };
  constexpr std::uint32_t kNone = ~std::uint32_t{0};
  const auto n = static_cast<std::uint32_t>(symbols.size());
  std::vector<std::uint32_t> previous(n);
  std::vector<std::uint32_t> next(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == n ? kNone : i + 1;
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](std::uint32_t left, std::uint32_t right) {
    if (left == kNone || right == kNone) return;
    if (const Merge* m = find(symbols[left].id, symbols[right].id))
      queue.push({m->rank, left, right, symbols[left].id, symbols[right].id, m->id});
  };
  for (std::uint32_t i = 0; i + 1 < n; ++i) consider(i, i + 1);
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    if (symbols[c.left].id != c.left_id || symbols[c.right].id != c.right_id || next[c.left] != c.right)
      continue;
    symbols[c.left] = {c.id, symbols[c.right].end};
    symbols[c.right].id = -1;  // gone
    next[c.left] = next[c.right];
    if (next[c.left] != kNone) previous[next[c.left]] = c.left;
    consider(previous[c.left], c.left);
    consider(c.left, next[c.left]);
  }
  std::erase_if(symbols, [](const Symbol& s) { return s.id < 0; });
}

}  // namespace tarsier
