// UTF-8 by hand: reading, repairing, and Unicode's normal form C.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tarsier {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// What stands at the beginning of some bytes.
struct Utf8Char {
  char32_t code = 0;
  int bytes = 0;         // to take: of the character, or of the part that can never become one
  bool valid = false;    // a whole character
  bool partial = false;  // not valid, but more bytes could complete it
};
// bytes: not empty. Overlong forms, surrogates and codes over U+10FFFF are not valid.
Utf8Char read_utf8(std::string_view bytes);

// Each longest part that cannot be a character becomes one U+FFFD, as Python and Rust do it.
std::string repair_utf8(std::string_view bytes);

void append_utf8(std::string& out, char32_t code);  // code: trusted

// Unicode's normal form C. text: valid UTF-8.
std::string nfc(std::string_view text);

// Unicode's White_Space.
bool is_space(char32_t code);
// A letter, number, mark or connector: what regular expressions call a word character.
bool is_word(char32_t code);

}  // namespace tarsier
