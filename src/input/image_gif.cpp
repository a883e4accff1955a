// GIF through giflib, which unpacks the codes of one frame. Where its pixels go is ours, because colours
// under transparent pixels must stay as Pillow keeps them: GifImagePlugin.py, _seek, load_prepare and
// load_end.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

using Palette = std::array<Colour, 256>;

// Without a palette of its own a colour is a grey level; colours past a palette's end are black.
Palette palette_of(const ColorMapObject* map) {
  Palette out{};
  for (std::size_t k = 0; map == nullptr && k < out.size(); ++k) out[k].fill(static_cast<std::uint8_t>(k));
  for (int k = 0; map != nullptr && k < std::min(map->ColorCount, 256); ++k) {
    const GifColorType& c = map->Colors[k];
    out[static_cast<std::size_t>(k)] = {c.Red, c.Green, c.Blue};
  }
  return out;
}

// Pixels of the canvas: [top, top + height) x [left, left + width).
struct Box {
  int left = 0, top = 0, width = 0, height = 0;
};

struct Frame {
  Box box;
  bool interlaced = false;
  Palette palette{};
  std::optional<std::uint8_t> transparent;
  int milliseconds = 0;
};

// Disposal methods of GIF89a, under which a frame leaves the canvas before the next one.
enum class Disposal { none = 0, keep = 1, background = 2, previous = 3 };

class GifReader {
 public:
  GifReader(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {
    int error = 0;
    gif_ = DGifOpen(this, read, &error);
    core::require(gif_ != nullptr, name, ": ", reason(error));
    palette_ = palette_of(gif_->SColorMap);
  }
  ~GifReader() { DGifCloseFile(gif_, nullptr); }
  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;

  // The headers of the next frame; nothing at the end of the file.
  std::optional<Frame> next() {
    Frame frame;
    for (;;) {
      GifRecordType type{};
      check(DGifGetRecordType(gif_, &type));
      if (type == TERMINATE_RECORD_TYPE) return std::nullopt;
      if (type == IMAGE_DESC_RECORD_TYPE) break;
      int code = 0;
      GifByteType* block = nullptr;
      check(DGifGetExtension(gif_, &code, &block));
      if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4) read_control(frame, block + 1);
      while (block != nullptr) check(DGifGetExtensionNext(gif_, &block));
    }
    check(DGifGetImageDesc(gif_));
    const GifImageDesc& image = gif_->Image;
    frame.box = {image.Left, image.Top, image.Width, image.Height};
    frame.interlaced = image.Interlace;
    frame.palette = image.ColorMap == nullptr ? palette_ : palette_of(image.ColorMap);
    core::require(image.Width > 0 && image.Height > 0, name_, ": has a frame of ", image.Width, " x ",
                  image.Height, " pixels");
    return frame;
  }
  // Pixels of the frame that next() gave, row by row as shown.
  std::vector<std::uint8_t> indices(const Frame& frame) {
    const auto width = static_cast<std::size_t>(frame.box.width);
    std::vector<std::uint8_t> out(width * static_cast<std::size_t>(frame.box.height));
    constexpr std::array<std::array<int, 2>, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
    constexpr std::array<std::array<int, 2>, 1> kStraight = {{{0, 1}}};
    const std::span<const std::array<int, 2>> passes =
        frame.interlaced ? std::span<const std::array<int, 2>>(kPasses) : kStraight;
    for (const auto& [start, step] : passes) {
      for (int y = start; y < frame.box.height; y += step)
        check(DGifGetLine(gif_, out.data() + static_cast<std::size_t>(y) * width, frame.box.width));
    }
    return out;
  }
  void skip_pixels() {
    int size = 0;
    GifByteType* block = nullptr;
    check(DGifGetCode(gif_, &size, &block));
    while (block != nullptr) check(DGifGetCodeNext(gif_, &block));
  }
  int width() const { return gif_->SWidth; }
  int height() const { return gif_->SHeight; }
  // The background counts only beside the palette that it points into.
  std::size_t background() const {
    return gif_->SColorMap == nullptr ? 0 : static_cast<std::size_t>(gif_->SBackGroundColor & 0xff);
  }
  Disposal disposal() const { return disposal_; }

 private:
  static int read(GifFileType* gif, GifByteType* out, int count) {
    auto* self = static_cast<GifReader*>(gif->UserData);
    const std::size_t n = std::min(static_cast<std::size_t>(count), self->bytes_.size() - self->at_);
    if (n > 0) std::memcpy(out, self->bytes_.data() + self->at_, n);
    self->at_ += n;
    return static_cast<int>(n);
  }
  static std::string reason(int error) {
    if (error == D_GIF_ERR_READ_FAILED || error == D_GIF_ERR_EOF_TOO_SOON) return "is truncated";
    const char* text = GifErrorString(error);
    return std::string("is a broken GIF file: ") + (text == nullptr ? "unknown error" : text);
  }
  void check(int status) const { core::require(status == GIF_OK, name_, ": ", reason(gif_->Error)); }
  void read_control(Frame& frame, const GifByteType* block) {
    constexpr unsigned kDisposalShift = 2;
    if ((block[0] & 1U) != 0) frame.transparent = block[3];
    frame.milliseconds = (block[1] | block[2] << 8) * 10;
    const unsigned disposal = block[0] >> kDisposalShift & 7U;
    if (disposal != 0) disposal_ = Disposal{static_cast<int>(disposal)};  // 0 leaves the last one in force
  }

  Bytes bytes_;
  std::size_t at_ = 0;
  std::string_view name_;
  GifFileType* gif_ = nullptr;
  Palette palette_{};
  Disposal disposal_ = Disposal::none;
};

// Calls f(pixel's place in the canvas, its place in the box) for the part of the box that lies on the canvas.
template <class F>
void for_each_pixel(const Image& canvas, const Box& box, const F& f) {
  for (int y = 0; y < std::min(box.height, canvas.height - box.top); ++y) {
    for (int x = 0; x < std::min(box.width, canvas.width - box.left); ++x) {
      f(static_cast<std::size_t>(box.top + y) * static_cast<std::size_t>(canvas.width) +
            static_cast<std::size_t>(box.left + x),
        static_cast<std::size_t>(y) * static_cast<std::size_t>(box.width) + static_cast<std::size_t>(x));
    }
  }
}

void put(Image& canvas, std::size_t pixel, const Colour& colour) {
  std::copy_n(colour.begin(), 3, canvas.rgb.data() + 3 * pixel);
}

void fill(Image& canvas, const Box& box, const Colour& colour) {
  for_each_pixel(canvas, box, [&](std::size_t pixel, std::size_t) { put(canvas, pixel, colour); });
}

// The first frame on its canvas: pixels outside the frame take the transparent colour, or colour 0.
Image first_canvas(const GifReader& reader, const Frame& frame, std::string_view name,
                   const ImageOptions& options) {
  Image canvas = checked_image(std::max(reader.width(), frame.box.left + frame.box.width),
                               std::max(reader.height(), frame.box.top + frame.box.height), name, options);
  fill(canvas, {0, 0, canvas.width, canvas.height}, frame.palette[frame.transparent.value_or(0)]);
  return canvas;
}

Frame first_frame(GifReader& reader, std::string_view name) {
  std::optional<Frame> frame = reader.next();
  core::require(frame.has_value(), name, ": is a GIF without a picture");
  return *frame;
}

// What the canvas is given before the next frame comes.
struct Undo {
  Box box;
  std::vector<std::uint8_t> rgb;  // of the box; empty: nothing is undone
};

// canvas: before the frame is drawn.
Undo undo_of(const GifReader& reader, const Frame& frame, const Image& canvas, bool first) {
  Undo undo{frame.box, {}};
  const bool background = reader.disposal() == Disposal::background;
  const bool previous = reader.disposal() == Disposal::previous;
  if (!background && !(previous && (!first || frame.transparent))) return undo;
  const Colour colour = frame.palette[frame.transparent.value_or(
      background ? static_cast<std::uint8_t>(reader.background()) : std::uint8_t{0})];
  undo.rgb.resize(static_cast<std::size_t>(frame.box.width) * static_cast<std::size_t>(frame.box.height) * 3);
  for_each_pixel(canvas, frame.box, [&](std::size_t pixel, std::size_t at) {
    const std::uint8_t* from = previous && !first ? canvas.rgb.data() + 3 * pixel : colour.data();
    std::copy_n(from, 3, undo.rgb.data() + 3 * at);
  });
  return undo;
}

}  // namespace

StoredImage decode_gif(Bytes bytes, std::string_view name, const ImageOptions& options) {
  GifReader reader(bytes, name);
  const Frame frame = first_frame(reader, name);
  StoredImage out;
  out.image = first_canvas(reader, frame, name, options);
  out.transparent = frame.transparent.has_value();
  const std::vector<std::uint8_t> indices = reader.indices(frame);
  for_each_pixel(out.image, frame.box, [&](std::size_t pixel, std::size_t at) {
    put(out.image, pixel, frame.palette[indices[at]]);
  });
  if (frame.transparent && options.background) {
    out.alpha.resize(out.image.rgb.size() / 3);
    for_each_pixel(out.image, frame.box, [&](std::size_t pixel, std::size_t at) {
      out.alpha[pixel] = indices[at] == *frame.transparent ? 0 : 255;
    });
  }
  return out;
}

std::vector<int> gif_delays(Bytes bytes, std::string_view name) {
  constexpr int kShortest = 20;
  constexpr int kInstead = 100;
  std::vector<int> out;
  try {
    GifReader reader(bytes, name);
    while (const std::optional<Frame> frame = reader.next()) {
      reader.skip_pixels();
      out.push_back(frame->milliseconds < kShortest ? kInstead : frame->milliseconds);
    }
  } catch (const core::Error&) {  // cut off: the frames so far count
  }
  return out;
}

void decode_gif_frames(Bytes bytes, std::string_view name, const FrameSink& sink,
                       const ImageOptions& options) {
  GifReader reader(bytes, name);
  Frame frame = first_frame(reader, name);
  Image canvas = first_canvas(reader, frame, name, options);
  for (std::size_t index = 0;; ++index) {
    check_size(frame.box.width, frame.box.height, name, options);
    const Undo undo = undo_of(reader, frame, canvas, index == 0);
    const std::vector<std::uint8_t> indices = reader.indices(frame);
    for_each_pixel(canvas, frame.box, [&](std::size_t pixel, std::size_t at) {
      if (index == 0 || indices[at] != frame.transparent) put(canvas, pixel, frame.palette[indices[at]]);
    });
    if (!sink(canvas, index)) return;
    if (!undo.rgb.empty()) {
      for_each_pixel(canvas, frame.box, [&](std::size_t pixel, std::size_t at) {
        std::copy_n(undo.rgb.data() + 3 * at, 3, canvas.rgb.data() + 3 * pixel);
      });
    }
    std::optional<Frame> following = reader.next();
    if (!following) return;
    frame = *following;
  }
}

}  // namespace tarsier
