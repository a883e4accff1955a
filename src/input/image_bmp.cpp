// Windows bitmaps: 1, 4 and 8 bits with a palette (plain or run-length coded), 16, 24 and 32 bits. Alpha is
// dropped.
#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

enum class Compression : std::uint32_t { none = 0, rle8 = 1, rle4 = 2, bit_fields = 3 };  // stored in files

struct Header {
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool top_down = false;
  int bits = 0;
  Compression compression = Compression::none;
  std::array<std::uint32_t, 3> masks{};  // red, green, blue; for 16, 24 and 32 bits
  std::vector<std::array<std::uint8_t, 3>> palette;
  std::size_t pixels_at = 0;
};

// Absent masks have a meaning for 16 and 32 bits.
void default_masks(Header& h) {
  if (h.bits == 16)
    h.masks = {0x7c00, 0x03e0, 0x001f};
  else
    h.masks = {0xff0000, 0x00ff00, 0x0000ff};
}

void read_masks(Header& h, ByteReader& reader, std::string_view name) {
  for (std::uint32_t& mask : h.masks) mask = reader.u32_little();
  if (h.bits == 32 && h.masks == std::array<std::uint32_t, 3>{}) default_masks(h);
  for (const std::uint32_t mask : h.masks) {
    const int bits = std::popcount(mask);
    core::require(bits >= 1 && bits <= 8 && mask >> std::countr_zero(mask) == (1U << bits) - 1, name,
                  ": has a BMP colour mask of ", mask, ", expected 1 to 8 neighbouring bits");
  }
}

Header read_header(ByteReader& reader, std::string_view name) {
  constexpr std::uint32_t kOldHeader = 12;
  Header h;
  reader.seek(10);
  h.pixels_at = reader.u32_little();
  const std::uint32_t header_bytes = reader.u32_little();
  const std::array<std::uint32_t, 7> known = {kOldHeader, 40, 52, 56, 64, 108, 124};
  core::require(std::find(known.begin(), known.end(), header_bytes) != known.end(), name,
                ": has a BMP header of ", header_bytes, " bytes, which is not known");
  const std::size_t header_end = 14 + header_bytes;
  std::uint32_t colours = 0;
  if (header_bytes == kOldHeader) {
    h.width = reader.u16_little();
    h.height = reader.u16_little();
    reader.take(2);
    h.bits = reader.u16_little();
  } else {
    h.width = static_cast<std::int32_t>(reader.u32_little());
    h.height = static_cast<std::int32_t>(reader.u32_little());
    h.top_down = h.height < 0;
    if (h.top_down) h.height = -h.height;
    reader.take(2);
    h.bits = reader.u16_little();
    h.compression = Compression{reader.u32_little()};
    reader.take(12);  // size of the pixels, resolution
    colours = reader.u32_little();
  }
  const bool with_palette = h.bits == 1 || h.bits == 4 || h.bits == 8;
  core::require(with_palette || h.bits == 16 || h.bits == 24 || h.bits == 32, name, ": is a BMP of ", h.bits,
                " bits, expected 1, 4, 8, 16, 24 or 32");
  const bool fits = h.compression == Compression::none ||
                    (h.compression == Compression::rle8 && h.bits == 8) ||
                    (h.compression == Compression::rle4 && h.bits == 4) ||
                    (h.compression == Compression::bit_fields && !with_palette);
  core::require(fits, name, ": is a BMP of ", h.bits, " bits with compression ",
                static_cast<std::uint32_t>(h.compression), ", which is not known");
  default_masks(h);
  if (h.compression == Compression::bit_fields) {
    reader.seek(14 + 40);  // behind the shortest header, whether they count as part of it or not
    read_masks(h, reader, name);
  } else if (with_palette) {
    reader.seek(header_end);
    const std::uint32_t most = 1U << h.bits;
    for (std::uint32_t k = 0; k < (colours == 0 ? most : std::min(colours, most)); ++k) {
      const std::uint8_t blue = reader.u8();
      const std::uint8_t green = reader.u8();
      h.palette.push_back({reader.u8(), green, blue});
      if (header_bytes != kOldHeader) reader.u8();
    }
  }
  h.palette.resize(256);
  // Some writers leave the place of the pixels out, or forget the palette before them.
  if (h.pixels_at == 0 || (with_palette && h.pixels_at == header_end)) h.pixels_at = reader.position();
  return h;
}

std::uint8_t scaled(std::uint32_t pixel, std::uint32_t mask) {
  const std::uint32_t most = mask >> std::countr_zero(mask);
  return static_cast<std::uint8_t>(((pixel & mask) >> std::countr_zero(mask)) * 255 / most);
}

// One row of uncompressed pixels.
void read_row(std::uint8_t* rgb, const Header& h, Bytes row) {
  const auto byte = [&](std::size_t at) { return std::to_integer<std::uint32_t>(row[at]); };
  const auto bits = static_cast<std::size_t>(h.bits);
  for (std::size_t x = 0; x < static_cast<std::size_t>(h.width); ++x, rgb += 3) {
    if (h.bits <= 8) {
      const std::size_t at = x * bits;
      const std::size_t shift = 8 - bits - at % 8;
      const std::uint32_t index = byte(at / 8) >> shift & ((1U << bits) - 1);
      std::copy_n(h.palette[index].begin(), 3, rgb);
      continue;
    }
    std::uint32_t pixel = 0;
    for (std::size_t k = 0; k < bits / 8; ++k) pixel |= byte(x * bits / 8 + k) << (8 * k);
    for (std::size_t c = 0; c < 3; ++c) rgb[c] = scaled(pixel, h.masks[c]);
  }
}

// Run-length codes -> [height][width] palette indices in the order of the file. What is skipped or missing is
// colour 0.
std::vector<std::uint8_t> unpack_runs(ByteReader& reader, const Header& h) {
  const bool half_bytes = h.compression == Compression::rle4;
  const auto width = static_cast<std::size_t>(h.width);
  std::vector<std::uint8_t> out(width * static_cast<std::size_t>(h.height));
  std::size_t x = 0;
  std::size_t y = 0;
  const auto put = [&](unsigned index) {
    if (x < width && y < static_cast<std::size_t>(h.height))
      out[y * width + x] = static_cast<std::uint8_t>(index);
    ++x;
  };
  const auto half = [](unsigned byte, std::size_t k) { return k % 2 == 0 ? byte >> 4 : byte & 15U; };
  while (y < static_cast<std::size_t>(h.height) &&
         !(x >= width && y + 1 == static_cast<std::size_t>(h.height))) {
    const std::size_t count = reader.u8();
    const unsigned value = reader.u8();
    if (count > 0) {
      for (std::size_t k = 0; k < count; ++k) put(half_bytes ? half(value, k) : value);
    } else if (value == 0) {  // end of line
      x = 0;
      ++y;
    } else if (value == 1) {  // end of picture
      break;
    } else if (value == 2) {  // move
      x += reader.u8();
      y += reader.u8();
    } else {  // that many pixels as they are, padded to 16 bits
      const std::size_t stored = half_bytes ? (value + 1) / 2 : value;
      const Bytes pixels = reader.take(stored);
      for (std::size_t k = 0; k < value; ++k) {
        put(half_bytes ? half(std::to_integer<unsigned>(pixels[k / 2]), k)
                       : std::to_integer<unsigned>(pixels[k]));
      }
      if (stored % 2 == 1) reader.u8();
    }
  }
  return out;
}

}  // namespace

StoredImage decode_bmp(Bytes bytes, std::string_view name, const ImageOptions& options) {
  ByteReader reader(bytes, name);
  const Header h = read_header(reader, name);
  reader.seek(h.pixels_at);
  StoredImage out;
  const bool runs = h.compression == Compression::rle8 || h.compression == Compression::rle4;
  const std::int64_t row_bytes = (h.width * h.bits + 31) / 32 * 4;
  const bool whole =
      runs || h.width <= 0 || h.height <= 0 ||
      h.height <= static_cast<std::int64_t>(reader.left()) / std::max<std::int64_t>(row_bytes, 1);
  core::require(whole, name, ": is truncated, ", h.height, " rows of ", row_bytes, " bytes wanted, ",
                reader.left(), " bytes are left");
  out.image = checked_image(h.width, h.height, name, options);
  const std::vector<std::uint8_t> indices = runs ? unpack_runs(reader, h) : std::vector<std::uint8_t>{};
  const auto width = static_cast<std::size_t>(h.width);
  for (std::int64_t k = 0; k < h.height; ++k) {
    const auto y = static_cast<std::size_t>(h.top_down ? k : h.height - 1 - k);
    std::uint8_t* target = out.image.rgb.data() + y * width * 3;
    if (!runs) {
      read_row(target, h, reader.take(static_cast<std::size_t>(row_bytes)));
      continue;
    }
    for (std::size_t x = 0; x < width; ++x) {
      std::copy_n(h.palette[indices[static_cast<std::size_t>(k) * width + x]].begin(), 3, target + 3 * x);
    }
  }
  return out;
}

}  // namespace tarsier
