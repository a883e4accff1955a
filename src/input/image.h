// Pictures as 8-bit RGB, decoded from the bytes of a PNG, JPEG, WebP, GIF (first frame), BMP or PNM file.
// The bytes equal what transformers' load_image (Pillow) gives: the EXIF orientation is applied, alpha is
// dropped (colours under transparent pixels show). One difference on purpose: of 16-bit samples the high byte
// is taken, where Pillow clips 16-bit grey.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // [height][width][3]
};

// Checked against the header, before anything is allocated or decoded.
struct ImageLimits {
  std::int64_t max_pixels = 16384LL * 16384;
};

// The format is found from the first bytes, never from the name, which only stands in errors. Errors: unknown
// format, broken or truncated file, too many pixels.
Image decode_image(std::span<const std::byte> bytes, std::string_view name, ImageLimits limits = {});

// The same for a file.
Image load_image(const std::string& path, ImageLimits limits = {});

// The bytes of a PNG file.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace tarsier
