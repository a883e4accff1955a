// The first frame of a GIF (W3C GIF89a specification). Our own 150 lines, because colours under transparent
// pixels must stay as Pillow keeps them: pixels outside the frame take the transparent colour, or colour 0.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

constexpr int kMostCodeBits = 12;
constexpr int kMostCodes = 1 << kMostCodeBits;

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

// Without a palette of its own a colour is a grey level.
Palette grey_palette() {
  Palette out;
  for (std::size_t k = 0; k < 256; ++k) out[k].fill(static_cast<std::uint8_t>(k));
  return out;
}

// flags: the packed byte that stands before a palette. Colours past its end are black.
Palette read_palette(ByteReader& reader, unsigned flags) {
  Palette out{};
  const std::size_t colours = std::size_t{2} << (flags & 7U);
  for (std::size_t k = 0; k < colours; ++k) {
    for (std::uint8_t& level : out[k]) level = reader.u8();
  }
  return out;
}

void skip_blocks(ByteReader& reader) {
  while (const std::size_t size = reader.u8()) reader.take(size);
}

// The bits of the data blocks, low ones first.
class CodeReader {
 public:
  explicit CodeReader(ByteReader& reader) : reader_(reader) {}
  // Nothing at the end of the blocks.
  std::optional<int> next(int bits) {
    while (held_ < bits) {
      if (left_in_block_ == 0) left_in_block_ = reader_.u8();
      if (left_in_block_ == 0) return std::nullopt;
      buffer_ |= static_cast<std::uint32_t>(reader_.u8()) << held_;
      held_ += 8;
      --left_in_block_;
    }
    const auto code = static_cast<int>(buffer_ & ((1U << bits) - 1));
    buffer_ >>= bits;
    held_ -= bits;
    return code;
  }

 private:
  ByteReader& reader_;
  std::uint32_t buffer_ = 0;
  int held_ = 0;
  int left_in_block_ = 0;
};

// LZW with codes of growing length. Stops when out is full or the data ends; returns how much was filled.
std::size_t unpack(std::vector<std::uint8_t>& out, ByteReader& reader, std::string_view name) {
  const int literal_bits = reader.u8();
  core::require(literal_bits >= 1 && literal_bits <= 8, name, ": has GIF codes of ", literal_bits, " bits");
  const int clear = 1 << literal_bits;
  const int end = clear + 1;
  std::array<std::int16_t, kMostCodes> prefix{};
  std::array<std::uint8_t, kMostCodes> last{};
  std::array<std::uint8_t, kMostCodes + 1> word{};  // one string, backwards
  CodeReader codes(reader);
  int bits = literal_bits + 1;
  int next = end + 1;
  int previous = -1;
  std::uint8_t first = 0;  // of the previous string
  std::size_t filled = 0;
  while (filled < out.size()) {
    const std::optional<int> code = codes.next(bits);
    if (!code || *code == end) break;
    if (*code == clear) {
      bits = literal_bits + 1;
      next = end + 1;
      previous = -1;
      continue;
    }
    core::require(previous < 0 ? *code < clear : *code <= next, name, ": holds a GIF code of ", *code,
                  " that was not defined");
    std::size_t length = 0;
    int at = *code;
    if (at == next) {  // the string being defined: the previous one and its own first byte
      word[length++] = first;
      at = previous;
    }
    for (; at >= clear; at = prefix[static_cast<std::size_t>(at)])
      word[length++] = last[static_cast<std::size_t>(at)];
    first = static_cast<std::uint8_t>(at);
    word[length++] = first;
    if (previous >= 0 && next < kMostCodes) {
      prefix[static_cast<std::size_t>(next)] = static_cast<std::int16_t>(previous);
      last[static_cast<std::size_t>(next)] = first;
      ++next;
      if (next == 1 << bits && bits < kMostCodeBits) ++bits;
    }
    previous = *code;
    while (length > 0 && filled < out.size()) out[filled++] = word[--length];
  }
  return filled;
}

// The row in which the k-th stored row of an interlaced picture stands.
std::vector<int> interlaced_rows(int height) {
  constexpr std::array<std::array<int, 2>, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  std::vector<int> rows;
  for (const auto& [start, step] : kPasses) {
    for (int y = start; y < height; y += step) rows.push_back(y);
  }
  return rows;
}

struct Frame {
  int x, y, width, height;
  unsigned flags;
};

void fill(Image& image, const std::array<std::uint8_t, 3>& colour) {
  for (std::size_t k = 0; k < image.rgb.size(); ++k) image.rgb[k] = colour[k % 3];
}

}  // namespace

StoredImage decode_gif(Bytes bytes, std::string_view name, ImageLimits limits) {
  constexpr unsigned kHasPalette = 0x80;
  constexpr unsigned kInterlaced = 0x40;
  constexpr std::size_t kSignature = 6;
  ByteReader reader(bytes, name);
  reader.seek(kSignature);
  const int screen_width = reader.u16_little();
  const int screen_height = reader.u16_little();
  const unsigned screen_flags = reader.u8();
  reader.take(2);  // background colour, pixel shape
  Palette palette = (screen_flags & kHasPalette) != 0 ? read_palette(reader, screen_flags) : grey_palette();

  std::uint8_t outside = 0;  // the transparent colour, if there is one
  for (int kind = reader.u8(); kind != ','; kind = reader.u8()) {
    core::require(kind != ';', name, ": is a GIF without a picture");
    if (kind != '!') continue;
    const bool control = reader.u8() == 0xf9;
    const std::size_t size = reader.u8();
    const Bytes block = reader.take(size);
    if (control && size >= 4 && (std::to_integer<unsigned>(block[0]) & 1U) != 0) {
      outside = std::to_integer<std::uint8_t>(block[3]);
    }
    if (size != 0) skip_blocks(reader);
  }
  Frame frame{};
  frame.x = reader.u16_little();
  frame.y = reader.u16_little();
  frame.width = reader.u16_little();
  frame.height = reader.u16_little();
  frame.flags = reader.u8();
  if ((frame.flags & kHasPalette) != 0) palette = read_palette(reader, frame.flags);
  core::require(frame.width > 0 && frame.height > 0, name, ": has a first frame of ", frame.width, " x ",
                frame.height, " pixels");

  StoredImage out;
  out.image = checked_image(std::max(screen_width, frame.x + frame.width),
                            std::max(screen_height, frame.y + frame.height), name, limits);
  fill(out.image, palette[outside]);
  std::vector<std::uint8_t> indices(static_cast<std::size_t>(frame.width) *
                                    static_cast<std::size_t>(frame.height));
  const std::size_t filled = unpack(indices, reader, name);
  core::require(filled == indices.size(), name, ": is truncated, ", filled, " of ", indices.size(),
                " pixels");
  const std::vector<int> rows =
      (frame.flags & kInterlaced) != 0 ? interlaced_rows(frame.height) : std::vector<int>{};
  const std::uint8_t* index = indices.data();
  for (int k = 0; k < frame.height; ++k) {
    const int y = frame.y + (rows.empty() ? k : rows[static_cast<std::size_t>(k)]);
    std::uint8_t* target =
        out.image.rgb.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(out.image.width) +
                                static_cast<std::size_t>(frame.x)) *
                                   3;
    for (int x = 0; x < frame.width; ++x, target += 3) {
      std::copy_n(palette[*index++].begin(), 3, target);
    }
  }
  return out;
}

}  // namespace tarsier
