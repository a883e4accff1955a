// The bicubic resampler. Both passes are one loop over rows: for the horizontal one the picture is
// transposed, so that the inner loop always runs over neighbouring bytes with one weight.
#include "src/input/resize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

constexpr double kCubic = -0.5;    // the cubic's parameter
constexpr double kSupport = 2;     // its half width, in source pixels where the picture grows
constexpr int kMaxPrecision = 22;  // 255 * 2^22 and the negative lobes stay within int32
constexpr int kChunk = 2048;       // sums kept at once: 8 KiB of the first cache

double cubic(double x) {
  x = std::abs(x);
  if (x < 1) return ((kCubic + 2) * x - (kCubic + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * kCubic : 0;
}

// x + 1/2 cut toward zero, as torch does; lround would differ below zero.
int cut(double x) { return static_cast<int>(std::trunc(x + 0.5)); }

// Each output is the sum over j of source[first + j] * weights[begin + j], j < count, shifted right by
// Weights::precision.
struct Taps {
  int first;
  int count;
  std::size_t begin;
};
struct Weights {
  std::vector<Taps> taps;
  std::vector<std::int16_t> weights;
  int precision = 0;
};

Weights resize_weights(int size_in, int size_out) {
  const double scale = static_cast<double>(size_in) / size_out;
  const double stretch = std::max(scale, 1.0);
  const double support = kSupport * stretch;
  const double inverse = 1 / stretch;
  Weights out;
  std::vector<double> exact;
  double largest = 0;
  for (int k = 0; k < size_out; ++k) {
    const double centre = scale * (k + 0.5);
    const int first = std::max(cut(centre - support), 0);
    const int end = std::min(cut(centre + support), size_in);
    out.taps.push_back({first, end - first, exact.size()});
    double sum = 0;
    for (int j = first; j < end; ++j) {
      exact.push_back(cubic((j - centre + 0.5) * inverse));
      sum += exact.back();
    }
    for (std::size_t j = out.taps.back().begin; j < exact.size(); ++j) {
      exact[j] /= sum;
      largest = std::max(largest, exact[j]);
    }
  }
  while (out.precision < kMaxPrecision && cut(largest * (1 << (out.precision + 1))) < (1 << 15)) {
    ++out.precision;
  }
  out.weights.reserve(exact.size());
  for (const double w : exact) {
    out.weights.push_back(static_cast<std::int16_t>((w < 0 ? -0.5 : 0.5) + w * (1 << out.precision)));
  }
  return out;
}

// out: [rows_out][row_bytes] from in: [rows_in][row_bytes].
std::vector<std::uint8_t> resize_rows(const std::vector<std::uint8_t>& in, std::size_t row_bytes, int rows_in,
                                      int rows_out) {
  const Weights table = resize_weights(rows_in, rows_out);
  std::vector<std::uint8_t> out(row_bytes * static_cast<std::size_t>(rows_out));
  std::int32_t sums[kChunk];
  for (int k = 0; k < rows_out; ++k) {
    const Taps taps = table.taps[static_cast<std::size_t>(k)];
    const std::int16_t* weights = table.weights.data() + taps.begin;
    for (std::size_t start = 0; start < row_bytes; start += kChunk) {
      const std::size_t n = std::min<std::size_t>(kChunk, row_bytes - start);
      std::fill_n(sums, n, 1 << (table.precision - 1));
      for (int j = 0; j < taps.count; ++j) {
        const std::int16_t weight = weights[j];
        const std::uint8_t* source = in.data() + static_cast<std::size_t>(taps.first + j) * row_bytes + start;
        for (std::size_t i = 0; i < n; ++i) sums[i] += weight * static_cast<std::int16_t>(source[i]);
      }
      std::uint8_t* target = out.data() + static_cast<std::size_t>(k) * row_bytes + start;
      for (std::size_t i = 0; i < n; ++i) {
        target[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> table.precision, 0, 255));
      }
    }
  }
  return out;
}

// [height][width] pixels -> [width][height], in tiles that stay in the cache.
std::vector<std::uint8_t> transposed(const std::vector<std::uint8_t>& in, int height, int width) {
  constexpr int kTile = 32;
  std::vector<std::uint8_t> out(in.size());
  const auto h = static_cast<std::size_t>(height);
  const auto w = static_cast<std::size_t>(width);
  for (std::size_t y0 = 0; y0 < h; y0 += kTile) {
    for (std::size_t x0 = 0; x0 < w; x0 += kTile) {
      for (std::size_t y = y0; y < std::min(y0 + kTile, h); ++y) {
        for (std::size_t x = x0; x < std::min(x0 + kTile, w); ++x) {
          for (std::size_t c = 0; c < 3; ++c) out[(x * h + y) * 3 + c] = in[(y * w + x) * 3 + c];
        }
      }
    }
  }
  return out;
}

}  // namespace

Image resize_bicubic(const Image& image, int height, int width) {
  core::require(image.width > 0 && image.height > 0, "resize: the picture is empty");
  core::require(height > 0 && width > 0, "resize: to ", height, " x ", width, ", expected at least 1 x 1");
  Image out = image;
  if (width != out.width) {
    const std::size_t column_bytes = static_cast<std::size_t>(out.height) * 3;
    out.rgb = resize_rows(transposed(out.rgb, out.height, out.width), column_bytes, out.width, width);
    out.rgb = transposed(out.rgb, width, out.height);
    out.width = width;
  }
  if (height != out.height) {
    out.rgb = resize_rows(out.rgb, static_cast<std::size_t>(width) * 3, out.height, height);
    out.height = height;
  }
  return out;
}

}  // namespace tarsier
