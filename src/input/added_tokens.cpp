#include "src/input/added_tokens.h"

#include <algorithm>
#include <utility>

#include "src/input/utf8.h"

namespace tarsier {
namespace {

// The character that ends at the end of text, which is valid UTF-8 and not empty.
Utf8Char last_char(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return read_utf8(text.substr(begin));
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const bool word_before = begin > 0 && is_word(last_char(text.substr(0, begin)).code);
  const bool word_after = end < text.size() && is_word(read_utf8(text.substr(end)).code);
  return !word_before && !word_after;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<const AddedToken*> tokens) {
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const AddedToken* a, const AddedToken* b) { return a->text.size() > b->text.size(); });
  for (const AddedToken* token : tokens)
    if (!token->text.empty()) by_first_byte_[static_cast<unsigned char>(token->text[0])].push_back(token);
}

AddedMatch AddedTokenFinder::next(std::string_view text, std::size_t from, std::size_t after) const {
  for (std::size_t i = from; i < text.size(); ++i)
    for (const AddedToken* token : by_first_byte_[static_cast<unsigned char>(text[i])]) {
      if (!text.substr(i).starts_with(token->text)) continue;
      std::size_t begin = i;
      std::size_t end = i + token->text.size();
      if (token->single_word && !stands_alone(text, begin, end)) {
        i = end - 1;  // HF does not look inside a match that it gave up
        break;
      }
      while (token->lstrip && begin > after) {
        const Utf8Char c = last_char(text.substr(0, begin));
        if (!is_space(c.code)) break;
        begin -= static_cast<std::size_t>(c.bytes);
      }
      while (token->rstrip && end < text.size()) {
        const Utf8Char c = read_utf8(text.substr(end));
        if (!is_space(c.code)) break;
        end += static_cast<std::size_t>(c.bytes);
      }
      return {begin, end, token->id};
    }
  return {std::string_view::npos, std::string_view::npos, -1};
}

}  // namespace tarsier
