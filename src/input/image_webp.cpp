// WebP through libwebp. The RIFF container is walked here: for the orientation, and for the first frame of an
// animation.
#include <webp/decode.h>

#include <optional>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

struct Chunk {
  std::string_view kind;
  Bytes payload;
  Bytes whole;  // with its header and padding
};

// The next chunk; nothing at the end, or where the rest is too short to be one.
std::optional<Chunk> next_chunk(ByteReader& reader, Bytes bytes) {
  constexpr std::size_t kHeader = 8;
  if (reader.left() < kHeader) return std::nullopt;
  const std::size_t begin = reader.position();
  const std::string_view kind = as_text(reader.take(4));
  const std::size_t size = reader.u32_little();
  const Bytes payload = reader.take(size);
  if (size % 2 == 1 && reader.left() > 0) reader.take(1);
  return Chunk{kind, payload, bytes.subspan(begin, reader.position() - begin)};
}

// Decodes one still picture into image, its first pixel at (x, y). The picture must fit.
void decode_into(Image& image, std::size_t x, std::size_t y, Bytes webp, std::string_view name) {
  WebPDecoderConfig config;
  core::require(WebPInitDecoderConfig(&config) != 0, name, ": libwebp has another version than its header");
  const auto* data = reinterpret_cast<const std::uint8_t*>(webp.data());
  core::require(WebPGetFeatures(data, webp.size(), &config.input) == VP8_STATUS_OK, name,
                ": is broken or truncated");
  const auto width = static_cast<std::size_t>(config.input.width);
  const auto height = static_cast<std::size_t>(config.input.height);
  const auto canvas_width = static_cast<std::size_t>(image.width);
  core::require(x + width <= canvas_width && y + height <= static_cast<std::size_t>(image.height), name,
                ": a frame of ", width, " x ", height, " at ", x, ", ", y, " lies outside the picture");
  const std::size_t offset = (y * canvas_width + x) * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.rgb.data() + offset;
  config.output.u.RGBA.stride = image.width * 3;
  config.output.u.RGBA.size = image.rgb.size() - offset;
  const VP8StatusCode status = WebPDecode(data, webp.size(), &config);
  WebPFreeDecBuffer(&config.output);
  core::require(status == VP8_STATUS_OK, name, ": ",
                status == VP8_STATUS_NOT_ENOUGH_DATA ? "is truncated" : "is broken", " (libwebp status ",
                static_cast<int>(status), ")");
}

// An ANMF chunk: where the frame lies, then its own chunks. Its transparency is dropped like any other.
void decode_frame(Image& image, Bytes anmf, std::string_view name) {
  constexpr std::size_t kFrameHeader = 16;
  ByteReader reader(anmf, name);
  const auto u24 = [&] {
    const std::size_t low = reader.u16_little();
    return low | std::size_t{reader.u8()} << 16;
  };
  const std::size_t x = u24() * 2;
  const std::size_t y = u24() * 2;
  reader.seek(kFrameHeader);
  while (const std::optional<Chunk> chunk = next_chunk(reader, anmf)) {
    if (chunk->kind != "VP8 " && chunk->kind != "VP8L") continue;
    std::vector<std::byte> still(12);
    const std::size_t riff_bytes = 4 + chunk->whole.size();
    for (std::size_t k = 0; k < 12; ++k) still[k] = static_cast<std::byte>("RIFF    WEBP"[k]);
    for (std::size_t k = 0; k < 4; ++k) still[4 + k] = static_cast<std::byte>(riff_bytes >> (8 * k) & 0xff);
    still.insert(still.end(), chunk->whole.begin(), chunk->whole.end());
    return decode_into(image, x, y, still, name);
  }
  core::fail(name, ": the first frame holds no picture");
}

}  // namespace

StoredImage decode_webp(Bytes bytes, std::string_view name, ImageLimits limits) {
  constexpr std::size_t kRiffHeader = 12;
  core::require(bytes.size() > kRiffHeader && as_text(bytes.subspan(8, 4)) == "WEBP", name,
                ": is a RIFF file, but not a WebP picture");
  ByteReader reader(bytes, name);
  reader.seek(4);
  const std::size_t riff_bytes = std::size_t{reader.u32_little()} + 8;
  core::require(riff_bytes <= bytes.size(), name, ": is truncated, ", riff_bytes, " bytes wanted, found ",
                bytes.size());
  WebPBitstreamFeatures features;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  core::require(WebPGetFeatures(data, bytes.size(), &features) == VP8_STATUS_OK, name,
                ": is broken or truncated");
  StoredImage out;
  out.image = checked_image(features.width, features.height, name, limits);

  Bytes exif;
  std::string_view xmp;
  std::optional<Bytes> first_frame;
  reader.seek(kRiffHeader);
  while (const std::optional<Chunk> chunk = next_chunk(reader, bytes)) {
    if (chunk->kind == "EXIF" && exif.empty()) exif = chunk->payload;
    if (chunk->kind == "XMP " && xmp.empty()) xmp = as_text(chunk->payload);
    if (chunk->kind == "ANMF" && !first_frame) first_frame = chunk->payload;
  }
  out.orientation = orientation_of(exif, xmp);
  if (features.has_animation != 0) {
    core::require(first_frame.has_value(), name, ": is an animation without frames");
    decode_frame(out.image, *first_frame, name);
  } else {
    decode_into(out.image, 0, 0, bytes, name);
  }
  return out;
}

}  // namespace tarsier
