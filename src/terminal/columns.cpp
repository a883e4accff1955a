#include "src/terminal/columns.h"

#include <utf8proc.h>

#include <algorithm>

#include "src/input/utf8.h"

namespace tarsier::terminal {

int columns_of(std::string_view text) {
  int columns = 0;
  while (!text.empty()) {
    const Utf8Char c = read_utf8(text);
    columns += c.valid ? ::utf8proc_charwidth(static_cast<utf8proc_int32_t>(c.code)) : 1;
    text.remove_prefix(static_cast<std::size_t>(std::max(c.bytes, 1)));
  }
  return columns;
}

std::string shortened(std::string_view text, int columns) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t' || c == '\r'; }, ' ');
  if (columns_of(line) <= columns) return line;
  std::string out;
  int used = 0;
  for (std::string_view rest = line; !rest.empty();) {
    const Utf8Char c = read_utf8(rest);
    const std::string_view letter = rest.substr(0, static_cast<std::size_t>(std::max(c.bytes, 1)));
    used += columns_of(letter);
    if (used > columns - 3) break;
    out += letter;
    rest.remove_prefix(letter.size());
  }
  return out + "...";
}

bool is_control(char32_t code) {
  return (code < ' ' || (code >= 0x7F && code < 0xA0)) && code != '\n' && code != '\t';
}

std::string without_controls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Char c = read_utf8(text);
    const auto n = static_cast<std::size_t>(std::max(c.bytes, 1));
    if (!c.valid || !is_control(c.code)) out += text.substr(0, n);
    text.remove_prefix(n);
  }
  return out;
}

}  // namespace tarsier::terminal
