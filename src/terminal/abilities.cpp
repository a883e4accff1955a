#include "src/terminal/abilities.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "ggml-like-core/base/error.h"

namespace tarsier::terminal {
namespace {

constexpr Protocol kProtocols[] = {Protocol::kitty, Protocol::iterm, Protocol::sixel, Protocol::blocks,
                                   Protocol::none};

// Of the terminal that the person looks at; variables that terminals set also reach programs inside tmux.
Protocol native_protocol(const std::function<std::string_view(const char*)>& value, std::string_view term) {
  const std::string_view program = value("TERM_PROGRAM");
  if (!value("KITTY_WINDOW_ID").empty() || term == "xterm-kitty" || term == "xterm-ghostty" ||
      program == "ghostty")
    return Protocol::kitty;
  if (program == "iTerm.app" || value("LC_TERMINAL") == "iTerm2" || program == "WezTerm" ||
      program == "mintty")
    return Protocol::iterm;
  if (term.starts_with("foot") || term.starts_with("mlterm") || term.starts_with("contour") ||
      term.find("sixel") != std::string_view::npos)
    return Protocol::sixel;
  return Protocol::blocks;
}

}  // namespace

std::string_view name_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kitty:
      return "kitty";
    case Protocol::iterm:
      return "iterm";
    case Protocol::sixel:
      return "sixel";
    case Protocol::blocks:
      return "blocks";
    case Protocol::none:
      return "none";
  }
  core::bug("unknown protocol for pictures");
}

Abilities abilities(const Environment& get, std::string_view wanted) {
  const auto value = [&](const char* name) {
    const char* found = get(name);
    return std::string_view(found != nullptr ? found : "");
  };
  const std::string_view term = value("TERM");
  Abilities out;
  const bool dumb = term.empty() || term == "dumb";
  if (!dumb && value("NO_COLOR").empty()) {
    const std::string_view depth = value("COLORTERM");
    out.colours = depth == "truecolor" || depth == "24bit" || term.find("direct") != std::string_view::npos
                      ? Colours::direct
                      : Colours::palette;
  }
  const bool tmux = !value("TMUX").empty();
  if (wanted.empty() || wanted == "auto") {
    // tmux passes iTerm2's and sixel's pictures on, but loses kitty's place on the screen when it scrolls.
    out.pictures = dumb ? Protocol::none : native_protocol(value, term);
    if (tmux && out.pictures != Protocol::iterm) out.pictures = Protocol::blocks;
  } else {
    bool known = false;
    for (const Protocol protocol : kProtocols)
      if (wanted == name_of(protocol)) {
        out.pictures = protocol;
        known = true;
      }
    core::require(known, "pictures by \"", wanted, "\": wanted auto, kitty, iterm, sixel, blocks or none");
  }
  out.through_tmux = tmux && out.pictures != Protocol::blocks && out.pictures != Protocol::none;
  return out;
}

WindowSize window_size() {
  struct winsize size {};
  WindowSize out;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return out;
  out.columns = size.ws_col;
  out.rows = size.ws_row;
  if (size.ws_xpixel > 0 && size.ws_ypixel > 0 && size.ws_row > 0) {
    out.cell_width = size.ws_xpixel / size.ws_col;
    out.cell_height = size.ws_ypixel / size.ws_row;
  }
  return out;
}

}  // namespace tarsier::terminal
