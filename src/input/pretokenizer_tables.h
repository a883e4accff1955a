// Ranges of code points for the inside of a regular expression's class.
#pragma once

#include <string_view>

namespace tarsier {

extern const std::string_view kNewerLetters;  // beside \p{L}
extern const std::string_view kNewerNumbers;  // beside \p{N}

}  // namespace tarsier
