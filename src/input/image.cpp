// Which decoder reads a file.
#include "src/input/image.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"
#include "src/input/picture_source.h"

namespace tarsier {
namespace {

struct Format {
  std::string_view name;
  std::string_view magic;
  StoredImage (*decode)(Bytes, std::string_view, const ImageOptions&);
  std::vector<int> (*delays)(Bytes, std::string_view);
  void (*frames)(Bytes, std::string_view, const FrameSink&, const ImageOptions&);
  std::size_t magic_at = 0;
};

std::vector<int> png_delays(Bytes bytes, std::string_view) { return apng_delays(bytes); }

constexpr Format tiff(std::string_view magic) { return {"TIFF", magic, decode_tiff, nullptr, nullptr, 0}; }
// brand: of the ISO container, behind the length of its first box.
constexpr Format heif(std::string_view name, std::string_view brand) {
  return {name, brand, decode_heif, nullptr, nullptr, 4};
}

constexpr Format kFormats[] = {
    {"PNG", std::string_view("\x89PNG\r\n\x1a\n", 8), decode_png, png_delays, decode_apng_frames},
    {"JPEG", "\xff\xd8\xff", decode_jpeg, nullptr, nullptr},
    {"WebP", "RIFF", decode_webp, webp_delays, decode_webp_frames},
    {"GIF", "GIF87a", decode_gif, gif_delays, decode_gif_frames},
    {"GIF", "GIF89a", decode_gif, gif_delays, decode_gif_frames},
    {"BMP", "BM", decode_bmp, nullptr, nullptr},
    {"PNM", "P1", decode_pnm, nullptr, nullptr},
    {"PNM", "P2", decode_pnm, nullptr, nullptr},
    {"PNM", "P3", decode_pnm, nullptr, nullptr},
    {"PNM", "P4", decode_pnm, nullptr, nullptr},
    {"PNM", "P5", decode_pnm, nullptr, nullptr},
    {"PNM", "P6", decode_pnm, nullptr, nullptr},
    tiff(std::string_view("II*\0", 4)),
    tiff(std::string_view("MM\0*", 4)),
    tiff(std::string_view("II+\0", 4)),
    tiff(std::string_view("MM\0+", 4)),
    heif("HEIC", "ftypheic"),
    heif("HEIC", "ftypheix"),
    heif("HEIC", "ftyphevc"),
    heif("HEIC", "ftypmif1"),
    heif("HEIC", "ftypmsf1"),
    heif("AVIF", "ftypavif"),
    heif("AVIF", "ftypavis"),
};

// Error: none of them.
const Format& format_of(Bytes bytes, std::string_view name) {
  core::require(!bytes.empty(), name, ": is empty, expected a picture");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : kFormats)
    if (text.size() > format.magic_at && text.substr(format.magic_at).starts_with(format.magic))
      return format;
  core::fail(name, ": is not a ", image_format_names(), " picture");
}

}  // namespace

std::string image_format_names() {
  std::string out;
  std::string_view last;
  for (const Format& format : kFormats) {
    if (format.name == last) continue;
    last = format.name;
    out += (out.empty() ? "" : ", ") + std::string(format.name);
  }
  return out;
}

DecodedImage decode_with_facts(std::span<const std::byte> bytes, std::string_view name,
                               const ImageOptions& options) {
  const Format& format = format_of(bytes, name);
  StoredImage stored = format.decode(bytes, name, options);
  if (options.background && !stored.alpha.empty())
    blend_over(stored.image, stored.alpha, *options.background);
  ImageFacts facts{.format = std::string(format.name),
                   .stored_width = stored.image.width,
                   .stored_height = stored.image.height,
                   .orientation = stored.orientation,
                   .alpha = stored.transparent,
                   .sixteen_bits = stored.sixteen_bits,
                   .frames = stored.frames};
  if (format.delays != nullptr)
    facts.frames = std::max(1, static_cast<int>(format.delays(bytes, name).size()));
  return {upright(std::move(stored.image), options.rotate ? stored.orientation : 1), std::move(facts)};
}

Image decode_image(std::span<const std::byte> bytes, std::string_view name, const ImageOptions& options) {
  return decode_with_facts(bytes, name, options).image;
}

Image load_image(const std::string& source, const ImageOptions& options) {
  return decode_image(read_picture(source).bytes(), source_name(source), options);
}

std::string treatment(const ImageFacts& facts, const ImageOptions& options) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (facts.frames > 1)
    add("the first of " + std::to_string(facts.frames) + (facts.format == "TIFF" ? " pages" : " frames"));
  if (facts.sixteen_bits) add("the high 8 bits of each sample");
  if (facts.orientation > 1) add(options.rotate ? "turned upright" : "not turned upright");
  if (facts.alpha) add(options.background ? "over " + name_of(options.background) : "alpha dropped");
  return out;
}

std::string describe(const ImageFacts& facts, const ImageOptions& options) {
  const std::string done = treatment(facts, options);
  return facts.format + ' ' + std::to_string(facts.stored_width) + " x " +
         std::to_string(facts.stored_height) + (done.empty() ? "" : ", " + done);
}

std::optional<Colour> background_named(std::string_view text) {
  if (text == "none") return std::nullopt;
  if (text == "white") return Colour{255, 255, 255};
  if (text == "black") return Colour{};
  Colour out{};
  bool fine = text.size() == 7 && text[0] == '#';
  for (std::size_t k = 0; fine && k < out.size(); ++k) {
    const char* begin = text.data() + 1 + 2 * k;
    const auto [end, error] = std::from_chars(begin, begin + 2, out[k], 16);
    fine = error == std::errc{} && end == begin + 2;
  }
  core::require(fine, "background: found \"", text, "\", wanted white, black, #rrggbb or none");
  return out;
}

std::string name_of(const std::optional<Colour>& background) {
  if (!background) return "none";
  if (*background == Colour{255, 255, 255}) return "white";
  if (*background == Colour{}) return "black";
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "#";
  for (const std::uint8_t level : *background) {
    out += kDigits[level >> 4];
    out += kDigits[level & 15];
  }
  return out;
}

std::vector<int> frame_delays(std::span<const std::byte> bytes, std::string_view name) {
  const Format& format = format_of(bytes, name);
  return format.delays == nullptr ? std::vector<int>{} : format.delays(bytes, name);
}

void decode_animation(std::span<const std::byte> bytes, std::string_view name, const FrameSink& sink,
                      const ImageOptions& options) {
  const Format& format = format_of(bytes, name);
  core::require(format.frames != nullptr, name, ": is a ", format.name,
                " picture, wanted an animated GIF, PNG or WebP");
  format.frames(bytes, name, sink, options);
}

}  // namespace tarsier
