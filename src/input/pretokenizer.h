// Splits a text into the words that byte-level BPE works on, by the regular expression of the tokenizer.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tarsier {

extern const std::string_view kQwen2Pattern;

// Immutable, so thread-safe.
class Pretokenizer {
 public:
  // pattern: as in tokenizer.json (Oniguruma's syntax); empty: Qwen2's. Error: it does not compile.
  explicit Pretokenizer(std::string_view pattern);
  ~Pretokenizer();
  Pretokenizer(Pretokenizer&&) noexcept;
  Pretokenizer& operator=(Pretokenizer&&) noexcept;

  // Calls word for each match and each stretch between matches, in order; together they are the text. text:
  // valid UTF-8. Error: a pattern whose matching takes too many steps.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;

 private:
  struct Code;
  std::unique_ptr<const Code> code_;
};

// The pattern as PCRE2 must read it to mean the same: \s and \S are Unicode's White_Space,
// \p{L} and \p{N} have the letters and numbers of Unicode 16.
std::string pcre_pattern(std::string_view pattern);

}  // namespace tarsier
