// The resizing rules and the patch layout, in the order of transformers' image_processing_qwen2_vl.py and
// video_processing_qwen3_vl.py. Divisions are Python's: of exact integers, in double, rounded half to even.
#include "src/input/processor.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

#include "ggml-like-core/base/error.h"
#include "src/input/resize.h"

namespace tarsier {
namespace {

constexpr std::int64_t kMostAlongOneAxis = 1'000'000;  // frames, rows, columns: products of three fit int64
constexpr std::int64_t kMostPixels = std::int64_t{1} << 30;  // of all resized frames: patches of 24 GiB
constexpr double kMostRatio = 200;

struct Sides {
  std::int64_t height;
  std::int64_t width;
};

void check_limits(PixelLimits limits) {
  core::require(limits.min_pixels > 0 && limits.max_pixels > 0, "picture: pixel limits are ",
                limits.min_pixels, " and ", limits.max_pixels, ", expected positive numbers");
}

void check_axis(std::int64_t n, const char* what) {
  core::require(n >= 1 && n <= kMostAlongOneAxis, "picture: ", n, " ", what, ", expected 1 to ",
                kMostAlongOneAxis);
}

void check_ratio(Sides s) {
  const double ratio =
      static_cast<double>(std::max(s.height, s.width)) / static_cast<double>(std::min(s.height, s.width));
  core::require(ratio <= kMostRatio, "picture: ", s.height, " x ", s.width, " has a side ratio of ", ratio,
                ", expected at most ", kMostRatio);
}

// The nearest multiple of factor; a half goes to the even one.
std::int64_t round_to(std::int64_t n, int factor) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(n) / factor)) * factor;
}

// rounded_frames only decides whether a limit is broken; the scale comes from num_frames.
Size fit_limits(std::int64_t num_frames, std::int64_t rounded_frames, Sides s, int factor,
                PixelLimits limits) {
  core::require(factor >= 1 && factor <= 4096, "picture: sides in multiples of ", factor,
                ", expected 1 to 4096");
  check_ratio(s);
  Sides bar{round_to(s.height, factor), round_to(s.width, factor)};
  const auto height = static_cast<double>(s.height);
  const auto width = static_cast<double>(s.width);
  const auto pixels = static_cast<double>(num_frames * s.height * s.width);
  const std::int64_t rounded_pixels = rounded_frames * bar.height * bar.width;
  if (rounded_pixels > limits.max_pixels) {
    const double beta = std::sqrt(pixels / static_cast<double>(limits.max_pixels));
    const auto shrink = [&](double side) {
      return std::max<std::int64_t>(factor,
                                    static_cast<std::int64_t>(std::floor(side / beta / factor)) * factor);
    };
    bar = {shrink(height), shrink(width)};
  } else if (rounded_pixels < limits.min_pixels) {
    const double beta = std::sqrt(static_cast<double>(limits.min_pixels) / pixels);
    const auto grow = [&](double side) {
      const double multiple = std::ceil(side * beta / factor);
      core::require(multiple * factor <= static_cast<double>(kMostPixels), "picture: min_pixels ",
                    limits.min_pixels, " asks for a side of more than ", kMostPixels);
      return static_cast<std::int64_t>(multiple) * factor;
    };
    bar = {grow(height), grow(width)};
  }
  return {static_cast<int>(bar.height), static_cast<int>(bar.width)};
}

void check_config(const ProcessorConfig& c) {
  core::require(c.patch_size >= 1 && c.patch_size <= 256 && c.merge_size >= 1 && c.merge_size <= 16 &&
                    c.temporal_patch_size >= 1 && c.temporal_patch_size <= 16,
                "picture: patch size ", c.patch_size, ", merge size ", c.merge_size, ", temporal patch size ",
                c.temporal_patch_size, ", expected 1 to 256, 1 to 16 and 1 to 16");
}

// The grid of num_frames frames already resized.
Grid grid_of(const ProcessorConfig& c, std::int64_t num_frames, Size size) {
  const int block = c.patch_size * c.merge_size;
  core::require(size.height > 0 && size.width > 0 && size.height % block == 0 && size.width % block == 0,
                "picture: ", size.height, " x ", size.width, " after resizing, expected multiples of ",
                block);
  const std::int64_t t = (num_frames + c.temporal_patch_size - 1) / c.temporal_patch_size;
  core::require(std::int64_t{size.height} * size.width <= kMostPixels / (t * c.temporal_patch_size),
                "picture: ", num_frames, " frames of ", size.height, " x ", size.width, ", expected at most ",
                kMostPixels, " pixels together");
  return {static_cast<int>(t), size.height / c.patch_size, size.width / c.patch_size};
}

Size image_size(const ProcessorConfig& c, int height, int width) {
  if (!c.do_resize) return {height, width};
  return smart_resize(height, width, c.patch_size * c.merge_size, c.image);
}

Size video_size(const ProcessorConfig& c, int num_frames, int height, int width) {
  if (!c.do_resize) return {height, width};
  return video_smart_resize(num_frames, height, width, c.temporal_patch_size, c.patch_size * c.merge_size,
                            video_limits(c, num_frames));
}

using Levels = std::array<std::array<float, 256>, 3>;  // the value of each 8-bit level, by channel

// Rescaling is fused into mean and std, all in f32. HF: TorchvisionBackend.rescale_and_normalize.
Levels level_values(const ProcessorConfig& c) {
  Levels out{};
  const auto inverse = static_cast<float>(1.0 / c.rescale_factor);
  const auto factor = static_cast<float>(c.rescale_factor);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const float mean = c.do_rescale ? c.mean[channel] * inverse : c.mean[channel];
    const float std = c.do_rescale ? c.std[channel] * inverse : c.std[channel];
    core::require(!c.do_normalize || std != 0, "picture: the processor divides by a standard deviation of 0");
    for (std::size_t level = 0; level < 256; ++level) {
      const auto x = static_cast<float>(level);
      out[channel][level] = c.do_normalize ? (x - mean) / std : c.do_rescale ? x * factor : x;
    }
  }
  return out;
}

// Rows [first_row, first_row + patch_size) of a frame, pixels: [patch_size][width][3], into the temporal
// positions [first_time, end_time) of their patches: the grid.h * grid.w patches of one temporal patch.
void put_rows(float* patches, const ProcessorConfig& c, const Levels& levels, const std::uint8_t* pixels,
              std::size_t width, std::size_t first_row, std::size_t first_time, std::size_t end_time) {
  const std::size_t patch = static_cast<std::size_t>(c.patch_size);
  const std::size_t merge = static_cast<std::size_t>(c.merge_size);
  const std::size_t plane = patch * patch;
  const std::size_t channel_values = static_cast<std::size_t>(c.temporal_patch_size) * plane;
  const std::size_t grid_w = width / patch;
  const std::size_t patch_row = first_row / patch;
  for (std::size_t column = 0; column < grid_w; ++column) {
    const std::size_t block = (patch_row / merge) * (grid_w / merge) + column / merge;
    const std::size_t index = (block * merge + patch_row % merge) * merge + column % merge;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      float* values = patches + index * 3 * channel_values + channel * channel_values;
      float* to = values + first_time * plane;
      const std::array<float, 256>& level = levels[channel];
      for (std::size_t y = 0; y < patch; ++y) {
        const std::uint8_t* pixel = pixels + (y * width + column * patch) * 3 + channel;
        for (std::size_t x = 0; x < patch; ++x) to[y * patch + x] = level[pixel[3 * x]];
      }
      for (std::size_t time = first_time + 1; time < end_time; ++time)
        std::copy_n(to, plane, values + time * plane);
    }
  }
}

// One frame, resized on the way, into some temporal positions.
void put_frame(float* patches, const ProcessorConfig& c, const Levels& levels, const Image& frame, Size size,
               int first_time, int end_time) {
  core::ThreadTeam team = picture_team(frame, c.threads);
  const bool same = size == Size{frame.height, frame.width};
  std::optional<Resizer> resizer;
  if (!same) resizer.emplace(frame, size.height, size.width, team);
  const auto width = static_cast<std::size_t>(size.width);
  const std::size_t band_values = static_cast<std::size_t>(c.patch_size) * width * 3;
  team.run([&](core::Worker& worker) {
    std::vector<std::uint8_t> band(same ? 0 : band_values);
    worker.chunks(size.height / c.patch_size, 1, [&](std::int64_t begin, std::int64_t) {
      const int first = static_cast<int>(begin) * c.patch_size;
      if (!same) resizer->rows(first, first + c.patch_size, band.data());
      put_rows(patches, c, levels,
               same ? frame.rgb.data() + static_cast<std::size_t>(begin) * band_values : band.data(), width,
               static_cast<std::size_t>(first), static_cast<std::size_t>(first_time),
               static_cast<std::size_t>(end_time));
    });
  });
}

void check_image(const Image& image) {
  check_axis(image.height, "rows");
  check_axis(image.width, "columns");
  core::require(
      image.rgb.size() == static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width) * 3,
      "picture: ", image.height, " x ", image.width, " with ", image.rgb.size(), " bytes");
}

Patches empty_patches(const ProcessorConfig& c, Grid grid, Size resized) {
  const std::int64_t patch_values = std::int64_t{3} * c.temporal_patch_size * c.patch_size * c.patch_size;
  return {core::BigVector<float>(static_cast<std::size_t>(grid.patches() * patch_values)), grid, resized,
          false};
}

}  // namespace

PixelLimits PixelWish::over(PixelLimits limits) const {
  PixelLimits out{min_pixels.value_or(limits.min_pixels), max_pixels.value_or(limits.max_pixels)};
  core::require(!min_pixels || !max_pixels || *min_pixels <= *max_pixels,
                "pixels of a picture: found at least ", out.min_pixels, " and at most ", out.max_pixels);
  if (!min_pixels) out.min_pixels = std::min(out.min_pixels, out.max_pixels);
  if (!max_pixels) out.max_pixels = std::max(out.min_pixels, out.max_pixels);
  return out;
}

Size smart_resize(int height, int width, int factor, PixelLimits limits) {
  check_axis(height, "rows");
  check_axis(width, "columns");
  check_limits(limits);
  return fit_limits(1, 1, {height, width}, factor, limits);
}

Size video_smart_resize(int num_frames, int height, int width, int temporal_factor, int factor,
                        PixelLimits limits) {
  check_axis(num_frames, "frames");
  check_axis(height, "rows");
  check_axis(width, "columns");
  check_limits(limits);
  core::require(num_frames >= temporal_factor, "video: ", num_frames, " frames, expected at least ",
                temporal_factor);
  Sides s{height, width};
  if (height < factor || width < factor) {
    const double scale = std::max(static_cast<double>(factor) / height, static_cast<double>(factor) / width);
    s = {static_cast<std::int64_t>(height * scale), static_cast<std::int64_t>(width * scale)};
  }
  return fit_limits(num_frames, round_to(num_frames, temporal_factor), s, factor, limits);
}

PixelLimits video_limits(const ProcessorConfig& config, int num_frames) {
  if (!config.cap_pixels_per_frame) return config.video;
  check_axis(num_frames, "frames");
  check_limits(config.video);
  const std::int64_t factor = std::int64_t{config.patch_size} * config.merge_size;
  const std::int64_t frame_cap = config.max_video_tokens * factor * factor;
  const auto floor = static_cast<std::int64_t>(static_cast<double>(config.video.min_pixels) * 1.05);
  const std::int64_t per_frame = std::max(std::min(frame_cap, config.video.max_pixels / num_frames), floor);
  core::require(per_frame <= kMostPixels, "video: ", per_frame, " pixels a frame, expected at most ",
                kMostPixels);
  return {config.video.min_pixels, per_frame * num_frames};
}

Grid image_grid(const ProcessorConfig& config, int height, int width) {
  check_config(config);
  return grid_of(config, 1, image_size(config, height, width));
}

Grid video_grid(const ProcessorConfig& config, int num_frames, int height, int width) {
  check_config(config);
  check_axis(num_frames, "frames");
  return grid_of(config, num_frames, video_size(config, num_frames, height, width));
}

Patches image_patches(const ProcessorConfig& config, const Image& image) {
  check_config(config);
  check_image(image);
  const Size size = image_size(config, image.height, image.width);
  Patches out = empty_patches(config, grid_of(config, 1, size), size);
  out.still = true;
  const Levels levels = level_values(config);
  put_frame(out.values.data(), config, levels, image, size, 0, config.temporal_patch_size);
  return out;
}

Patches video_patches(const ProcessorConfig& config, std::span<const Image> frames) {
  check_config(config);
  core::require(!frames.empty(), "video: no frames");
  core::require(frames.size() <= static_cast<std::size_t>(kMostAlongOneAxis), "video: ", frames.size(),
                " frames");
  const auto num_frames = static_cast<int>(frames.size());
  for (const Image& frame : frames) {
    check_image(frame);
    core::require(frame.height == frames[0].height && frame.width == frames[0].width, "video: a frame of ",
                  frame.height, " x ", frame.width, " after one of ", frames[0].height, " x ",
                  frames[0].width);
  }
  const VideoPatcher patcher(config, num_frames, frames[0].height, frames[0].width);
  Patches out = empty_patches(config, patcher.grid(), patcher.resized());
  for (int k = 0; k < num_frames; ++k)
    patcher.put(
        frames[static_cast<std::size_t>(k)], k,
        std::span(out.values)
            .subspan(static_cast<std::size_t>(k / config.temporal_patch_size) * patcher.group_values(),
                     patcher.group_values()));
  return out;
}

VideoPatcher::VideoPatcher(const ProcessorConfig& config, int num_frames, int height, int width)
    : config_(config),
      num_frames_(num_frames),
      resized_((check_config(config), check_axis(num_frames, "frames"), check_axis(height, "rows"),
                check_axis(width, "columns"), video_size(config, num_frames, height, width))),
      grid_(grid_of(config, num_frames, resized_)),
      group_values_(std::size_t{3} * static_cast<std::size_t>(config.temporal_patch_size) *
                    static_cast<std::size_t>(resized_.height) * static_cast<std::size_t>(resized_.width)),
      levels_(level_values(config)) {}

void VideoPatcher::put(const Image& frame, int k, std::span<float> group) const {
  check_image(frame);
  core::bug_if(k < 0 || k >= num_frames_ || group.size() != group_values_,
               "a frame that has no place in its clip");
  const int first = k % config_.temporal_patch_size;
  // The last frame fills its temporal patch.
  const int end = k == num_frames_ - 1 ? config_.temporal_patch_size : first + 1;
  put_frame(group.data(), config_, levels_, frame, resized_, first, end);
}

}  // namespace tarsier
