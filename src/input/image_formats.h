// The decoders behind decode_image, one for each file format. All of them check the size in the header before
// they allocate, and turn every complaint of their library into a core::Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "src/input/image.h"

namespace tarsier {

using Bytes = std::span<const std::byte>;

// A picture as the file stores it, and the EXIF orientation (1 to 8) in which it wants to be seen.
struct StoredImage {
  Image image;
  int orientation = 1;
};

StoredImage decode_png(Bytes bytes, std::string_view name, ImageLimits limits);
StoredImage decode_jpeg(Bytes bytes, std::string_view name, ImageLimits limits);
StoredImage decode_webp(Bytes bytes, std::string_view name, ImageLimits limits);
StoredImage decode_gif(Bytes bytes, std::string_view name, ImageLimits limits);
StoredImage decode_bmp(Bytes bytes, std::string_view name, ImageLimits limits);
StoredImage decode_pnm(Bytes bytes, std::string_view name, ImageLimits limits);

// A black picture. Errors: a side below 1, more pixels than the limit.
Image checked_image(std::int64_t width, std::int64_t height, std::string_view name, ImageLimits limits);

// The orientation from an EXIF block (a TIFF file, with or without "Exif\0\0" before it), else from XMP text,
// else 1. What is broken counts as absent. HF: load_image, that is Pillow's exif_transpose.
int orientation_of(Bytes exif, std::string_view xmp);

// The picture turned and mirrored so that it stands upright.
Image upright(Image image, int orientation);

// Reads numbers from untrusted bytes; past the end is an Error.
class ByteReader {
 public:
  ByteReader(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {}
  std::size_t position() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }
  void seek(std::size_t position);
  Bytes take(std::size_t count);
  std::uint8_t u8() { return static_cast<std::uint8_t>(take(1)[0]); }
  std::uint16_t u16_little();
  std::uint32_t u32_little();

 private:
  Bytes bytes_;
  std::string_view name_;
  std::size_t at_ = 0;
};

}  // namespace tarsier
