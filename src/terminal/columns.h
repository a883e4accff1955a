// How wide text is on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace tarsier::terminal {

// Columns of UTF-8 text: 2 for wide characters, 0 for marks that stand on the one before.
int columns_of(std::string_view text);

// The beginning of text that fits, with "..." where something is left out; line breaks become blanks.
std::string shortened(std::string_view text, int columns);

}  // namespace tarsier::terminal
