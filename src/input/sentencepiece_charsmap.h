// The normalisation table inside a SentencePiece model. libsentencepiece follows it without a look at its
// bounds, so a damaged one must not reach it.
#pragma once

#include <cstdint>
#include <span>

namespace tarsier {

// Error: following the table for some text would read outside it. An empty table is good.
void check_charsmap(std::span<const std::uint8_t> table);

}  // namespace tarsier
