// 3-D positions of the tokens. HF: Qwen3VLModel.get_rope_index.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/input/processor.h"

namespace tarsier {

struct Positions {
  std::vector<std::int32_t> t, h, w;  // of each token
  int rope_delta = 0;                 // the next token's position is length + rope_delta
};

// token_types: 0 text, 1 image, 2 video. images, videos: their grids in order of appearance; each temporal
// patch of a video is its own run of tokens. merge_size: patches of a side that become one token. Error:
// grids that do not fit the runs.
Positions mrope_positions(std::span<const std::int8_t> token_types, std::span<const Grid> images,
                          std::span<const Grid> videos, int merge_size);

}  // namespace tarsier
