// The bicubic resampler. Both passes are one loop over rows: for the horizontal one some rows at a time are
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

ResizeWeights resize_weights(int size_in, int size_out) {
  const double scale = static_cast<double>(size_in) / size_out;
  const double stretch = std::max(scale, 1.0);
  const double support = kSupport * stretch;
  const double inverse = 1 / stretch;
  ResizeWeights out;
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

// sums[i] += over j < kTaps: weights[j] * in[j * stride + i].
template <int kTaps>
void add_taps(std::int32_t* __restrict sums, const std::uint8_t* __restrict in, std::size_t stride,
              std::size_t n, const std::int16_t* weights) {
  for (std::size_t i = 0; i < n; ++i) {
    std::int32_t sum = sums[i];
    for (int j = 0; j < kTaps; ++j)
      sum += weights[j] * static_cast<std::int16_t>(in[static_cast<std::size_t>(j) * stride + i]);
    sums[i] = sum;
  }
}

// One output row of n values from the rows at in, stride values apart.
void weigh_rows(std::uint8_t* __restrict out, const std::uint8_t* in, std::size_t stride, std::size_t n,
                const ResizeWeights& table, const ResizeWeights::Taps& taps) {
  std::int32_t sums[kChunk];
  for (std::size_t start = 0; start < n; start += kChunk) {
    const std::size_t m = std::min<std::size_t>(kChunk, n - start);
    std::fill_n(sums, m, 1 << (table.precision - 1));
    const std::int16_t* weights = table.weights.data() + taps.begin;
    const std::uint8_t* source = in + static_cast<std::size_t>(taps.first) * stride + start;
    int left = taps.count;
    for (; left >= 4; left -= 4, weights += 4, source += 4 * stride)
      add_taps<4>(sums, source, stride, m, weights);
    if (left == 3) add_taps<3>(sums, source, stride, m, weights);
    if (left == 2) add_taps<2>(sums, source, stride, m, weights);
    if (left == 1) add_taps<1>(sums, source, stride, m, weights);
    std::uint8_t* target = out + start;
    for (std::size_t i = 0; i < m; ++i)
      target[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> table.precision, 0, 255));
  }
}

// [rows][columns] pixels -> [columns][rows].
void transpose(std::uint8_t* __restrict out, const std::uint8_t* __restrict in, std::size_t rows,
               std::size_t columns) {
  for (std::size_t x = 0; x < columns; ++x) {
    for (std::size_t y = 0; y < rows; ++y) {
      for (std::size_t c = 0; c < 3; ++c) out[(x * rows + y) * 3 + c] = in[(y * columns + x) * 3 + c];
    }
  }
}

}  // namespace

Resizer::Resizer(const Image& image, int height, int width, core::ThreadTeam& team)
    : source_(image.rgb.data()), row_bytes_(static_cast<std::size_t>(width) * 3) {
  core::require(image.width > 0 && image.height > 0, "resize: the picture is empty");
  core::require(height > 0 && width > 0, "resize: to ", height, " x ", width, ", expected at least 1 x 1");
  if (height != image.height) vertical_ = resize_weights(image.height, height);
  if (width == image.width) return;
  constexpr std::int64_t kBandRows = 16;  // transposed together: they stay in the second cache
  const ResizeWeights table = resize_weights(image.width, width);
  const auto columns_in = static_cast<std::size_t>(image.width);
  const auto columns_out = static_cast<std::size_t>(width);
  narrowed_.resize(static_cast<std::size_t>(image.height) * row_bytes_);
  team.run([&](core::Worker& worker) {
    std::vector<std::uint8_t> wide(kBandRows * columns_in * 3);
    std::vector<std::uint8_t> narrow(kBandRows * columns_out * 3);
    worker.chunks(image.height, kBandRows, [&](std::int64_t begin, std::int64_t end) {
      const auto n = static_cast<std::size_t>(end - begin);
      const auto first = static_cast<std::size_t>(begin);
      transpose(wide.data(), source_ + first * columns_in * 3, n, columns_in);
      for (std::size_t x = 0; x < columns_out; ++x)
        weigh_rows(narrow.data() + x * n * 3, wide.data(), n * 3, n * 3, table, table.taps[x]);
      transpose(narrowed_.data() + first * row_bytes_, narrow.data(), columns_out, n);
    });
  });
  source_ = narrowed_.data();
}

void Resizer::rows(int begin, int end, std::uint8_t* out) const {
  for (int k = begin; k < end; ++k, out += row_bytes_) {
    if (vertical_.taps.empty())
      std::copy_n(source_ + static_cast<std::size_t>(k) * row_bytes_, row_bytes_, out);
    else
      weigh_rows(out, source_, row_bytes_, row_bytes_, vertical_,
                 vertical_.taps[static_cast<std::size_t>(k)]);
  }
}

core::ThreadTeam picture_team(const Image& image, int threads) {
  constexpr std::size_t kLittle = std::size_t{256} * 256 * 3;
  return core::ThreadTeam(image.rgb.size() < kLittle ? 1 : threads);
}

Image resize_bicubic(const Image& image, int height, int width) {
  core::ThreadTeam team = picture_team(image);
  const Resizer resizer(image, height, width, team);
  Image out{width, height, {}};
  const std::size_t row_bytes = static_cast<std::size_t>(width) * 3;
  out.rgb.resize(static_cast<std::size_t>(height) * row_bytes);
  team.run([&](core::Worker& worker) {
    worker.chunks(height, 16, [&](std::int64_t begin, std::int64_t end) {
      resizer.rows(static_cast<int>(begin), static_cast<int>(end),
                   out.rgb.data() + static_cast<std::size_t>(begin) * row_bytes);
    });
  });
  return out;
}

std::uint64_t resize_bytes(int from_height, int from_width, int width) {
  const auto bytes = [](std::int64_t h, std::int64_t w) { return static_cast<std::uint64_t>(3 * h * w); };
  const std::uint64_t narrowed = from_width == width ? 0 : bytes(from_height, width);
  return bytes(from_height, from_width) + narrowed;
}

}  // namespace tarsier
