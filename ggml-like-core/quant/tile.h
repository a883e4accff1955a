// Rows of weights 16 together. A tile holds one block of each of 16 rows, its bytes in another order: for
// every four bytes of a block, in their order, those of row 0, of row 1, and so on. A block that is no
// multiple of four long has one scale of two bytes, first or last, that goes likewise in twos. So what begins
// at byte b of a block begins at byte 16 b of the tile. Tiles follow one another along the row, rows of tiles
// along the matrix, and 16 rows have as many bytes as they have apart. Plain (blocks.h says why).
#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml-like-core/quant/blocks.h"

namespace core {

inline constexpr std::int64_t kTileRows = 16;

// Bytes from byte b of a block on that stay together.
template <class Block>
constexpr std::size_t tile_unit(std::size_t b) {
  if constexpr (sizeof(Block) % 4 != 0) {
    static_assert(sizeof(Block) % 4 == 2);
    constexpr std::size_t kScale = offsetof(Block, scale_f16);
    static_assert(kScale == 0 || kScale + 2 == sizeof(Block));
    if (b == kScale) return 2;
  }
  return 4;
}

// Calls move(where it lies in a tile, where it lies in the block of row 0 <= lane < 16, bytes) for each unit.
template <class Block, class Move>
[[gnu::always_inline]] inline void for_tile_units(std::size_t lane, const Move& move) {
  for (std::size_t b = 0; b < sizeof(Block);) {
    const std::size_t unit = tile_unit<Block>(b);
    move(16 * b + lane * unit, b, unit);
    b += unit;
  }
}

// Block i of row `row` of a matrix of tiles whose rows have row_bytes each.
template <class Block>
[[gnu::always_inline]] inline Block block_of_tile(const void* matrix, std::size_t row_bytes, std::int64_t row,
                                                  std::int64_t i) {
  const auto* tile = static_cast<const std::uint8_t*>(matrix) +
                     static_cast<std::size_t>(row / kTileRows * kTileRows) * row_bytes +
                     static_cast<std::size_t>(i * kTileRows) * sizeof(Block);
  std::uint8_t bytes[sizeof(Block)];
  for_tile_units<Block>(
      static_cast<std::size_t>(row % kTileRows),
      [&](std::size_t from, std::size_t to, std::size_t n) { __builtin_memcpy(bytes + to, tile + from, n); });
  return __builtin_bit_cast(Block, bytes);
}

}  // namespace core
