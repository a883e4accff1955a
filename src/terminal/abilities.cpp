#include "src/terminal/abilities.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

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

// tmux may draw sixels itself, where it was built so and the terminal around it knows them: it says so
// from 3.6 on.
constexpr const char* kSixels = "#{sixel_support} #{client_termfeatures}";
bool draws_sixels(const AskTmux& tmux) {
  const std::string answer = tmux(kSixels);
  return answer.starts_with("1 ") && answer.find("sixel") != std::string::npos;
}
// Whether it hands on what is wrapped for the terminal around it.
constexpr const char* kPasses = "#{allow-passthrough}";
bool passes(const AskTmux& tmux) {
  const std::string answer = tmux(kPasses);
  return !answer.empty() && answer != "0" && answer != "off";
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

std::string ask_tmux(const std::string& format) {
  std::FILE* from = ::popen(("tmux display-message -p '" + format + "' 2>/dev/null").c_str(), "r");
  if (from == nullptr) return "";
  char answer[512];
  std::string out(answer, std::fread(answer, 1, sizeof answer, from));
  ::pclose(from);
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

Abilities abilities(const Environment& get, std::string_view wanted, const AskTmux& ask) {
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
    out.pictures = dumb ? Protocol::none : native_protocol(value, term);
    // What tmux passes on comes before text that was written earlier: a picture drawn at the cursor is at the
    // wrong place. Only kitty's can be text themselves.
    if (tmux && out.pictures != Protocol::none && !(out.pictures == Protocol::kitty && passes(ask)))
      out.pictures = draws_sixels(ask) ? Protocol::sixel : Protocol::blocks;
  } else {
    bool known = false;
    for (const Protocol protocol : kProtocols)
      if (wanted == name_of(protocol)) {
        out.pictures = protocol;
        known = true;
      }
    core::require(known, "pictures by \"", wanted, "\": wanted auto, kitty, iterm, sixel, blocks or none");
  }
  out.through_tmux = tmux && (out.pictures == Protocol::kitty || out.pictures == Protocol::iterm ||
                              (out.pictures == Protocol::sixel && !draws_sixels(ask) && passes(ask)));
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
