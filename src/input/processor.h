// Pictures and frames -> the patches that the vision tower reads, as transformers' Qwen2VLImageProcessor and
// Qwen3VLVideoProcessor make them. Pure functions: same input, same bits.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ggml-like-core/base/big_vector.h"
#include "src/input/image.h"

namespace tarsier {

// For an image: of one image. For a video: over all its sampled frames.
struct PixelLimits {
  std::int64_t min_pixels;
  std::int64_t max_pixels;
};

// What somebody asks for in place of such limits.
struct PixelWish {
  std::optional<std::int64_t> min_pixels, max_pixels;
  bool operator==(const PixelWish&) const = default;
  // The limits with it; one that nobody asked for gives way. Error: at least more than at most.
  PixelLimits over(PixelLimits limits) const;
};

// The fields of preprocessor_config.json and video_preprocessor_config.json (size.shortest_edge,
// size.longest_edge are the limits).
struct ProcessorConfig {
  int patch_size = 16;
  int temporal_patch_size = 2;
  int merge_size = 2;
  std::array<float, 3> mean = {0.5F, 0.5F, 0.5F};
  std::array<float, 3> std = {0.5F, 0.5F, 0.5F};
  bool do_resize = true;
  bool do_rescale = true;
  bool do_normalize = true;
  double rescale_factor = 1.0 / 255;
  PixelLimits image{65536, 16777216};
  PixelLimits video{4096, 25165824};
  double video_fps = 2;  // frames sampled per second of video
  int min_frames = 4;
  int max_frames = 768;
  bool cap_pixels_per_frame =
      false;                   // limit each frame as qwen-vl-utils does; off in transformers unless asked for
  int max_video_tokens = 768;  // a frame's share under that cap
  int threads = 0;             // of ours, not in the files: that prepare a picture; 0: all cores

  // Of a picture, that become one token.
  std::int64_t token_pixels() const {
    const std::int64_t side = std::int64_t{patch_size} * merge_size;
    return side * side;
  }
};

struct Size {
  int height;
  int width;
  bool operator==(const Size&) const = default;
};

// Both sides multiples of factor, the area within the limits, the ratio kept as well as possible.
// Errors as in HF: a side ratio over 200. HF: image_processing_qwen2_vl.py, smart_resize.
Size smart_resize(int height, int width, int factor, PixelLimits limits);

// The same for num_frames frames together. Errors: a side ratio over 200, fewer frames than temporal_factor.
// HF: video_processing_qwen3_vl.py, smart_resize.
Size video_smart_resize(int num_frames, int height, int width, int temporal_factor, int factor,
                        PixelLimits limits);

// The limits of a video of num_frames frames; with cap_pixels_per_frame those of qwen-vl-utils. HF:
// Qwen3VLVideoProcessor.resize.
PixelLimits video_limits(const ProcessorConfig& config, int num_frames);

// In patches.
struct Grid {
  int t = 0;
  int h = 0;
  int w = 0;
  std::int64_t patches() const { return std::int64_t{t} * h * w; }
  bool operator==(const Grid&) const = default;
};

struct Patches {
  core::BigVector<float> values;  // [t*h*w][channel, time, row, column], patches in merge-block order
  Grid grid;
  Size resized{};
  bool still = false;  // a picture, so that all times of a patch are the same
};

// The grid that image_patches and video_patches will give for pictures of this size. Errors as theirs.
Grid image_grid(const ProcessorConfig& config, int height, int width);
Grid video_grid(const ProcessorConfig& config, int num_frames, int height, int width);

// A still picture is one frame used for every temporal position.
Patches image_patches(const ProcessorConfig& config, const Image& image);

// frames: already sampled, of one size. Where their number is no multiple of temporal_patch_size, the last is
// repeated.
Patches video_patches(const ProcessorConfig& config, std::span<const Image> frames);

// The same for frames that come one after another: none of them is kept.
class VideoPatcher {
 public:
  // For num_frames frames; height, width: of the first.
  VideoPatcher(const ProcessorConfig& config, int num_frames, int height, int width);
  int frames() const { return num_frames_; }
  int threads() const { return config_.threads; }
  Grid grid() const { return grid_; }
  Size resized() const { return resized_; }
  std::size_t group_values() const { return group_values_; }  // of one temporal patch
  int group_frames() const { return config_.temporal_patch_size; }
  // Writes frame number k of the clip into its temporal patch, whose group_values() values group holds. A
  // frame of another size than the first is brought to the same.
  void put(const Image& frame, int k, std::span<float> group) const;

 private:
  ProcessorConfig config_;
  int num_frames_;
  Size resized_;
  Grid grid_;
  std::size_t group_values_;
  std::array<std::array<float, 256>, 3> levels_;  // the value of each 8-bit level, by channel
};

}  // namespace tarsier
