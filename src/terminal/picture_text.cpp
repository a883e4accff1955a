#include "src/terminal/picture_text.h"

#include <chafa.h>
#include <glib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>

#include "ggml-like-core/base/hash.h"
#include "src/input/resize.h"

namespace tarsier::terminal {
namespace {

// Where the terminal does not tell the size of a character.
constexpr int kCellWidth = 8;
constexpr int kCellHeight = 16;
constexpr int kLargest = 4;  // times its own size

struct Unref {
  void operator()(ChafaSymbolMap* p) const { chafa_symbol_map_unref(p); }
  void operator()(ChafaCanvasConfig* p) const { chafa_canvas_config_unref(p); }
  void operator()(ChafaCanvas* p) const { chafa_canvas_unref(p); }
  void operator()(ChafaTermInfo* p) const { chafa_term_info_unref(p); }
};

ChafaPixelMode pixel_mode(Protocol protocol) {
  switch (protocol) {
    case Protocol::kitty:
      return CHAFA_PIXEL_MODE_KITTY;
    case Protocol::iterm:
      return CHAFA_PIXEL_MODE_ITERM2;
    case Protocol::sixel:
      return CHAFA_PIXEL_MODE_SIXELS;
    case Protocol::blocks:
    case Protocol::none:
      break;
  }
  return CHAFA_PIXEL_MODE_SYMBOLS;
}

// kitty's graphics protocol, "Unicode placeholders": the picture is sent under a number, and drawn wherever
// the letter U+10EEEE stands in the colour of that number, one for each cell. A letter's marks name row,
// column and the number's highest byte; without marks it is the one right of the letter before it.
constexpr std::string_view kPlaceholder = "\U0010EEEE";
constexpr std::array<std::string_view, 30> kMarks = {  // for 0, 1, ...
    "\u0305", "\u030D", "\u030E", "\u0310", "\u0312", "\u033D", "\u033E", "\u033F", "\u0346", "\u034A",
    "\u034B", "\u034C", "\u0350", "\u0351", "\u0352", "\u0357", "\u035B", "\u0363", "\u0364", "\u0365",
    "\u0366", "\u0367", "\u0368", "\u0369", "\u036A", "\u036B", "\u036C", "\u036D", "\u036E", "\u036F"};
constexpr std::size_t kMostBytes = 4096;  // of a sequence's data

std::string kitty_placeholders(const Image& image, int columns, int rows) {
  rows = std::min(rows, static_cast<int>(kMarks.size()));
  // A number of its own, which is the same for the same picture. One byte is a colour of the palette: 24 bits
  // may be rounded on their way.
  core::Hash hash;
  hash.add(std::as_bytes(std::span(image.rgb)));
  for (const int n : {image.width, columns, rows}) hash.add(std::as_bytes(std::span(&n, 1)));
  const std::uint64_t low = 1 + hash.value() % 255;
  const std::uint64_t high = hash.value() / 255 % kMarks.size();
  const std::vector<std::byte> png = encode_png(image);
  gchar* coded = g_base64_encode(reinterpret_cast<const guchar*>(png.data()), png.size());
  const std::string data(coded);
  g_free(coded);
  std::string out;
  for (std::size_t at = 0; at < data.size(); at += kMostBytes) {
    std::string sequence = "\x1b_Gq=2,";
    if (at == 0)
      sequence += "a=T,U=1,f=100,i=" + std::to_string(high << 24 | low) + ",c=" + std::to_string(columns) +
                  ",r=" + std::to_string(rows) + ",";
    sequence += at + kMostBytes < data.size() ? "m=1;" : "m=0;";
    out += through_tmux(sequence + data.substr(at, kMostBytes) + "\x1b\\");
  }
  for (int row = 0; row < rows; ++row) {
    (out += "\x1b[38;5;") += std::to_string(low) + "m";
    ((out += kPlaceholder) += kMarks[static_cast<std::size_t>(row)]) += kMarks[0];
    out += kMarks[static_cast<std::size_t>(high)];
    for (int column = 1; column < columns; ++column) out += kPlaceholder;
    out += "\x1b[39m\n";
  }
  return out;
}

}  // namespace

std::string through_tmux(const std::string& sequences) {
  std::string out = "\x1bPtmux;";
  for (const char c : sequences) {
    if (c == '\x1b') out += c;
    out += c;
  }
  return out + "\x1b\\";
}

std::string picture_text(const Image& image, const Abilities& can, const WindowSize& window, int columns,
                         int rows) {
  if (can.pictures == Protocol::none) return "";
  const int cell_width = window.cell_width > 0 ? window.cell_width : kCellWidth;
  const int cell_height = window.cell_height > 0 ? window.cell_height : kCellHeight;
  // Small pictures are enlarged, but not until they are only squares.
  columns = std::clamp(columns, 1, std::max(1, kLargest * image.width / cell_width));
  gint width = columns;
  gint height = std::max(rows, 1);
  const gfloat ratio = static_cast<gfloat>(cell_width) / static_cast<gfloat>(cell_height);
  chafa_calc_canvas_geometry(image.width, image.height, &width, &height, ratio, TRUE, FALSE);

  if (can.pictures == Protocol::kitty && can.through_tmux) {
    const bool large = image.width > width * cell_width;
    return kitty_placeholders(large ? resize_bicubic(image, height * cell_height, width * cell_width) : image,
                              width, height);
  }
  const std::unique_ptr<ChafaSymbolMap, Unref> symbols(chafa_symbol_map_new());
  chafa_symbol_map_add_by_tags(symbols.get(),
                               static_cast<ChafaSymbolTags>(CHAFA_SYMBOL_TAG_VHALF | CHAFA_SYMBOL_TAG_SPACE));
  const std::unique_ptr<ChafaCanvasConfig, Unref> config(chafa_canvas_config_new());
  chafa_canvas_config_set_pixel_mode(config.get(), pixel_mode(can.pictures));
  chafa_canvas_config_set_geometry(config.get(), width, height);
  chafa_canvas_config_set_cell_geometry(config.get(), cell_width, cell_height);
  chafa_canvas_config_set_symbol_map(config.get(), symbols.get());
  chafa_canvas_config_set_canvas_mode(config.get(),
                                      can.colours == Colours::direct    ? CHAFA_CANVAS_MODE_TRUECOLOR
                                      : can.colours == Colours::palette ? CHAFA_CANVAS_MODE_INDEXED_256
                                                                        : CHAFA_CANVAS_MODE_FGBG);
  const std::unique_ptr<ChafaCanvas, Unref> canvas(chafa_canvas_new(config.get()));
  chafa_canvas_draw_all_pixels(canvas.get(), CHAFA_PIXEL_RGB8, image.rgb.data(), image.width, image.height,
                               image.width * 3);
  const std::unique_ptr<ChafaTermInfo, Unref> term(
      chafa_term_db_get_fallback_info(chafa_term_db_get_default()));
  GString* text = chafa_canvas_print(canvas.get(), term.get());
  std::string out(text->str, text->len);
  g_string_free(text, TRUE);
  if (can.through_tmux) out = through_tmux(out);
  return out + "\n";
}

}  // namespace tarsier::terminal
