// Shapes that tests and benches of kernels share.
#pragma once

#include <cstdint>

namespace core {

// w: [rows, k], x: [tokens, k].
struct MatShape {
  std::int64_t rows, tokens, k;
};

// Matrix products of Qwen3-VL 2B: q_proj, gate_proj and down_proj; one token, a few, a chunk of a prompt.
inline constexpr MatShape kModelShapes[] = {{2048, 1, 2048},  {6144, 1, 2048}, {2048, 1, 6144},
                                            {2048, 4, 2048},  {256, 64, 2048}, {256, 512, 2048},
                                            {256, 512, 6144}, {256, 512, 1024}};

// One KV head.
struct AttentionShape {
  std::int64_t queries, keys, head_dim;
};
inline constexpr AttentionShape kModelAttention[] = {
    {1, 4096, 128}, {8, 4096, 128}, {32, 4096, 128}, {32, 4096, 72}, {32, 1024, 64}};
// Tiles of queries of one KV head: a picture of 4,096 patches, a prompt, decoding with groups of 2 and 8
// heads.
inline constexpr AttentionShape kFixedShapes[] = {{48, 4096, 64},  {48, 4096, 72}, {48, 512, 128},
                                                  {48, 8192, 128}, {2, 8192, 128}, {8, 8192, 128}};

}  // namespace core
