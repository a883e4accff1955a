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

template <int kGroup>
ScaleAndMin scale_and_min(const float* x, const RangeSearch& search) {
  float low = x[0];
  float high = x[0];
  for (int i = 1; i < kGroup; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  if (!search.any_min) low = std::min(low, 0.0F);
  const float largest = std::max(high, -low);
  if (largest < kSmallest) return {};
  const float unit = power_of_two(largest);
  const float inverse_unit = 1 / unit;
  low *= inverse_unit;
  high = high * inverse_unit - low;
  if (high <= 0) return {0, low * unit};  // all equal

  // y = x - low >= 0, in units; fitted by scale * q + shift, so that min = low + shift.
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
  const auto top = static_cast<float>(search.max_q);

  float best_gain = -1;  // what the fit explains of sum weight * y^2: the error is that sum minus the gain
  float best_scale = high / top;
  float best_shift = 0;
  for (int candidate = 0; candidate <= search.candidates; ++candidate) {
    // Candidate 0 is the plain range; the others stretch it.
    const float levels =
        candidate == 0 ? top : top + search.first + search.step * static_cast<float>(candidate - 1);
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
    if (low + shift > 0 && !search.any_min) {
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
  const float min = search.any_min ? low + best_shift : std::min(low + best_shift, 0.0F);
  return {best_scale * unit, min * unit};
}

template <int kGroup>
float scale_only(const float* x, int max_q, ErrorWeight error_weight) {
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
    weight[i] = error_weight == ErrorWeight::squared ? y[i] * y[i] : four(1);
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

// The nearest of values to y, by counting the middles below it; exact, since values are small integers.
inline Four nearest_of(Four y, std::span<const std::int8_t, 16> values) {
  Four nearest = four(static_cast<float>(values[0]));
  for (std::size_t j = 0; j + 1 < values.size(); ++j) {
    const auto low = static_cast<float>(values[j]);
    const auto high = static_cast<float>(values[j + 1]);
    nearest += y > four((low + high) / 2) ? four(high - low) : four(0);
  }
  return nearest;
}

}  // namespace

ScaleAndMin search_scale_and_min(std::span<const float> x, const RangeSearch& search) {
  return x.size() == 16 ? scale_and_min<16>(x.data(), search) : scale_and_min<32>(x.data(), search);
}

float search_scale(std::span<const float> x, int max_q, ErrorWeight weight) {
  return x.size() == 16 ? scale_only<16>(x.data(), max_q, weight) : scale_only<32>(x.data(), max_q, weight);
}

float search_scale_of_values(std::span<const float> x, std::span<const std::int8_t, 16> values) {
  constexpr int kGroup = 32;
  float largest = x[0];  // with its sign: it takes the first value
  for (int i = 1; i < kGroup; ++i)
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  if (std::abs(largest) < kSmallest) return 0;
  const float unit = power_of_two(std::abs(largest));
  const float peak = largest / unit;
  constexpr int kFours = kGroup / kLanes;
  Four y[kFours];
  for (int i = 0; i < kFours; ++i) y[i] = load(x.data() + std::ptrdiff_t{kLanes} * i) * four(1 / unit);
  const auto top = static_cast<float>(values[0]);
  const float step = 2 * top / -127;
  float best_gain = -1;
  float best_scale = peak / top;
  for (int candidate = -8; candidate <= 8; ++candidate) {
    const float inverse = (top + step * static_cast<float>(candidate)) / peak;
    Four sum_qq = four(0);
    Four sum_yq = four(0);
    for (int i = 0; i < kFours; ++i) {
      const Four q = nearest_of(y[i] * four(inverse), values);
      const Four wq = y[i] * y[i] * q;
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

int nearest_value(float y, std::span<const std::int8_t, 16> values) {
  int q = 0;
  for (std::size_t j = 0; j + 1 < values.size(); ++j)
    q += 2 * y > static_cast<float>(values[j] + values[j + 1]);
  return q;
}

}  // namespace core
