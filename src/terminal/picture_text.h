// A picture as what a terminal must be sent to show it.
#pragma once

#include <string>

#include "src/input/image.h"
#include "src/terminal/abilities.h"

namespace tarsier::terminal {

// At most columns x rows characters large, its shape kept, never more than four times the picture's own size;
// ends with a line break. "" where the terminal shows no pictures.
std::string picture_text(const Image& image, const Abilities& can, const WindowSize& window, int columns,
                         int rows);

// sequences as tmux hands them on to the terminal around it.
std::string through_tmux(const std::string& sequences);

}  // namespace tarsier::terminal
