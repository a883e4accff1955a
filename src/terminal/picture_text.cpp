#include "src/terminal/picture_text.h"

#include <chafa.h>

#include <algorithm>
#include <cmath>
#include <memory>

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
