// Rotation angles of both towers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tarsier {

using Place = std::array<std::int32_t, 3>;  // of a token: time, height, width

// 1 / theta^(2i / dim) for i < dim / 2, rounded as transformers does it in f32.
std::vector<float> rope_frequencies(double theta, int dim);

// Interleaved 3-D rotary embedding. HF: Qwen3VLTextRotaryEmbedding.recomposition_frequencies. Frequency i
// takes the height position if i % 3 == 1 and i < 3 * section[1], the width position if i % 3 == 2 and i < 3
// * section[2], else the time position.
class TextRope {
 public:
  // section: empty where positions are one number. factors: what divides each frequency; empty: nothing.
  TextRope(double theta, int head_dim, std::span<const int> section, std::span<const float> factors = {});
  int head_dim() const { return static_cast<int>(frequency_.size()) * 2; }
  // cos, sin: [head_dim] of one token at (t, h, w).
  void table(float* cos, float* sin, std::int32_t t, std::int32_t h, std::int32_t w) const;
  // cos, sin: [head_dim] of the rotation that takes what stands rotated for `from` to `to`. Rotations of a
  // frequency add up, whichever axis it follows: keys in a cache move by one more.
  void between(float* cos, float* sin, const Place& from, const Place& to) const;

 private:
  std::vector<float> frequency_;
  std::vector<int> axis_;  // of each frequency: 0 t, 1 h, 2 w
};

}  // namespace tarsier
