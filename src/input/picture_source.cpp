#include "src/input/picture_source.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

constexpr std::string_view kScheme = "data:";
constexpr std::size_t kMostBytes = std::size_t{1} << 31;  // of standard input

std::vector<std::byte> read_standard_input() {
  std::vector<std::byte> out;
  std::array<std::byte, 65536> part{};
  while (const std::size_t n = std::fread(part.data(), 1, part.size(), stdin)) {
    core::require(out.size() + n <= kMostBytes, "standard input: is over ", kMostBytes,
                  " bytes, too much for a picture");
    out.insert(out.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(n));
  }
  core::require(std::ferror(stdin) == 0, "standard input: ", std::string_view(std::strerror(errno)));
  return out;
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// White space and the padding at the end count for nothing.
std::vector<std::byte> base64_decoded(std::string_view text, const std::string& name) {
  std::vector<std::byte> out;
  out.reserve(text.size() / 4 * 3);
  while (text.ends_with('=') || text.ends_with('\n')) text.remove_suffix(1);
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    const int digit = base64_digit(c);
    core::require(digit >= 0, name, ": holds a byte of value ",
                  static_cast<int>(static_cast<unsigned char>(c)), ", which is not base64");
    held = held << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<std::byte>(held >> bits & 0xffU));
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::vector<std::byte> percent_decoded(std::string_view text) {
  std::vector<std::byte> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    out.push_back(low < 0 ? static_cast<std::byte>(text[i]) : static_cast<std::byte>(high * 16 + low));
    if (low >= 0) i += 2;
  }
  return out;
}

// The media type before the comma is not believed: what the bytes are, they say themselves.
std::vector<std::byte> data_uri_bytes(const std::string& source) {
  const std::string name = source_name(source);
  const std::size_t comma = source.find(',');
  core::require(comma != std::string::npos, name, ": has no comma before its data");
  const std::string_view head = std::string_view(source).substr(0, comma);
  const std::string_view data = std::string_view(source).substr(comma + 1);
  std::vector<std::byte> out = head.ends_with(";base64") ? base64_decoded(data, name) : percent_decoded(data);
  core::require(!out.empty(), name, ": holds no data");
  return out;
}

}  // namespace

bool is_file_path(std::string_view source) { return source != "-" && !source.starts_with(kScheme); }

std::string source_name(std::string_view source) {
  if (source == "-") return "standard input";
  if (source.starts_with(kScheme)) return "a data URI of " + std::to_string(source.size()) + " characters";
  return std::string(source);
}

PictureBytes read_picture(const std::string& source) {
  if (source == "-") {
    std::vector<std::byte> bytes = read_standard_input();
    core::require(!bytes.empty(), "standard input: is empty or was read already, expected a picture");
    return PictureBytes(std::move(bytes));
  }
  if (!is_file_path(source)) return PictureBytes(data_uri_bytes(source));
  return PictureBytes(core::MappedFile(source));
}

}  // namespace tarsier
