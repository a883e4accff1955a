// 8-bit antialiased bicubic resizing, bit-equal to torchvision's on a CPU (tests/oracle/resize_reference.py
// is the definition). Two passes with int16 weights, horizontal first, rounded and clipped to 0..255 between
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ggml-like-core/base/big_vector.h"
#include "ggml-like-core/base/thread_team.h"
#include "src/input/image.h"

namespace tarsier {

// Each output of a pass is the sum over j of source[first + j] * weights[begin + j], j < count, shifted right
// by precision.
struct ResizeWeights {
  struct Taps {
    int first;
    int count;
    std::size_t begin;
  };
  std::vector<Taps> taps;
  std::vector<std::int16_t> weights;
  int precision = 0;
};

// The picture as height rows of width pixels, some rows at a time: whoever wants them need not hold all of
// them. The horizontal pass is done at once, by the team. A pass is skipped where the size does not change.
class Resizer {
 public:
  // image: outlives this, of at least 1 x 1 pixels. height, width: at least 1.
  Resizer(const Image& image, int height, int width, core::ThreadTeam& team);
  // Rows [begin, end) -> out: [end - begin][width][3]. Any thread, any order.
  void rows(int begin, int end, std::uint8_t* out) const;

 private:
  const std::uint8_t* source_;  // [rows][width][3]: the picture, or narrowed_
  std::size_t row_bytes_;
  core::BigVector<std::uint8_t> narrowed_;
  ResizeWeights vertical_;  // without taps: the height stays
};

// A team for a picture: so many threads, 0 for all cores, or one where there is little to do.
core::ThreadTeam picture_team(const Image& image, int threads = 0);

Image resize_bicubic(const Image& image, int height, int width);

// Bytes of a Resizer and its picture; each thread has some rows beside them.
std::uint64_t resize_bytes(int from_height, int from_width, int width);

}  // namespace tarsier
