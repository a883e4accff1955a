// Least-squares search for the scale (and minimum) of one group of weights.
#include "ggml-like-core/quant/scale_search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace core {
namespace {

// Four floats that every compiler adds and multiplies at once, in this order on every machine.
using Four = float __attribute__((vector_size(16)));
constexpr int kLanes = 4;

inline Four four(float x) { return Four{x, x, x, x}; }
inline Four load(const float* p) { return Four{p[0], p[1], p[2], p[3]}; }
inline Four min(Four a, Four b) { return a < b ? a : b; }
inline Four max(Four a, Four b) { return a > b ? a : b; }
// Nearest even of |x| < 2^22: 1.5 * 2^23 pushes the fraction out of the mantissa.
inline Four round_even(Four x) { return (x + four(12582912.0F)) - four(12582912.0F); }

float total(Four x) { return (x[0] + x[2]) + (x[1] + x[3]); }

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
  constexpr int kFours = kGroup / kLanes;
  Four y[kFours];
  Four weight[kFours];
  Four squares = four(0);
  for (int i = 0; i < kFours; ++i) {
    const Four v = load(x + std::ptrdiff_t{kLanes} * i) * four(inverse_unit);
    y[i] = v - four(low);
    weight[i] = max(v, -v);
    squares += v * v;
  }
  const Four base = four(std::sqrt(total(squares) / kGroup));
  Four sum_w = four(0);
  Four sum_y = four(0);
  for (int i = 0; i < kFours; ++i) {
    weight[i] += base;
    sum_w += weight[i];
    sum_y += weight[i] * y[i];
  }
  const float sw = total(sum_w);
  const float sy = total(sum_y);
  const auto top = static_cast<float>(max_q);

  float best_gain = -1;  // what the fit explains of sum weight * y^2: the error is that sum minus the gain
  float best_scale = high / top;
  float best_shift = 0;
  for (int candidate = 0; candidate <= candidates; ++candidate) {
    // Candidate 0 is the plain range; the others stretch it.
    const float levels = candidate == 0 ? top : top + first + step * static_cast<float>(candidate - 1);
    const float inverse = levels / high;
    Four sum_q = four(0);
    Four sum_qq = four(0);
    Four sum_yq = four(0);
    for (int i = 0; i < kFours; ++i) {
      const Four q = round_even(min(y[i] * four(inverse), four(top)));
      const Four wq = weight[i] * q;
      sum_q += wq;
      sum_qq += wq * q;
      sum_yq += wq * y[i];
    }
    const float sq = total(sum_q);
    const float sqq = total(sum_qq);
    const float syq = total(sum_yq);
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
  constexpr int kFours = kGroup / kLanes;
  Four y[kFours];
  Four weight[kFours];
  for (int i = 0; i < kFours; ++i) {
    y[i] = load(x + std::ptrdiff_t{kLanes} * i) * four(inverse_unit);
    weight[i] = y[i] * y[i];
  }
  const float peak = largest * inverse_unit;
  const auto top = static_cast<float>(max_q);
  float best_gain = -1;
  float best_scale = -peak / top;
  for (int candidate = -9; candidate <= 9; ++candidate) {
    const float inverse = -(top + 0.1F * static_cast<float>(candidate)) / peak;
    Four sum_qq = four(0);
    Four sum_yq = four(0);
    for (int i = 0; i < kFours; ++i) {
      const Four q = round_even(max(min(y[i] * four(inverse), four(top - 1)), four(-top)));
      const Four wq = weight[i] * q;
      sum_yq += wq * y[i];
      sum_qq += wq * q;
    }
    const float syq = total(sum_yq);
    const float sqq = total(sum_qq);
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
