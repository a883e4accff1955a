// Animated PNG (the specification's third edition): every frame is handed to the PNG decoder as a file of its
// own, and put on the canvas as PngImagePlugin.py of Pillow does it, in RGB: what alpha the canvas has shows
// nowhere.
#include <zlib.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

constexpr std::size_t kSignatureBytes = 8;

struct Chunk {
  std::string_view kind;
  Bytes payload;
};

// The next chunk; nothing where the file ends or is cut.
std::optional<Chunk> next_chunk(ByteReader& reader) {
  constexpr std::size_t kAround = 12;  // length, kind, checksum
  if (reader.left() < kAround) return std::nullopt;
  const std::size_t length = reader.u32_big();
  if (length > reader.left() - 8) return std::nullopt;
  const Bytes kind = reader.take(4);
  const Bytes payload = reader.take(length);
  reader.take(4);
  return Chunk{{reinterpret_cast<const char*>(kind.data()), kind.size()}, payload};
}

enum class Disposal : std::uint8_t { keep = 0, background = 1, previous = 2 };  // stored in files

// What an fcTL chunk says, and the data chunks behind it.
struct Frame {
  std::uint32_t width = 0, height = 0, left = 0, top = 0;
  int milliseconds = 0;
  Disposal disposal = Disposal::keep;
  bool over = false;  // blended by its alpha; else it replaces what is there
  std::vector<Bytes> data;
};

struct Apng {
  Bytes header;  // IHDR
  Bytes palette, transparency;
  std::vector<Frame> frames;
};

Frame read_control(Bytes payload, std::string_view name) {
  ByteReader reader(payload, name);
  reader.take(4);  // its number
  Frame out;
  out.width = reader.u32_big();
  out.height = reader.u32_big();
  out.left = reader.u32_big();
  out.top = reader.u32_big();
  const int numerator = reader.u16_big();
  const int denominator = reader.u16_big();
  out.milliseconds = numerator * 1000 / (denominator == 0 ? 100 : denominator);
  out.disposal = Disposal{reader.u8()};
  out.over = reader.u8() == 1;
  return out;
}

// Everything of the file but the pixels, as views into it. No acTL: no frames.
Apng read_chunks(Bytes bytes, std::string_view name) {
  Apng out;
  bool animated = false;
  ByteReader reader(bytes, name);
  reader.seek(kSignatureBytes);
  while (const std::optional<Chunk> chunk = next_chunk(reader)) {
    if (chunk->kind == "IHDR") out.header = chunk->payload;
    if (chunk->kind == "PLTE") out.palette = chunk->payload;
    if (chunk->kind == "tRNS") out.transparency = chunk->payload;
    if (chunk->kind == "acTL") animated = true;
    if (chunk->kind == "IEND") break;
    if (chunk->kind == "fcTL") out.frames.push_back(read_control(chunk->payload, name));
    if (out.frames.empty()) continue;  // data before the first fcTL is no frame
    if (chunk->kind == "IDAT") out.frames.back().data.push_back(chunk->payload);
    if (chunk->kind == "fdAT" && chunk->payload.size() >= 4)
      out.frames.back().data.push_back(chunk->payload.subspan(4));
  }
  if (!animated) out.frames.clear();
  while (!out.frames.empty() && out.frames.back().data.empty()) out.frames.pop_back();
  return out;
}

void put_u32(std::vector<std::byte>& out, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::byte>(value >> shift & 0xffU));
}

void put_chunk(std::vector<std::byte>& out, std::string_view kind, Bytes payload) {
  put_u32(out, static_cast<std::uint32_t>(payload.size()));
  const std::size_t begin = out.size();
  for (const char c : kind) out.push_back(static_cast<std::byte>(c));
  out.insert(out.end(), payload.begin(), payload.end());
  const auto* checked = reinterpret_cast<const Bytef*>(out.data() + begin);
  put_u32(out, static_cast<std::uint32_t>(crc32_z(0, checked, out.size() - begin)));
}

// The frame as a PNG file.
std::vector<std::byte> as_png(const Apng& apng, const Frame& frame) {
  std::vector<std::byte> out;
  for (const char c : std::string_view("\x89PNG\r\n\x1a\n", kSignatureBytes))
    out.push_back(static_cast<std::byte>(c));
  std::vector<std::byte> header;
  put_u32(header, frame.width);
  put_u32(header, frame.height);
  header.insert(header.end(), apng.header.begin() + 8, apng.header.end());
  put_chunk(out, "IHDR", header);
  if (!apng.palette.empty()) put_chunk(out, "PLTE", apng.palette);
  if (!apng.transparency.empty()) put_chunk(out, "tRNS", apng.transparency);
  for (const Bytes data : frame.data) put_chunk(out, "IDAT", data);
  put_chunk(out, "IEND", {});
  return out;
}

// Calls f(value's place in the canvas, its place in the frame) for the first value of each row of the frame.
template <class F>
void for_each_row(const Image& canvas, const Frame& frame, const F& f) {
  for (std::size_t y = 0; y < frame.height; ++y) {
    f(((frame.top + y) * static_cast<std::size_t>(canvas.width) + frame.left) * 3, y * frame.width * 3);
  }
}

void draw(Image& canvas, const Frame& frame, const StoredImage& pixels, bool over) {
  for_each_row(canvas, frame, [&](std::size_t to, std::size_t from) {
    for (std::size_t k = 0; k < frame.width * std::size_t{3}; ++k) {
      const int level = pixels.image.rgb[from + k];
      const int alpha = over && !pixels.alpha.empty() ? pixels.alpha[(from + k) / 3] : 255;
      canvas.rgb[to + k] = over_255(level * alpha + canvas.rgb[to + k] * (255 - alpha));
    }
  });
}

}  // namespace

std::vector<int> apng_delays(Bytes bytes) {
  std::vector<int> out;
  try {
    for (const Frame& frame : read_chunks(bytes, "").frames) out.push_back(frame.milliseconds);
  } catch (const core::Error&) {  // a broken fcTL: nothing to be animated
    out.clear();
  }
  if (out.empty()) out.push_back(0);
  return out;
}

void decode_apng_frames(Bytes bytes, std::string_view name, const FrameSink& sink,
                        const ImageOptions& options) {
  constexpr std::size_t kHeaderBytes = 13;
  const Apng apng = read_chunks(bytes, name);
  if (apng.frames.empty()) {
    sink(decode_png(bytes, name, options).image, 0);
    return;
  }
  core::require(apng.header.size() == kHeaderBytes, name, ": has a broken PNG header");
  ByteReader header(apng.header, name);
  const std::int64_t width = header.u32_big();
  const std::int64_t height = header.u32_big();
  Image canvas = checked_image(width, height, name, options);
  ImageOptions with_alpha = options;
  with_alpha.background = Colour{};  // asks for the alpha
  for (std::size_t k = 0; k < apng.frames.size(); ++k) {
    const Frame& frame = apng.frames[k];
    core::require(
        std::int64_t{frame.left} + frame.width <= width && std::int64_t{frame.top} + frame.height <= height,
        name, ": frame ", k + 1, " lies outside the picture");
    const StoredImage pixels = decode_png(as_png(apng, frame), name, with_alpha);
    const bool restore = frame.disposal == Disposal::previous && k > 0;
    const Image before = restore ? canvas : Image{};
    draw(canvas, frame, pixels, frame.over && k > 0);
    if (!sink(canvas, k)) return;
    if (restore) {
      canvas = before;
    } else if (frame.disposal != Disposal::keep) {
      for_each_row(canvas, frame, [&](std::size_t to, std::size_t) {
        std::fill_n(canvas.rgb.begin() + static_cast<std::ptrdiff_t>(to), frame.width * 3, std::uint8_t{0});
      });
    }
  }
}

}  // namespace tarsier
