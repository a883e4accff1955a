// What the decoders share: size checks, orientation, reading of little-endian numbers.
#include "src/input/image_formats.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;

// A TIFF directory's numbers in the order its first bytes ask for; nothing past the end.
class TiffReader {
 public:
  explicit TiffReader(Bytes bytes) : bytes_(bytes) {
    if (bytes.size() < 8) return;
    const auto order = std::pair{static_cast<char>(bytes[0]), static_cast<char>(bytes[1])};
    big_endian_ = order == std::pair{'M', 'M'};
    valid_ = (big_endian_ || order == std::pair{'I', 'I'}) && number(2, 2) == 42;
  }
  bool valid() const { return valid_; }
  std::optional<std::uint32_t> number(std::size_t at, std::size_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) return std::nullopt;
    std::uint32_t out = 0;
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t from = big_endian_ ? at + k : at + count - 1 - k;
      out = out << 8 | std::to_integer<std::uint32_t>(bytes_[from]);
    }
    return out;
  }

 private:
  Bytes bytes_;
  bool big_endian_ = false;
  bool valid_ = false;
};

std::optional<int> exif_orientation(Bytes exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  for (int repeats = 0; repeats < 2 && exif.size() >= kPrefix.size(); ++repeats) {
    const std::string_view head(reinterpret_cast<const char*>(exif.data()), kPrefix.size());
    if (head == kPrefix) exif = exif.subspan(kPrefix.size());
  }
  const TiffReader tiff(exif);
  if (!tiff.valid()) return std::nullopt;
  const std::size_t directory = tiff.number(4, 4).value_or(0);
  const std::uint32_t entries = tiff.number(directory, 2).value_or(0);
  for (std::uint32_t k = 0; k < entries; ++k) {
    const std::size_t entry = directory + 2 + std::size_t{12} * k;
    if (tiff.number(entry, 2) != kOrientationTag) continue;
    const std::uint32_t type = tiff.number(entry + 2, 2).value_or(0);
    const std::size_t bytes = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;  // BYTE, SHORT, LONG
    const std::uint32_t value = tiff.number(entry + 8, bytes).value_or(0);
    if (bytes != 0 && tiff.number(entry + 4, 4) == 1 && value < 256) return static_cast<int>(value);
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kTag = "tiff:Orientation";
  for (std::size_t at = xmp.find(kTag); at != std::string_view::npos; at = xmp.find(kTag, at + 1)) {
    std::string_view rest = xmp.substr(at + kTag.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

}  // namespace

void check_size(std::int64_t width, std::int64_t height, std::string_view name, const ImageOptions& options) {
  constexpr std::int64_t kLongestSide = 1 << 24;
  core::require(width >= 1 && height >= 1 && width <= kLongestSide && height <= kLongestSide, name, ": is ",
                width, " x ", height, " pixels, expected sides of 1 to ", kLongestSide);
  core::require(width * height <= options.max_pixels, name, ": has ", width, " x ", height,
                " pixels, at most ", options.max_pixels, " are accepted");
}

Image checked_image(std::int64_t width, std::int64_t height, std::string_view name,
                    const ImageOptions& options) {
  check_size(width, height, name, options);
  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  try {
    image.rgb.resize(static_cast<std::size_t>(width * height) * 3);
  } catch (const std::bad_alloc&) {
    core::fail(name, ": out of memory for ", width, " x ", height, " pixels");
  }
  return image;
}

int orientation_of(Bytes exif, std::string_view xmp) {
  const std::optional<int> found = exif_orientation(exif);
  const int orientation = found ? *found : xmp_orientation(xmp).value_or(1);
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1) return image;
  const bool swap_axes = orientation >= 5;
  const bool mirror_rows =
      orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;  // of the
  const bool mirror_columns =
      orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;  // result
  Image out{swap_axes ? image.height : image.width, swap_axes ? image.width : image.height, {}};
  out.rgb.resize(image.rgb.size());
  std::uint8_t* target = out.rgb.data();
  for (int y = 0; y < out.height; ++y) {
    const int row = mirror_rows ? out.height - 1 - y : y;
    for (int x = 0; x < out.width; ++x, target += 3) {
      const int column = mirror_columns ? out.width - 1 - x : x;
      const auto from_row = static_cast<std::size_t>(swap_axes ? column : row);
      const auto from_column = static_cast<std::size_t>(swap_axes ? row : column);
      const std::uint8_t* source =
          image.rgb.data() + (from_row * static_cast<std::size_t>(image.width) + from_column) * 3;
      for (int c = 0; c < 3; ++c) target[c] = source[c];
    }
  }
  return out;
}

void blend_over(Image& image, std::span<const std::uint8_t> alpha, const Colour& background) {
  for (std::size_t k = 0; k < alpha.size(); ++k) {
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& level = image.rgb[3 * k + c];
      level = over_255(level * alpha[k] + background[c] * (255 - alpha[k]));
    }
  }
}

void cmyk_to_rgb(std::uint8_t* rgb, const std::uint8_t* cmyk) {
  const int light = 255 - cmyk[3];
  for (int c = 0; c < 3; ++c)
    rgb[c] = static_cast<std::uint8_t>(std::max(0, light - over_255(cmyk[c] * light)));
}

void split_rgba(const std::uint8_t* rgba, std::size_t n, std::uint8_t* rgb, std::uint8_t* alpha) {
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t c = 0; c < 3; ++c) rgb[3 * k + c] = rgba[4 * k + c];
    if (alpha != nullptr) alpha[k] = rgba[4 * k + 3];
  }
}

void ByteReader::seek(std::size_t position) {
  core::require(position <= bytes_.size(), name_, ": truncated, byte ", position, " of ", bytes_.size(),
                " wanted");
  at_ = position;
}

Bytes ByteReader::take(std::size_t count) {
  core::require(count <= left(), name_, ": truncated, ", count, " bytes wanted at ", at_, ", ", left(),
                " are left");
  const Bytes out = bytes_.subspan(at_, count);
  at_ += count;
  return out;
}

std::uint16_t ByteReader::u16_little() {
  const Bytes b = take(2);
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(b[0]) | std::to_integer<unsigned>(b[1]) << 8);
}

std::uint32_t ByteReader::u32_little() {
  const std::uint32_t low = u16_little();
  return low | static_cast<std::uint32_t>(u16_little()) << 16;
}

std::uint16_t ByteReader::u16_big() {
  const Bytes b = take(2);
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(b[0]) << 8 | std::to_integer<unsigned>(b[1]));
}

std::uint32_t ByteReader::u32_big() {
  const std::uint32_t high = u16_big();
  return high << 16 | u16_big();
}

}  // namespace tarsier
