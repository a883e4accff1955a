// What the terminal can do, told from the environment, and by tmux where that stands between: nothing is
// asked of the terminal itself, so that no answer is waited for that never comes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace tarsier::terminal {

enum class Protocol { kitty, iterm, sixel, blocks, none };
enum class Colours { none, palette, direct };  // direct: 24 bits

struct Abilities {
  Protocol pictures = Protocol::none;
  bool through_tmux = false;  // sequences are wrapped for the terminal around tmux, not drawn by it
  Colours colours = Colours::none;
};

using Environment = std::function<const char*(const char* name)>;  // nullptr: not set

// What tmux makes of a format (tmux(1), FORMATS); empty where it does not answer.
using AskTmux = std::function<std::string(const std::string& format)>;
std::string ask_tmux(const std::string& format);

// Of a terminal with this environment. wanted: what a person chose for pictures; empty or "auto": what fits.
// Error: another word.
Abilities abilities(const Environment& get, std::string_view wanted = {}, const AskTmux& tmux = ask_tmux);
std::string_view name_of(Protocol protocol);

struct WindowSize {
  int columns = 80, rows = 24;
  int cell_width = 0, cell_height = 0;  // pixels; 0: not told
};
// Of the window on standard output.
WindowSize window_size();

}  // namespace tarsier::terminal
