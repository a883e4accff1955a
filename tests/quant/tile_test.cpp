// Rows 16 together: where each byte goes, and that it comes back.
#include "ggml-like-core/quant/tile.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "ggml-like-core/quant/reference.h"

namespace core {
namespace {

std::vector<std::byte> random_bytes(std::size_t n) {
  std::mt19937 rng(7);
  std::vector<std::byte> bytes(n);
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
  return bytes;
}

std::vector<DType> tiled_types() {
  std::vector<DType> types;
  for (const FormatInfo& f : kStoredFormats)
    if (f.is_tiled()) types.push_back(f.dtype);
  return types;
}

// Where gguf-spec.md says that byte b of a block of row r stands in a tile: two_first, two_last: the scale of
// two bytes of a block that is no multiple of four long.
std::size_t place(std::size_t b, std::size_t r, std::size_t block, bool two_first, bool two_last) {
  if (two_first && b < 2) return 2 * r + b;
  if (two_last && b >= block - 2) return 16 * (block - 2) + 2 * r + (b - (block - 2));
  const std::size_t skipped = two_first ? 2 : 0;
  const std::size_t word = (b - skipped) / 4;
  return 16 * skipped + 64 * word + 4 * r + (b - skipped) % 4;
}

TEST(Tile, every_byte_stands_where_the_page_says) {
  const struct {
    DType dtype;
    std::size_t block;
    bool two_first, two_last;
  } rows[] = {{tiled(DType::q8_0), 34, true, false},   {tiled(DType::q4_0), 18, true, false},
              {tiled(DType::q4_K), 144, false, false}, {tiled(DType::q5_K), 176, false, false},
              {tiled(DType::q6_K), 210, false, true},  {tiled(DType::x4), 136, false, false},
              {tiled(DType::x5), 168, false, false},   {tiled(DType::x6), 200, false, false},
              {tiled(DType::x7), 232, false, false},   {tiled(DType::x8), 264, false, false},
              {tiled(DType::bf16), 4, false, false}};
  ASSERT_EQ(std::size(rows), tiled_types().size());
  for (const auto& f : rows) {
    const std::int64_t cols = std::int64_t{3} * info(f.dtype).block_len;
    const std::size_t stride = row_bytes(f.dtype, cols);
    const auto bytes = random_bytes(32 * stride);
    std::vector<std::byte> tiles(bytes.size());
    rows_to_tiles(tiles, bytes, f.dtype, cols);
    for (std::size_t r = 0; r < 32; ++r)
      for (std::size_t b = 0; b < stride; ++b) {
        const std::size_t tile = r / 16 * 16 * stride + b / f.block * 16 * f.block;
        ASSERT_EQ(tiles[tile + place(b % f.block, r % 16, f.block, f.two_first, f.two_last)],
                  bytes[r * stride + b])
            << info(f.dtype).name << " row " << r << " byte " << b;
      }
  }
}

TEST(Tile, rows_come_back_byte_for_byte) {
  for (const DType dtype : tiled_types()) {
    const std::int64_t cols = std::int64_t{5} * info(dtype).block_len;
    const auto bytes = random_bytes(48 * row_bytes(dtype, cols));
    std::vector<std::byte> tiles(bytes.size());
    std::vector<std::byte> back(bytes.size());
    rows_to_tiles(tiles, bytes, dtype, cols);
    EXPECT_NE(tiles, bytes);
    tiles_to_rows(back, tiles, dtype, cols);
    EXPECT_EQ(back, bytes) << info(dtype).name;
  }
}

TEST(Tile, only_whole_sixteens_of_rows_of_some_formats_can_be_tiled) {
  EXPECT_EQ(tiled_format(DType::q4_K, 32, 256), tiled(DType::q4_K));
  EXPECT_EQ(tiled_format(DType::q4_K, 24, 256), std::nullopt);
  EXPECT_EQ(tiled_format(DType::f32, 32, 256), std::nullopt);
  EXPECT_EQ(tiled_format(DType::bf16, 32, 34), tiled(DType::bf16));
  EXPECT_EQ(tiled_format(DType::bf16, 32, 35), std::nullopt);
  EXPECT_EQ(info(tiled(DType::q6_K)).row, DType::q6_K);
  EXPECT_TRUE(info(tiled(DType::q6_K)).is_tiled());
  EXPECT_FALSE(info(DType::q6_K).is_tiled());
}

}  // namespace
}  // namespace core
