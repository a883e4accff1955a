#include "src/input/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The first code point that normal form C can change is U+0300, whose first byte is 0xCC.
bool surely_nfc(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0xCC; });
}

void append_decomposed(std::vector<utf8proc_int32_t>& out, char32_t code) {
  std::array<utf8proc_int32_t, 16> part{};  // the longest canonical decomposition has 4
  int boundary_class = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), part.data(), part.size(),
                                         UTF8PROC_DECOMPOSE, &boundary_class);
  core::bug_if(n < 1 || n > static_cast<utf8proc_ssize_t>(part.size()), "utf8proc could not decompose");
  out.insert(out.end(), part.begin(), part.begin() + n);
}

// part: decomposed and sorted; overwritten.
void append_composed(std::string& out, std::span<utf8proc_int32_t> part) {
  const auto n = utf8proc_normalize_utf32(part.data(), static_cast<utf8proc_ssize_t>(part.size()),
                                          static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  core::bug_if(n < 0, "utf8proc could not compose code points");
  for (const utf8proc_int32_t c : part.first(static_cast<std::size_t>(n)))
    append_utf8(out, static_cast<char32_t>(c));
}

// The canonical order. utf8proc_map swaps neighbours, which takes half an hour for a megabyte of marks.
void sort_marks(std::vector<utf8proc_int32_t>& codes) {
  const auto mark_class = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  const auto is_mark = [&](utf8proc_int32_t c) { return mark_class(c) != 0; };
  for (auto from = codes.begin(); from != codes.end();) {
    from = std::find_if(from, codes.end(), is_mark);
    const auto to = std::find_if_not(from, codes.end(), is_mark);
    std::stable_sort(from, to, [&](auto a, auto b) { return mark_class(a) < mark_class(b); });
    from = to;
  }
}

}  // namespace

Utf8Char read_utf8(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return {.code = first, .bytes = 1, .valid = true};
  if (first < 0xC2 || first > 0xF4) return {.bytes = 1};
  const int length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The second byte's range keeps out overlong forms, surrogates and codes over U+10FFFF (Unicode, table
  // 3-7).
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  char32_t code = first & (0x7FU >> length);
  for (int i = 1; i < length; ++i) {
    if (static_cast<std::size_t>(i) == bytes.size()) return {.bytes = i, .partial = true};
    const unsigned next = at(static_cast<std::size_t>(i));
    if (next < low || next > high) return {.bytes = i};
    code = code << 6 | (next & 0x3FU);
    low = 0x80;
    high = 0xBF;
  }
  return {.code = code, .bytes = length, .valid = true};
}

std::string repair_utf8(std::string_view bytes) {
  if (ascii(bytes)) return std::string(bytes);
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Utf8Char c = read_utf8(bytes);
    const auto n = static_cast<std::size_t>(c.bytes);
    out += c.valid ? bytes.substr(0, n) : kReplacement;
    bytes.remove_prefix(n);
  }
  return out;
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string nfc(std::string_view text) {
  if (surely_nfc(text)) return std::string(text);
  std::vector<utf8proc_int32_t> codes;
  codes.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char c = read_utf8(text);
    append_decomposed(codes, c.code);
    text.remove_prefix(static_cast<std::size_t>(c.bytes));
  }
  sort_marks(codes);
  std::string out;
  for (std::span<utf8proc_int32_t> rest(codes); !rest.empty();) {
    // utf8proc 2.8 drops U+11A7 behind a Hangul syllable. It composes with nothing, so the text is cut before
    // it.
    constexpr utf8proc_int32_t kNoFinal = 0x11A7;
    const auto cut = std::find(rest.begin() + 1, rest.end(), kNoFinal);
    const auto part = rest.first(static_cast<std::size_t>(cut - rest.begin()));
    append_composed(out, part);
    rest = rest.subspan(part.size());
  }
  return out;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_word(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO) ||
         category == UTF8PROC_CATEGORY_PC;
}

}  // namespace tarsier
