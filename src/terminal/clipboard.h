// The clipboard through the desktop's own programs: wl-paste and wl-copy under Wayland, xclip under X11.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier::terminal {

// The bytes of the picture in the clipboard. Error: no such program; no picture there.
std::vector<std::byte> picture_from_clipboard();

// Puts text into the clipboard. Returns what must be written to the terminal for it, where no program is
// there and the terminal is asked to do it (OSC 52); else "".
std::string text_to_clipboard(std::string_view text);

}  // namespace tarsier::terminal
