// WebP through libwebp, animations through libwebpdemux, as Pillow does it. The RIFF container is walked here
// for the orientation and the delays.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>
#include <optional>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

constexpr std::size_t kRiffHeader = 12;

struct Chunk {
  std::string_view kind;
  Bytes payload;
};

// The next chunk; nothing at the end, or where the rest is too short to be one.
std::optional<Chunk> next_chunk(ByteReader& reader) {
  constexpr std::size_t kHeader = 8;
  if (reader.left() < kHeader) return std::nullopt;
  const std::string_view kind = as_text(reader.take(4));
  const std::size_t size = reader.u32_little();
  const Bytes payload = reader.take(size);
  if (size % 2 == 1 && reader.left() > 0) reader.take(1);
  return Chunk{kind, payload};
}

// A still picture -> [height][width][channels], 3 or 4 of them; pixels has its size.
void decode_into(std::vector<std::uint8_t>& pixels, int channels, int width, Bytes webp,
                 std::string_view name) {
  WebPDecoderConfig config;
  core::require(WebPInitDecoderConfig(&config) != 0, name, ": libwebp has another version than its header");
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels.data();
  config.output.u.RGBA.stride = width * channels;
  config.output.u.RGBA.size = pixels.size();
  const VP8StatusCode status =
      WebPDecode(reinterpret_cast<const std::uint8_t*>(webp.data()), webp.size(), &config);
  WebPFreeDecBuffer(&config.output);
  core::require(status == VP8_STATUS_OK, name, ": ",
                status == VP8_STATUS_NOT_ENOUGH_DATA ? "is truncated" : "is broken", " (libwebp status ",
                static_cast<int>(status), ")");
}

// The canvases of an animation, each with the time at which it ends; libwebpdemux puts the frames together.
class AnimationDecoder {
 public:
  AnimationDecoder(Bytes bytes, std::string_view name) : name_(name) {
    WebPAnimDecoderOptions settings;
    core::require(WebPAnimDecoderOptionsInit(&settings) != 0, name,
                  ": libwebpdemux has another version than its header");
    settings.color_mode = MODE_RGBA;
    const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    decoder_.reset(WebPAnimDecoderNew(&data, &settings));
    core::require(decoder_ != nullptr && WebPAnimDecoderGetInfo(decoder_.get(), &info_) != 0, name,
                  ": is broken or truncated");
    core::require(info_.frame_count > 0, name, ": is an animation without frames");
  }
  bool more() const { return WebPAnimDecoderHasMoreFrames(decoder_.get()) != 0; }
  // [height][width][4], valid until the next call.
  const std::uint8_t* next() {
    std::uint8_t* canvas = nullptr;
    int ends_at = 0;
    core::require(WebPAnimDecoderGetNext(decoder_.get(), &canvas, &ends_at) != 0, name_,
                  ": holds a broken or truncated frame");
    return canvas;
  }

 private:
  struct Delete {
    void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
  };
  std::string_view name_;
  std::unique_ptr<WebPAnimDecoder, Delete> decoder_;
  WebPAnimInfo info_{};
};

// Of the file's header. Errors: no WebP, cut off, too many pixels.
WebPBitstreamFeatures checked_features(Bytes bytes, std::string_view name, const ImageOptions& options) {
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
  check_size(features.width, features.height, name, options);
  return features;
}

}  // namespace

StoredImage decode_webp(Bytes bytes, std::string_view name, const ImageOptions& options) {
  const WebPBitstreamFeatures features = checked_features(bytes, name, options);
  StoredImage out;
  out.image = checked_image(features.width, features.height, name, options);
  out.transparent = features.has_alpha != 0;
  const bool keep_alpha = out.transparent && options.background;
  const std::size_t pixels = out.image.rgb.size() / 3;
  if (keep_alpha) out.alpha.resize(pixels);

  Bytes exif;
  std::string_view xmp;
  ByteReader reader(bytes, name);
  reader.seek(kRiffHeader);
  while (const std::optional<Chunk> chunk = next_chunk(reader)) {
    if (chunk->kind == "EXIF" && exif.empty()) exif = chunk->payload;
    if (chunk->kind == "XMP " && xmp.empty()) xmp = as_text(chunk->payload);
  }
  out.orientation = orientation_of(exif, xmp);
  if (features.has_animation != 0) {
    split_rgba(AnimationDecoder(bytes, name).next(), pixels, out.image.rgb.data(),
               keep_alpha ? out.alpha.data() : nullptr);
  } else if (keep_alpha) {
    std::vector<std::uint8_t> rgba(pixels * 4);
    decode_into(rgba, 4, out.image.width, bytes, name);
    split_rgba(rgba.data(), pixels, out.image.rgb.data(), out.alpha.data());
  } else {
    decode_into(out.image.rgb, 3, out.image.width, bytes, name);
  }
  return out;
}

std::vector<int> webp_delays(Bytes bytes, std::string_view name) {
  constexpr std::size_t kDurationAt = 12;  // in an ANMF chunk, in 24 bits
  std::vector<int> out;
  if (bytes.size() <= kRiffHeader) return out;
  ByteReader reader(bytes, name);
  reader.seek(kRiffHeader);
  try {
    while (const std::optional<Chunk> chunk = next_chunk(reader)) {
      if (chunk->kind != "ANMF") continue;
      ByteReader frame(chunk->payload, name);
      frame.seek(kDurationAt);
      const int low = frame.u16_little();
      out.push_back(low | frame.u8() << 16);
    }
  } catch (const core::Error&) {  // cut off: the frames so far count
  }
  if (out.empty()) out.push_back(0);
  return out;
}

void decode_webp_frames(Bytes bytes, std::string_view name, const FrameSink& sink,
                        const ImageOptions& options) {
  const WebPBitstreamFeatures features = checked_features(bytes, name, options);
  if (features.has_animation == 0) {
    sink(decode_webp(bytes, name, options).image, 0);
    return;
  }
  Image canvas = checked_image(features.width, features.height, name, options);
  AnimationDecoder decoder(bytes, name);
  for (std::size_t k = 0; decoder.more(); ++k) {
    split_rgba(decoder.next(), canvas.rgb.size() / 3, canvas.rgb.data(), nullptr);
    if (!sink(canvas, k)) return;
  }
}

}  // namespace tarsier
