// PBM, PGM and PPM (P1 to P6). Levels are scaled from the file's maximum to 255; of 16-bit levels the high
// byte is taken.
#include <algorithm>
#include <cmath>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

constexpr int kWide = 65535;

class PnmReader {
 public:
  PnmReader(Bytes bytes, std::string_view name) : reader_(bytes, name), name_(name) { reader_.seek(2); }

  // A decimal number, after white space and comments; takes the one byte of white space behind it.
  int number() {
    char c = first_after_space();
    int value = 0;
    int digits = 0;
    for (; c >= '0' && c <= '9'; c = next_or_space(), ++digits) {
      core::require(value <= (1 << 24), name_, ": a PNM number is too long");
      value = value * 10 + (c - '0');
    }
    core::require(digits > 0 && is_space(c), name_, ": holds no number where PNM wants one");
    return value;
  }
  // '0' or '1', white space around it or not.
  bool digit() {
    const char c = first_after_space();
    core::require(c == '0' || c == '1', name_, ": holds a byte that is neither 0 nor 1");
    return c == '1';
  }
  ByteReader& bytes() { return reader_; }

 private:
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  char next_or_space() { return reader_.left() == 0 ? ' ' : static_cast<char>(reader_.u8()); }
  char first_after_space() {
    auto c = static_cast<char>(reader_.u8());
    while (is_space(c) || c == '#') {
      if (c == '#') {
        while (c != '\n' && c != '\r') c = static_cast<char>(reader_.u8());
      }
      c = static_cast<char>(reader_.u8());
    }
    return c;
  }

  ByteReader reader_;
  std::string_view name_;
};

// Rounded half to even, as Python does.
std::uint8_t scaled(int level, int maximum) {
  if (maximum == kWide) return static_cast<std::uint8_t>(level >> 8);
  return static_cast<std::uint8_t>(
      std::min(255.0, std::nearbyint(static_cast<double>(level) / maximum * 255)));
}

// Black on white, eight pixels a byte.
void read_bits(Image& image, PnmReader& reader, bool plain) {
  std::uint8_t* target = image.rgb.data();
  for (int y = 0; y < image.height; ++y) {
    unsigned held = 0;
    for (int x = 0; x < image.width; ++x, target += 3) {
      if (!plain && x % 8 == 0) held = reader.bytes().u8();
      const bool black = plain ? reader.digit() : (held >> (7 - x % 8) & 1U) != 0;
      std::fill_n(target, 3, black ? std::uint8_t{0} : std::uint8_t{255});
    }
  }
}

}  // namespace

StoredImage decode_pnm(Bytes bytes, std::string_view name, const ImageOptions& options) {
  const int kind = std::to_integer<int>(bytes[1]) - '0';
  const bool plain = kind <= 3;
  const bool bits = kind == 1 || kind == 4;
  const bool colour = kind == 3 || kind == 6;
  PnmReader reader(bytes, name);
  const std::int64_t width = reader.number();
  const std::int64_t height = reader.number();
  const int maximum = bits ? 1 : reader.number();
  core::require(maximum >= 1 && maximum <= kWide, name, ": has PNM levels up to ", maximum,
                ", expected 1 to ", kWide);
  // Every pixel takes at least a bit of the file: checked before anything is allocated.
  const std::int64_t values = width * height * (colour ? 3 : 1);
  const std::int64_t wanted = bits && !plain            ? (width + 7) / 8 * height
                              : !plain && maximum > 255 ? values * 2
                                                        : values;
  core::require(wanted <= static_cast<std::int64_t>(reader.bytes().left()), name, ": is truncated, ", wanted,
                " bytes wanted, ", reader.bytes().left(), " are left");
  StoredImage out;
  out.image = checked_image(width, height, name, options);
  if (bits) {
    read_bits(out.image, reader, plain);
    return out;
  }
  const auto level = [&] {
    int value = 0;
    if (plain)
      value = reader.number();
    else
      value = reader.bytes().u8();
    if (!plain && maximum > 255) value = value << 8 | reader.bytes().u8();
    core::require(!plain || value <= maximum, name, ": holds a level of ", value, ", at most ", maximum);
    return scaled(value, maximum);
  };
  for (std::size_t k = 0; k < out.image.rgb.size(); k += 3) {
    std::uint8_t* pixel = out.image.rgb.data() + k;
    pixel[0] = level();
    pixel[1] = colour ? level() : pixel[0];
    pixel[2] = colour ? level() : pixel[0];
  }
  return out;
}

}  // namespace tarsier
