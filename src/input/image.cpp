// Which decoder reads a file.
#include "src/input/image.h"

#include <array>
#include <utility>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

struct Format {
  std::string_view magic;
  StoredImage (*decode)(Bytes, std::string_view, ImageLimits);
};

constexpr std::array<Format, 12> kFormats = {{
    {std::string_view("\x89PNG\r\n\x1a\n", 8), decode_png},
    {"\xff\xd8\xff", decode_jpeg},
    {"RIFF", decode_webp},
    {"GIF87a", decode_gif},
    {"GIF89a", decode_gif},
    {"BM", decode_bmp},
    {"P1", decode_pnm},
    {"P2", decode_pnm},
    {"P3", decode_pnm},
    {"P4", decode_pnm},
    {"P5", decode_pnm},
    {"P6", decode_pnm},
}};

}  // namespace

Image decode_image(std::span<const std::byte> bytes, std::string_view name, ImageLimits limits) {
  core::require(!bytes.empty(), name, ": is empty, expected a picture");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : kFormats) {
    if (!text.starts_with(format.magic)) continue;
    StoredImage stored = format.decode(bytes, name, limits);
    return upright(std::move(stored.image), stored.orientation);
  }
  core::fail(name, ": is not a PNG, JPEG, WebP, GIF, BMP or PNM picture");
}

Image load_image(const std::string& path, ImageLimits limits) {
  const core::MappedFile file(path);
  return decode_image(file.bytes(), path, limits);
}

}  // namespace tarsier
