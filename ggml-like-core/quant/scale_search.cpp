// Least-squares search for the scale (and minimum) of one group of weights.
#include "ggml-like-core/quant/scale_search.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace core {
namespace {

constexpr int kLanes = 8;

// Nearest even of |x| < 2^22: 1.5 * 2^23 pushes the fraction out of the mantissa.
inline float round_even(float x) { return (x + 12582912.0F) - 12582912.0F; }

// One running sum in kLanes lanes.
struct Sum {
  float lane[kLanes] = {};
  float total() const {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  }
};

// The power of two just below or at m, between 2^-40 and 2^127; nothing smaller survives an f16 scale.
// Dividing by it keeps squares and cubes of a group finite, whatever the group's size.
float power_of_two(float m) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(m) & 0x7f800000U); }
constexpr float kSmallest = 0x1p-40F;

}  // namespace

ScaleAndMin search_scale_and_min(const float* x, int max_q, int candidates, float first, float step) {
  constexpr int kGroup = 32;
  float low = x[0];
  float high = x[0];
  for (int i = 1; i < kGroup; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  low = std::min(low, 0.0F);
  const float largest = std::max(high, -low);
  if (largest < kSmallest) return {};
  const float unit = power_of_two(largest);
  const float inverse_unit = 1 / unit;
  low *= inverse_unit;
  high = high * inverse_unit - low;
  if (high <= 0) return {0, low * unit};  // all equal and negative

  // y = x - low >= 0, in units; fitted by scale * q + shift, so that min = low + shift <= 0.
  float y[kGroup];
  float weight[kGroup];
  Sum squares;
  for (int i = 0; i < kGroup; i += kLanes)
    for (int l = 0; l < kLanes; ++l) {
      const float v = x[i + l] * inverse_unit;
      y[i + l] = v - low;
      weight[i + l] = std::abs(v);
      squares.lane[l] += v * v;
    }
  const float base = std::sqrt(squares.total() / kGroup);
  Sum sum_w, sum_y;
  for (int i = 0; i < kGroup; i += kLanes)
    for (int l = 0; l < kLanes; ++l) {
      weight[i + l] += base;
      sum_w.lane[l] += weight[i + l];
      sum_y.lane[l] += weight[i + l] * y[i + l];
    }
  const float sw = sum_w.total();
  const float sy = sum_y.total();
  const auto top = static_cast<float>(max_q);

  float best_gain = -1;  // what the fit explains of sum weight * y^2: the error is that sum minus the gain
  float best_scale = high / top;
  float best_shift = 0;
  for (int candidate = 0; candidate <= candidates; ++candidate) {
    // Candidate 0 is the plain range; the others stretch it.
    const float levels = candidate == 0 ? top : top + first + step * static_cast<float>(candidate - 1);
    const float inverse = levels / high;
    Sum sum_q, sum_qq, sum_yq;
    for (int i = 0; i < kGroup; i += kLanes)
      for (int l = 0; l < kLanes; ++l) {
        const float q = round_even(std::min(y[i + l] * inverse, top));
        const float wq = weight[i + l] * q;
        sum_q.lane[l] += wq;
        sum_qq.lane[l] += wq * q;
        sum_yq.lane[l] += wq * y[i + l];
      }
    const float sq = sum_q.total();
    const float sqq = sum_qq.total();
    const float syq = sum_yq.total();
    const float determinant = sw * sqq - sq * sq;
    if (!(determinant > 0)) continue;
    float scale = (sw * syq - sy * sq) / determinant;
    float shift = (sqq * sy - sq * syq) / determinant;
    if (low + shift > 0) {  // the minimum is stored as a magnitude to subtract: it cannot be positive
      shift = -low;
      scale = (syq - shift * sq) / sqq;
    }
    const float gain =
        2 * (scale * syq + shift * sy - scale * shift * sq) - scale * scale * sqq - shift * shift * sw;
    if (gain > best_gain) {
      best_gain = gain;
      best_scale = scale;
      best_shift = shift;
    }
  }
  return {best_scale * unit, std::min(low + best_shift, 0.0F) * unit};
}

float search_scale(const float* x, int max_q) {
  constexpr int kGroup = 16;
  float largest = x[0];  // with its sign: it takes the code -max_q, of which there is one more
  for (int i = 1; i < kGroup; ++i)
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  if (std::abs(largest) < kSmallest) return 0;
  const float unit = power_of_two(std::abs(largest));
  const float inverse_unit = 1 / unit;
  float y[kGroup];
  float weight[kGroup];
  for (int i = 0; i < kGroup; ++i) {
    y[i] = x[i] * inverse_unit;
    weight[i] = y[i] * y[i];
  }
  const float peak = largest * inverse_unit;
  const auto top = static_cast<float>(max_q);
  float best_gain = -1;
  float best_scale = -peak / top;
  for (int candidate = -9; candidate <= 9; ++candidate) {
    const float inverse = -(top + 0.1F * static_cast<float>(candidate)) / peak;
    Sum sum_yq, sum_qq;
    for (int i = 0; i < kGroup; i += kLanes)
      for (int l = 0; l < kLanes; ++l) {
        const float q = round_even(std::max(std::min(y[i + l] * inverse, top - 1), -top));
        const float wq = weight[i + l] * q;
        sum_yq.lane[l] += wq * y[i + l];
        sum_qq.lane[l] += wq * q;
      }
    const float syq = sum_yq.total();
    const float sqq = sum_qq.total();
    if (!(sqq > 0)) continue;
    const float scale = syq / sqq;
    const float gain = scale * syq;
    if (gain > best_gain) {
      best_gain = gain;
      best_scale = scale;
    }
  }
  return best_scale * unit;
}

}  // namespace core
