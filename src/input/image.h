// Pictures as 8-bit RGB, decoded from the bytes of a file. The bytes equal what transformers' load_image
// (Pillow) gives: the EXIF orientation is applied, alpha is dropped (colours under transparent pixels show),
// of an animation the first frame is taken. One difference on purpose: of 16-bit samples the high byte is
// taken, where Pillow clips 16-bit grey.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
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

using Colour = std::array<std::uint8_t, 3>;  // red, green, blue

struct ImageOptions {
  // Checked against the header, before anything is allocated or decoded. Pillow's limit, over which it calls
  // a picture a decompression bomb.
  std::int64_t max_pixels = 178'956'970;
  bool rotate = true;                // as the EXIF orientation asks for
  std::optional<Colour> background;  // shows through transparent pixels; nothing: alpha is dropped
};

// What a picture file says of itself, and what was done about it.
struct ImageFacts {
  std::string format;  // "PNG", "JPEG" ...
  int stored_width = 0;
  int stored_height = 0;
  int orientation = 1;        // of EXIF, 1 to 8
  bool alpha = false;         // has transparency
  bool sixteen_bits = false;  // samples of more than 8 bits, of which the high ones are kept
  int frames = 1;             // of an animation: how many there are
};

struct DecodedImage {
  Image image;
  ImageFacts facts;
};

// The format is found from the first bytes, never from the name, which only stands in errors. Errors: unknown
// format, broken or truncated file, too many pixels.
DecodedImage decode_with_facts(std::span<const std::byte> bytes, std::string_view name,
                               const ImageOptions& options = {});
Image decode_image(std::span<const std::byte> bytes, std::string_view name, const ImageOptions& options = {});

// The same for a path, - (standard input) or a data URI.
Image load_image(const std::string& source, const ImageOptions& options = {});

// For people, what was done to the picture: "turned upright, alpha dropped"; empty where nothing was.
std::string treatment(const ImageFacts& facts, const ImageOptions& options);
// The same behind what it is: "JPEG 4000 x 3000, turned upright, alpha dropped".
std::string describe(const ImageFacts& facts, const ImageOptions& options);

// "white", "black" or "#rrggbb"; "none" for nothing. Error: anything else.
std::optional<Colour> background_named(std::string_view text);
std::string name_of(const std::optional<Colour>& background);

// The formats that can be read, for messages: "PNG, JPEG ...".
std::string image_format_names();

// The bytes of a PNG file.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace tarsier
