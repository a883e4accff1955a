// Finds the tokens that are matched in a text as it stands, before normalisation and pre-tokenizer. HF:
// tokenizers, added_vocabulary.rs.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "src/input/tokenizer.h"

namespace tarsier {

struct AddedMatch {
  std::size_t begin, end;  // bytes of the text; more than the token's own where it strips blanks
  int id;
};

// Immutable. The tokens must outlive it.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(std::vector<const AddedToken*> tokens);
  // The leftmost match, of those the longest, that begins at from or later; nothing: begin == npos. after:
  // the end of the match before, which blanks in front of a token are not taken beyond.
  AddedMatch next(std::string_view text, std::size_t from, std::size_t after) const;

 private:
  std::array<std::vector<const AddedToken*>, 256> by_first_byte_;  // longest first
};

}  // namespace tarsier
