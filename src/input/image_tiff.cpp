// TIFF through libtiff: strips or tiles of any compression it knows, unpacked here to 8-bit samples and then
// to RGB by Pillow's rules (TiffImagePlugin.py, Convert.c). Colours stored as YCbCr are converted by libtiff.
#include <tiffio.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

constexpr tmsize_t kMostBytesAtOnce = tmsize_t{1} << 30;  // what libtiff may ask for in one piece

// What libtiff's callbacks see.
struct Source {
  Bytes bytes;
  std::size_t at = 0;
  std::string message;
};

Source& source_of(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t on_read(thandle_t handle, void* out, tmsize_t count) {
  Source& s = source_of(handle);
  const std::size_t left = s.at < s.bytes.size() ? s.bytes.size() - s.at : 0;
  const std::size_t n = std::min(static_cast<std::size_t>(std::max<tmsize_t>(count, 0)), left);
  if (n > 0) std::memcpy(out, s.bytes.data() + s.at, n);
  s.at += n;
  return static_cast<tmsize_t>(n);
}
tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }
toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  Source& s = source_of(handle);
  s.at = offset + (whence == SEEK_CUR ? s.at : whence == SEEK_END ? s.bytes.size() : 0);
  return s.at;
}
int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return source_of(handle).bytes.size(); }
int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  Source& s = *static_cast<Source*>(user);
  char text[256];
  if (std::vsnprintf(text, sizeof text, format, arguments) >= 0 && s.message.empty()) s.message = text;
  return 1;
}
int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct Close {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, Close>;

Tiff open_tiff(Source& source, std::string_view name) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> settings(TIFFOpenOptionsAlloc(),
                                                                                  TIFFOpenOptionsFree);
  core::require(settings != nullptr, name, ": libtiff has no memory");
  TIFFOpenOptionsSetMaxSingleMemAlloc(settings.get(), kMostBytesAtOnce);
  TIFFOpenOptionsSetErrorHandlerExtR(settings.get(), on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(settings.get(), on_warning, nullptr);
  Tiff tiff(TIFFClientOpenExt("", "rm", &source, on_read, on_write, on_seek, on_close, on_size, nullptr,
                              nullptr, settings.get()));
  core::require(tiff != nullptr, name, ": is a broken TIFF file: ", source.message);
  return tiff;
}

// The tags that say how pixels are stored.
struct Layout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT, photometric = 0,
                planar = PLANARCONFIG_CONTIG, compression = COMPRESSION_NONE, orientation = 1;
  std::uint16_t extra = 0;  // samples behind the colours; the first of them may be alpha
  bool alpha = false, premultiplied = false;
  std::size_t colours() const { return static_cast<std::size_t>(samples) - extra; }
};

Layout read_layout(TIFF* tiff, std::string_view name) {
  Layout l;
  core::require(TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &l.width) == 1 &&
                    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &l.height) == 1,
                name, ": is a TIFF file that does not say its size");
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &l.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &l.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &l.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &l.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &l.compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &l.orientation);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &l.photometric);
  if (l.compression == COMPRESSION_OJPEG) l.photometric = PHOTOMETRIC_YCBCR;
  const std::uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &l.extra, &kinds);
  const std::uint16_t wanted = l.photometric == PHOTOMETRIC_RGB || l.photometric == PHOTOMETRIC_YCBCR ? 3
                               : l.photometric == PHOTOMETRIC_SEPARATED                               ? 4
                                                                                                      : 1;
  if (l.photometric == PHOTOMETRIC_YCBCR && l.samples == 1) l.photometric = PHOTOMETRIC_MINISBLACK;
  const bool unsaid = l.extra == 0 && wanted == 3 && l.samples == 4;  // RGBA without its ExtraSamples
  if (unsaid) l.extra = 1;
  if (l.extra > 0 && (l.photometric == PHOTOMETRIC_RGB || wanted == 1)) {
    const unsigned kind = unsaid || kinds == nullptr ? EXTRASAMPLE_UNASSALPHA : kinds[0];
    l.premultiplied = kind == EXTRASAMPLE_ASSOCALPHA;
    l.alpha = kind != EXTRASAMPLE_UNSPECIFIED;
  }
  const bool known_kind = l.photometric <= PHOTOMETRIC_PALETTE || l.photometric == PHOTOMETRIC_SEPARATED ||
                          l.photometric == PHOTOMETRIC_YCBCR;
  const bool known_bits =
      (l.bits == 8 || l.bits == 16) ||
      (wanted == 1 && (l.bits == 1 || l.bits == 2 || l.bits == 4 || l.bits == 12 || l.bits == 32));
  const bool known_format = l.format == SAMPLEFORMAT_UINT || l.format == SAMPLEFORMAT_VOID ||
                            (l.format == SAMPLEFORMAT_INT && wanted == 1 && l.bits >= 8) ||
                            (l.format == SAMPLEFORMAT_IEEEFP && wanted == 1 && l.bits == 32);
  const bool fits = l.samples <= 8 && l.extra < l.samples &&
                    (l.colours() == wanted || (l.photometric == PHOTOMETRIC_YCBCR && l.samples == 1));
  core::require(known_kind && known_bits && known_format && fits &&
                    (l.photometric != PHOTOMETRIC_PALETTE || l.bits <= 8),
                name, ": is a TIFF file of ", l.samples, " samples of ", l.bits, " bits, sample format ",
                l.format, ", colours of kind ", l.photometric, ", which is not known");
  return l;
}

// That all strips or tiles lie in the file, and that none is larger than a picture may be.
void check_blocks(TIFF* tiff, const Layout& l, const Bytes bytes, std::string_view name,
                  const ImageOptions& options) {
  if (TIFFIsTiled(tiff) != 0) {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &height);
    check_size(width, height, name, options);
  }
  const std::uint32_t blocks = TIFFIsTiled(tiff) != 0 ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  core::require(blocks > 0 && blocks <= std::uint64_t{l.width} * l.height * l.samples, name,
                ": is a TIFF file of ", blocks, " strips or tiles");
  for (std::uint32_t k = 0; k < blocks; ++k) {
    const std::uint64_t offset = TIFFGetStrileOffset(tiff, k);
    const std::uint64_t count = TIFFGetStrileByteCount(tiff, k);
    core::require(offset <= bytes.size() && count <= bytes.size() - offset, name, ": is truncated, ", count,
                  " bytes wanted at ", offset, " of ", bytes.size());
  }
}

// One sample of a row as 8 bits: small ones are stretched where they are levels, of wide ones the high bits
// are kept, numbers of 32 bits are cut to 0..255.
std::uint8_t sample(const std::uint8_t* row, std::size_t index, const Layout& l) {
  const bool levels = l.photometric != PHOTOMETRIC_PALETTE;
  const auto cut = [](double x) {
    return static_cast<std::uint8_t>(std::clamp(std::isnan(x) ? 0.0 : x, 0.0, 255.0));
  };
  switch (l.bits) {
    case 8:
      return row[index];
    case 12: {
      const std::uint8_t* pair = row + index / 2 * 3;
      return static_cast<std::uint8_t>(index % 2 == 0 ? pair[0] : (pair[1] & 15U) << 4 | pair[2] >> 4);
    }
    case 16: {
      std::uint16_t value = 0;
      std::memcpy(&value, row + 2 * index, sizeof value);
      if (l.format == SAMPLEFORMAT_INT) return cut(std::bit_cast<std::int16_t>(value));
      return static_cast<std::uint8_t>(value >> 8);
    }
    case 32: {
      std::uint32_t value = 0;
      std::memcpy(&value, row + 4 * index, sizeof value);
      return cut(l.format == SAMPLEFORMAT_IEEEFP ? static_cast<double>(std::bit_cast<float>(value))
                                                 : static_cast<double>(std::bit_cast<std::int32_t>(value)));
    }
    default: {  // 1, 2, 4
      const std::size_t bit = index * l.bits;
      const unsigned most = (1U << l.bits) - 1;
      const unsigned value = row[bit / 8] >> (8 - l.bits - bit % 8) & most;
      return static_cast<std::uint8_t>(levels ? value * (255 / most) : value);
    }
  }
}

// All samples: [height][width][samples].
std::vector<std::uint8_t> read_samples(TIFF* tiff, const Layout& l, const Source& source,
                                       std::string_view name) {
  const bool tiled = TIFFIsTiled(tiff) != 0;
  const bool planar = l.planar == PLANARCONFIG_SEPARATE;
  std::uint32_t block_width = l.width;
  std::uint32_t block_height = l.height;
  if (tiled) {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &block_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &block_height);
  } else {
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &block_height);
    block_height = std::min(std::max(block_height, 1U), l.height);
  }
  const std::size_t in_row = planar ? 1 : l.samples;  // samples of a pixel that lie together
  const std::size_t row_bytes = (std::size_t{block_width} * in_row * l.bits + 7) / 8;
  const tmsize_t block_bytes = tiled ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
  core::require(block_bytes > 0 && static_cast<std::size_t>(block_bytes) >= row_bytes * block_height, name,
                ": is a broken TIFF file: ", source.message);
  std::vector<std::uint8_t> block(static_cast<std::size_t>(block_bytes));
  std::vector<std::uint8_t> out(std::size_t{l.width} * l.height * l.samples);
  for (std::size_t plane = 0; plane < (planar ? l.samples : 1U); ++plane) {
    for (std::uint32_t top = 0; top < l.height; top += block_height) {
      const std::uint32_t rows = std::min(block_height, l.height - top);
      for (std::uint32_t left = 0; left < l.width; left += block_width) {
        const auto which = static_cast<std::uint16_t>(plane);
        const tmsize_t got =
            tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, left, top, 0, which), block.data(),
                                        block_bytes)
                  : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, top, which), block.data(), block_bytes);
        core::require(got >= 0 && static_cast<std::size_t>(got) >= row_bytes * rows, name,
                      ": is truncated or broken", source.message.empty() ? "" : ": ", source.message);
        const std::uint32_t columns = std::min(block_width, l.width - left);
        for (std::uint32_t y = 0; y < rows; ++y) {
          const std::uint8_t* row = block.data() + y * row_bytes;
          std::uint8_t* to = out.data() + ((std::size_t{top} + y) * l.width + left) * l.samples + plane;
          for (std::size_t x = 0; x < columns; ++x) {
            for (std::size_t s = 0; s < in_row; ++s) to[x * l.samples + s] = sample(row, x * in_row + s, l);
          }
        }
      }
    }
  }
  return out;
}

// The palette's 16-bit levels, the high byte of each.
std::vector<Colour> read_palette(TIFF* tiff, const Layout& l, std::string_view name) {
  std::uint16_t* red = nullptr;
  std::uint16_t* green = nullptr;
  std::uint16_t* blue = nullptr;
  core::require(TIFFGetField(tiff, TIFFTAG_COLORMAP, &red, &green, &blue) == 1, name,
                ": is a TIFF file without the palette that it wants");
  std::vector<Colour> out(256);
  for (std::size_t k = 0; k < (std::size_t{1} << l.bits); ++k) {
    out[k] = {static_cast<std::uint8_t>(red[k] >> 8), static_cast<std::uint8_t>(green[k] >> 8),
              static_cast<std::uint8_t>(blue[k] >> 8)};
  }
  return out;
}

// One pixel's samples -> RGB.
void convert_pixel(std::uint8_t* rgb, const std::uint8_t* samples, const Layout& l,
                   const std::vector<Colour>& palette) {
  switch (l.photometric) {
    case PHOTOMETRIC_PALETTE:
      std::copy_n(palette[samples[0]].begin(), 3, rgb);
      break;
    case PHOTOMETRIC_SEPARATED:
      cmyk_to_rgb(rgb, samples);
      break;
    case PHOTOMETRIC_RGB:
      std::copy_n(samples, 3, rgb);
      break;
    case PHOTOMETRIC_MINISWHITE:
      std::fill_n(rgb, 3, l.bits == 32 ? samples[0] : static_cast<std::uint8_t>(255 - samples[0]));
      break;
    default:
      std::fill_n(rgb, 3, samples[0]);
  }
  if (l.premultiplied) {
    const int alpha = samples[l.colours()];
    for (int c = 0; c < 3; ++c)
      rgb[c] = static_cast<std::uint8_t>(alpha == 0 ? 0 : std::min(255, rgb[c] * 255 / alpha));
  }
}

// libtiff's own way to RGB, for YCbCr.
void read_as_rgba(TIFF* tiff, StoredImage& out, const Source& source, std::string_view name) {
  char message[1024] = "";
  TIFFRGBAImage image;
  core::require(TIFFRGBAImageBegin(&image, tiff, 1, message) != 0, name,
                ": is a broken TIFF file: ", std::string_view(message));
  image.req_orientation = image.orientation;  // turned later, as in every format
  std::vector<std::uint32_t> raster(std::size_t{image.width} * image.height);
  const int got = TIFFRGBAImageGet(&image, raster.data(), image.width, image.height);
  TIFFRGBAImageEnd(&image);
  core::require(got != 0, name, ": is truncated or broken: ", source.message);
  for (std::size_t k = 0; k < raster.size(); ++k) {
    for (std::size_t c = 0; c < 3; ++c)
      out.image.rgb[3 * k + c] = static_cast<std::uint8_t>(raster[k] >> (8 * c) & 0xffU);
  }
}

}  // namespace

StoredImage decode_tiff(Bytes bytes, std::string_view name, const ImageOptions& options) {
  Source source{bytes, 0, {}};
  const Tiff tiff = open_tiff(source, name);
  Layout l = read_layout(tiff.get(), name);
  check_size(l.width, l.height, name, options);
  check_blocks(tiff.get(), l, bytes, name, options);
  core::require(TIFFIsCODECConfigured(l.compression) != 0, name, ": is a TIFF file of compression ",
                l.compression, ", which libtiff does not read here");
  StoredImage out;
  out.image = checked_image(l.width, l.height, name, options);
  out.orientation = l.orientation >= 1 && l.orientation <= 8 ? l.orientation : 1;
  out.sixteen_bits = l.bits == 16 || l.bits == 12;
  out.transparent = l.alpha;
  if (l.photometric == PHOTOMETRIC_YCBCR && l.compression == COMPRESSION_JPEG &&
      l.planar == PLANARCONFIG_CONTIG) {
    TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    l.photometric = PHOTOMETRIC_RGB;
  }
  if (l.photometric == PHOTOMETRIC_YCBCR) {
    read_as_rgba(tiff.get(), out, source, name);
  } else {
    const std::vector<Colour> palette =
        l.photometric == PHOTOMETRIC_PALETTE ? read_palette(tiff.get(), l, name) : std::vector<Colour>{};
    const std::vector<std::uint8_t> samples = read_samples(tiff.get(), l, source, name);
    const std::size_t pixels = out.image.rgb.size() / 3;
    if (l.alpha && options.background) out.alpha.resize(pixels);
    for (std::size_t k = 0; k < pixels; ++k) {
      convert_pixel(out.image.rgb.data() + 3 * k, samples.data() + k * l.samples, l, palette);
      if (!out.alpha.empty()) out.alpha[k] = samples[k * l.samples + l.colours()];
    }
  }
  out.frames = std::max(1, static_cast<int>(TIFFNumberOfDirectories(tiff.get())));
  return out;
}

}  // namespace tarsier
