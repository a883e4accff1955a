// How wide text is on a terminal, and what would do more to it than show.
#pragma once

#include <string>
#include <string_view>

namespace tarsier::terminal {

// Columns of UTF-8 text: 2 for wide characters, 0 for marks that stand on the one before.
int columns_of(std::string_view text);

// The beginning of text that fits, with "..." where something is left out; line breaks become blanks.
std::string shortened(std::string_view text, int columns);

// Control characters but the line break and the tabulator: they move the cursor, or begin sequences that do.
bool is_control(char32_t code);
std::string without_controls(std::string_view text);

}  // namespace tarsier::terminal
