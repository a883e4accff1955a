// Least-squares search for the scale (and minimum) of one group of weights. Used by the quantizers of
// reference.cpp.
//
// Sums run in parallel lanes and are joined in a fixed order, so that every build gives the same bits.
#pragma once

#include <cstdint>
#include <span>

namespace core {

// weight = scale * q + min.
struct ScaleAndMin {
  float scale = 0, min = 0;
};

// How to look for a scale and a minimum: q in [0, max_q]; besides the plain range, candidates ranges of
// max_q + first, max_q + first + step, ... steps.
struct RangeSearch {
  int max_q, candidates;
  float first, step;
  bool any_min = false;  // otherwise min <= 0: formats that store its magnitude
};

// For x of 16 or 32 weights. Errors count by sqrt(mean x^2) + |x|.
ScaleAndMin search_scale_and_min(std::span<const float> x, const RangeSearch& search);

// What an error of a weight x counts: the same for all, or x^2.
enum class ErrorWeight : std::uint8_t { same, squared };

// weight = scale * q, q in [-max_q, max_q - 1], for x of 16 or 32 weights. The scale may be negative.
float search_scale(std::span<const float> x, int max_q, ErrorWeight weight = ErrorWeight::squared);

// weight = scale * values[q], for x of 32 weights; values grow, and the first is the largest in magnitude.
// Errors count by x^2. The scale may be negative.
float search_scale_of_values(std::span<const float> x, std::span<const std::int8_t, 16> values);

// The q whose values[q] is nearest to y.
int nearest_value(float y, std::span<const std::int8_t, 16> values);

}  // namespace core
