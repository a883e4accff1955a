// How keys and values lie as integers, in a cache and inside a picture: blocks of positions of one head, in
// the order in which the kernels multiply them. value = code * scale of its row (one head at one position).
//
//   keys    [head_dim / 2][kKvBlock][2] codes (a position is a lane), then kKvBlock scales
//   values  [kKvBlock / 2][width][2] codes (a dimension is a lane), then kKvBlock scales
//
// Plain: see blocks.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml-like-core/quant/dtype.h"

namespace core {

inline constexpr std::int64_t kKvBlock = 64;  // positions

// A type of a KV cache: how a pair of its codes is stored, the largest code, and whether rows are turned by a
// Hadamard matrix first (queries as keys, results back), which spreads what is large in one dimension over
// all.
struct KvCodes {
  std::size_t pair_bytes;
  std::int64_t most;
  bool turned;
};
inline constexpr KvCodes kKv16 = {4, 4095, false};
inline constexpr KvCodes kKv8 = {2, 127, false};
inline constexpr KvCodes kKv4 = {1, 7, true};     // low and high nibble, both + 8
inline constexpr std::int64_t kMostTurned = 512;  // dimensions of a head whose rows are turned

// Null for f32, which is kept as it is, and for what is no type of a cache. Sixteen bits are sixteen bits:
// f16 and bf16 name the same codes, whose error lies between theirs.
constexpr const KvCodes* kv_codes(DType dtype) {
  if (dtype == DType::f16 || dtype == DType::bf16) return &kKv16;
  if (dtype == DType::q8_0) return &kKv8;
  return dtype == DType::q4_0 ? &kKv4 : nullptr;
}

struct KvBlockLayout {
  std::int64_t pairs;                 // of dimensions; the last one's second is nothing where they are odd
  std::int64_t width;                 // dimensions of a row of values: whole vectors
  std::size_t key_scales, key_bytes;  // place of the scales, size of a block
  std::size_t value_scales, value_bytes;  // multiples of 64, all four
};

constexpr KvBlockLayout kv_block_layout(const KvCodes& codes, std::int64_t head_dim) {
  constexpr std::size_t kScales = kKvBlock * sizeof(float);
  const std::int64_t pairs = (head_dim + 1) / 2;
  const std::int64_t width = (head_dim + 15) / 16 * 16;
  const std::size_t keys = static_cast<std::size_t>(pairs * kKvBlock) * codes.pair_bytes;
  const std::size_t values = static_cast<std::size_t>(width * kKvBlock / 2) * codes.pair_bytes;
  return {pairs, width, keys, keys + kScales, values, values + kScales};
}

// Bytes of one head of a cache: blocks, or [capacity][head_dim] for f32.
struct KvHeadBytes {
  std::size_t keys, values;
};
constexpr KvHeadBytes kv_head_bytes(DType dtype, std::int64_t head_dim, std::int64_t capacity) {
  const KvCodes* codes = kv_codes(dtype);
  if (codes == nullptr) {
    const std::size_t bytes = static_cast<std::size_t>(head_dim * capacity) * sizeof(float);
    return {bytes, bytes};
  }
  const KvBlockLayout layout = kv_block_layout(*codes, head_dim);
  const auto blocks = static_cast<std::size_t>((capacity + kKvBlock - 1) / kKvBlock);
  return {blocks * layout.key_bytes, blocks * layout.value_bytes};
}

// Codes of queries, and of keys: at most this, so that the sum over a head fits 32 bits with its sign.
constexpr std::int64_t dot_limit(std::int64_t head_dim) {
  std::int64_t most = kKv16.most;  // 4095^2 * 128 < 2^31
  while (most * most * (head_dim + head_dim % 2) > 0x7fffffff) most /= 2;
  return most;
}
// Weights of the positions of a block: 64 * 8191 * 4095 < 2^31.
inline constexpr std::int64_t kMostWeight = 8191;
static_assert(kKvBlock * kMostWeight * kKv16.most <= 0x7fffffff);
static_assert(dot_limit(128) == 4095);

}  // namespace core
