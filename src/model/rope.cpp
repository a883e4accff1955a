#include "src/model/rope.h"

#include <cmath>

namespace tarsier {

std::vector<float> rope_frequencies(double theta, int dim) {
  std::vector<float> out;
  for (int i = 0; i < dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(dim);
    out.push_back(1.0F / static_cast<float>(std::pow(theta, static_cast<double>(exponent))));
  }
  return out;
}

TextRope::TextRope(double theta, int head_dim, std::span<const int> section, std::span<const float> factors)
    : frequency_(rope_frequencies(theta, head_dim)) {
  for (std::size_t i = 0; i < factors.size() && i < frequency_.size(); ++i) frequency_[i] /= factors[i];
  for (int i = 0; i < head_dim / 2; ++i) {
    const int axis = i % 3;
    axis_.push_back(axis != 0 && static_cast<std::size_t>(axis) < section.size() &&
                            i < 3 * section[static_cast<std::size_t>(axis)]
                        ? axis
                        : 0);
  }
}

void TextRope::table(float* cos, float* sin, std::int32_t t, std::int32_t h, std::int32_t w) const {
  const std::int32_t position[3] = {t, h, w};
  const std::size_t half = frequency_.size();
  for (std::size_t i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position[axis_[i]]) * frequency_[i];
    cos[i] = cos[i + half] = std::cos(angle);
    sin[i] = sin[i + half] = std::sin(angle);
  }
}

void TextRope::between(float* cos, float* sin, const Place& from, const Place& to) const {
  const std::size_t half = frequency_.size();
  for (std::size_t i = 0; i < half; ++i) {
    // The angles as table() rounds them: their difference in double makes good what they have lost.
    const auto angle = [&](const Place& at) {
      return double{static_cast<float>(at[static_cast<std::size_t>(axis_[i])]) * frequency_[i]};
    };
    const double turn = angle(to) - angle(from);
    cos[i] = cos[i + half] = static_cast<float>(std::cos(turn));
    sin[i] = sin[i + half] = static_cast<float>(std::sin(turn));
  }
}

}  // namespace tarsier
