// Least-squares search for the scale (and minimum) of one group of weights. Used by the quantizers of
// reference.cpp.
//
// Sums run in parallel lanes and are joined in a fixed order, so that every build gives the same bits.
#pragma once

#include <cstdint>

namespace core {

// weight = scale * q + min.
struct ScaleAndMin {
  float scale = 0, min = 0;
};

// q in [0, max_q], min <= 0, for x[32]. Errors count by sqrt(mean x^2) + |x|.
ScaleAndMin search_scale_and_min(const float* x, int max_q, int candidates, float first, float step);

// weight = scale * q, q in [-max_q, max_q - 1], for x[16]. Errors count by x^2. The scale may be negative.
float search_scale(const float* x, int max_q);

}  // namespace core
