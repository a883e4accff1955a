// Which frames of a video are looked at, and the time stamp text that stands before each group of them in the
// prompt. HF: Qwen3VLVideoProcessor.sample_frames and Qwen3VLProcessor._calculate_timestamps.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tarsier {

constexpr double kAssumedVideoFps = 24;  // where a video does not say

struct FrameSampling {
  double fps = 2;  // frames per second of video to take
  // Or this many, whatever the duration; then min_frames and max_frames do not apply.
  std::optional<int> num_frames = std::nullopt;
  int min_frames = 4;
  int max_frames = 768;
};

// Indices of the sampled frames, ascending, evenly spread, the first and the last always among them (unless
// one frame is taken). total_frames: of the source, at least 1. video_fps: of the source; nothing means
// kAssumedVideoFps.
std::vector<int> sample_frames(int total_frames, std::optional<double> video_fps,
                               const FrameSampling& sampling = {});

// Seconds for each temporal patch: the mean of its first and last frame's index / fps. The last index is
// repeated to fill it.
std::vector<double> frame_timestamps(std::span<const int> indices, double video_fps,
                                     int temporal_patch_size = 2);

// "<0.2 seconds>": one decimal, rounded as Python does (the exact value of the double, half to even).
std::string timestamp_text(double seconds);

}  // namespace tarsier
