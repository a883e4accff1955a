// PNG through libpng. libpng reports errors by longjmp, so everything with a destructor lives outside the
// functions that call setjmp.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

constexpr std::size_t kMostDeflateRatio = 1032;  // zlib's technical notes: no stream expands more
constexpr int kMostTextChunks = 32;              // each may unpack to 8 MB; more are skipped

struct Context {
  std::string message;
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  static_cast<Context*>(png_get_error_ptr(png))->message = text;
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

struct Source {
  Bytes bytes;
  std::size_t at = 0;
};

void on_read(png_structp png, png_bytep out, png_size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->bytes.size() - source->at) png_error(png, "the file is truncated");
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
}

class Reader {
 public:
  Reader(Bytes bytes, std::string_view name) : name_(name), source_{bytes} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &context_, on_error, on_warning);
    core::require(png_ != nullptr, name, ": libpng has no memory");
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) png_destroy_read_struct(&png_, nullptr, nullptr);
    core::require(info_ != nullptr, name, ": libpng has no memory");
    png_set_read_fn(png_, &source_, on_read);
    png_set_chunk_cache_max(png_, kMostTextChunks);
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  StoredImage read(const ImageOptions& options) {
    core::require(read_header(), name_, ": ", context_.message);
    // Before allocating: that so many pixels can be in so few bytes at all.
    const std::size_t bits = std::size_t{png_get_bit_depth(png_, info_)} * png_get_channels(png_, info_);
    const std::size_t width = png_get_image_width(png_, info_);
    const std::size_t height = png_get_image_height(png_, info_);
    const std::size_t raw_bytes = (width * bits + 7) / 8 * height;
    StoredImage out;
    core::require(raw_bytes / kMostDeflateRatio <= source_.bytes.size(), name_, ": is truncated, ", width,
                  " x ", height, " pixels cannot be in ", source_.bytes.size(), " bytes");
    out.image =
        checked_image(static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), name_, options);
    out.sixteen_bits = png_get_bit_depth(png_, info_) == 16;
    out.transparent = (png_get_color_type(png_, info_) & PNG_COLOR_MASK_ALPHA) != 0 ||
                      png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    const bool keep_alpha = out.transparent && options.background;
    std::vector<std::uint8_t> rgba(keep_alpha ? width * height * 4 : 0);
    std::uint8_t* pixels = keep_alpha ? rgba.data() : out.image.rgb.data();
    const std::size_t row_bytes = width * (keep_alpha ? 4 : 3);
    std::vector<png_bytep> rows(height);
    for (std::size_t y = 0; y < height; ++y) rows[y] = pixels + y * row_bytes;
    core::require(read_pixels(rows.data(), row_bytes, keep_alpha), name_, ": ", context_.message);
    if (keep_alpha) {
      out.alpha.resize(width * height);
      split_rgba(rgba.data(), width * height, out.image.rgb.data(), out.alpha.data());
    }
    read_end();
    out.orientation = orientation();
    return out;
  }

 private:
  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_info(png_, info_);
    return true;
  }
  // Every colour type becomes 8-bit RGB or RGBA: the high byte of 16 bits, palettes looked up.
  bool read_pixels(png_bytepp rows, std::size_t row_bytes, bool keep_alpha) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_strip_16(png_);
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
    png_set_gray_to_rgb(png_);
    if (keep_alpha)
      png_set_tRNS_to_alpha(png_);
    else
      png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != row_bytes) png_error(png_, "rows are not of 8-bit samples");
    png_read_image(png_, rows);
    return true;
  }
  // What follows the pixels may be missing or broken; the picture is whole.
  void read_end() {
    if (setjmp(png_jmpbuf(png_)) == 0) png_read_end(png_, info_);
  }
  int orientation() {
    png_bytep exif = nullptr;
    png_uint_32 exif_bytes = 0;
    png_textp texts = nullptr;
    int n_texts = 0;
    if (png_get_eXIf_1(png_, info_, &exif_bytes, &exif) == 0) exif_bytes = 0;
    png_get_text(png_, info_, &texts, &n_texts);
    std::string_view xmp;
    std::vector<std::byte> profile;
    for (int k = 0; k < n_texts; ++k) {
      const std::string_view key = texts[k].key;
      const char* text = texts[k].text == nullptr ? "" : texts[k].text;
      if (key == "XML:com.adobe.xmp") xmp = text;
      if (key == "Raw profile type exif") profile = raw_profile(text);
    }
    const Bytes stored(reinterpret_cast<const std::byte*>(exif), exif_bytes);
    return orientation_of(exif_bytes != 0 ? stored : Bytes(profile), xmp);
  }
  // ImageMagick's way: an empty line, the kind, the length, then hexadecimal digits.
  static std::vector<std::byte> raw_profile(std::string_view text) {
    for (int line = 0; line < 3; ++line) {
      const std::size_t end = text.find('\n');
      if (end == std::string_view::npos) return {};
      text.remove_prefix(end + 1);
    }
    std::vector<std::byte> out;
    int high = -1;
    for (const char c : text) {
      const std::size_t digit = std::string_view("0123456789abcdef").find(c);
      if (digit == std::string_view::npos) continue;
      if (high < 0)
        high = static_cast<int>(digit);
      else
        out.push_back(static_cast<std::byte>(std::exchange(high, -1) * 16 + static_cast<int>(digit)));
    }
    return out;
  }

  std::string_view name_;
  Source source_;
  Context context_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

void on_write(png_structp png, png_bytep data, png_size_t count) {
  auto* out = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  out->insert(out->end(), bytes, bytes + count);
}

bool write(png_structp png, png_infop info, const Image& image) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < image.height; ++y) {
    png_write_row(png,
                  image.rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) * 3);
  }
  png_write_end(png, info);
  return true;
}

}  // namespace

StoredImage decode_png(Bytes bytes, std::string_view name, const ImageOptions& options) {
  return Reader(bytes, name).read(options);
}

std::vector<std::byte> encode_png(const Image& image) {
  core::require(image.width > 0 && image.height > 0, "encode_png: the picture is empty");
  const std::size_t values =
      static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3;
  core::require(image.rgb.size() == values, "encode_png: ", image.rgb.size(), " bytes, expected ", values);
  Context context;
  std::vector<std::byte> out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &context, on_error, on_warning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  bool written = false;
  if (info != nullptr) {
    png_set_write_fn(png, &out, on_write, nullptr);
    written = write(png, info, image);
  }
  png_destroy_write_struct(&png, &info);
  core::require(written, "encode_png: ", context.message.empty() ? "libpng has no memory" : context.message);
  return out;
}

}  // namespace tarsier
