// JSON as language models write it: with comments, single quotes, bare words, commas too many or too few, and
// cut off at any byte. What can be read is; the rest is left out.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace tarsier::chat {

// NOLINTNEXTLINE(bugprone-exception-escape): of the JSON library, which aborts and never throws there
struct LooseValue {
  nlohmann::ordered_json value;
  std::size_t end = 0;  // behind it in the text
};

// The object or array that begins at text[at], a '{' or '['. Where the text ends inside it, what is whole of
// it: text that is cut off stays, a number at the very end goes, since more digits may have followed.
// Nothing: no value begins here.
std::optional<LooseValue> read_loose_json(std::string_view text, std::size_t at);

}  // namespace tarsier::chat
