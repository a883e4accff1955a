// The decoders behind decode_image, one for each file format. All of them check the size in the header before
// they allocate, and turn every complaint of their library into a core::Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/image.h"
#include "src/input/image_animation.h"

namespace tarsier {

using Bytes = std::span<const std::byte>;

// A picture as the file stores it.
struct StoredImage {
  Image image;
  std::vector<std::uint8_t> alpha;  // [height][width] where there is transparency and options.background asks
  int orientation = 1;              // the EXIF orientation (1 to 8) in which it wants to be seen
  bool transparent = false;         // the file has transparency, asked for or not
  bool sixteen_bits = false;
  int frames = 1;  // pages of a TIFF file
};

StoredImage decode_png(Bytes bytes, std::string_view name, const ImageOptions& options);
StoredImage decode_jpeg(Bytes bytes, std::string_view name, const ImageOptions& options);
StoredImage decode_webp(Bytes bytes, std::string_view name, const ImageOptions& options);
StoredImage decode_gif(Bytes bytes, std::string_view name, const ImageOptions& options);
StoredImage decode_bmp(Bytes bytes, std::string_view name, const ImageOptions& options);
StoredImage decode_pnm(Bytes bytes, std::string_view name, const ImageOptions& options);
StoredImage decode_tiff(Bytes bytes, std::string_view name, const ImageOptions& options);
StoredImage decode_heif(Bytes bytes, std::string_view name, const ImageOptions& options);

// As frame_delays and decode_animation.
std::vector<int> gif_delays(Bytes bytes, std::string_view name);
std::vector<int> apng_delays(Bytes bytes);
std::vector<int> webp_delays(Bytes bytes, std::string_view name);
void decode_gif_frames(Bytes bytes, std::string_view name, const FrameSink& sink,
                       const ImageOptions& options);
void decode_apng_frames(Bytes bytes, std::string_view name, const FrameSink& sink,
                        const ImageOptions& options);
void decode_webp_frames(Bytes bytes, std::string_view name, const FrameSink& sink,
                        const ImageOptions& options);

// Errors: a side below 1, more pixels than the limit.
void check_size(std::int64_t width, std::int64_t height, std::string_view name, const ImageOptions& options);
// A black picture. Errors: as check_size.
Image checked_image(std::int64_t width, std::int64_t height, std::string_view name,
                    const ImageOptions& options);

// The orientation from an EXIF block (a TIFF file, with or without "Exif\0\0" before it), else from XMP text,
// else 1. What is broken counts as absent. HF: load_image, that is Pillow's exif_transpose.
int orientation_of(Bytes exif, std::string_view xmp);

// The picture turned and mirrored so that it stands upright.
Image upright(Image image, int orientation);

// Every pixel mixed with the background as its alpha says, rounded to the nearest as Pillow's
// alpha_composite.
void blend_over(Image& image, std::span<const std::uint8_t> alpha, const Colour& background);

// round(x / 255) of products of two 8-bit numbers, without a division.
inline std::uint8_t over_255(int product) {
  const int rounded = product + 128;
  return static_cast<std::uint8_t>((rounded + (rounded >> 8)) >> 8);
}

// Amounts of ink -> what is left of the light, rounded as Pillow does.
void cmyk_to_rgb(std::uint8_t* rgb, const std::uint8_t* cmyk);

// [n][4] -> rgb [n][3] and, where alpha is not null, alpha [n].
void split_rgba(const std::uint8_t* rgba, std::size_t n, std::uint8_t* rgb, std::uint8_t* alpha);

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
  std::uint16_t u16_big();
  std::uint32_t u32_big();

 private:
  Bytes bytes_;
  std::string_view name_;
  std::size_t at_ = 0;
};

}  // namespace tarsier
