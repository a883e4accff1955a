// Frame sampling and time stamps, in the arithmetic of numpy.linspace and Python's float formatting.
#include "src/input/video_frames.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>

#include "ggml-like-core/base/error.h"

namespace tarsier {

std::vector<int> sample_frames(int total_frames, std::optional<double> video_fps,
                               const FrameSampling& sampling) {
  core::require(total_frames > 0, "video: has ", total_frames, " frames, expected at least 1");
  const double source_fps = video_fps.value_or(kAssumedVideoFps);
  core::require(std::isfinite(source_fps) && source_fps > 0, "video: runs at ", source_fps,
                " frames per second, expected a positive number");
  int n = 0;
  if (sampling.num_frames) {
    n = *sampling.num_frames;
  } else {
    core::require(std::isfinite(sampling.fps) && sampling.fps > 0, "video: ", sampling.fps,
                  " frames per second asked for, expected a positive number");
    const double wanted = std::min(total_frames / source_fps * sampling.fps,
                                   static_cast<double>(std::numeric_limits<int>::max()));
    n = std::max(static_cast<int>(wanted), sampling.min_frames);
    n = std::min({n, sampling.max_frames, total_frames});
  }
  constexpr int kMostFrames = 1 << 20;
  core::require(n > 0 && n <= kMostFrames, "video: ", n, " frames asked for, expected 1 to ", kMostFrames);

  // numpy.linspace(0, last, n): its step is rounded once, and the last value is set exactly.
  const double last = total_frames - 1;
  const double step = n > 1 ? last / (n - 1) : 0;
  std::vector<int> indices(static_cast<std::size_t>(n));
  for (int k = 0; k < n; ++k) {
    const double at = n > 1 && k == n - 1 ? last : k * step;
    indices[static_cast<std::size_t>(k)] = static_cast<int>(std::nearbyint(at));
  }
  return indices;
}

std::vector<double> frame_timestamps(std::span<const int> indices, double video_fps,
                                     int temporal_patch_size) {
  core::require(std::isfinite(video_fps) && video_fps > 0, "video: runs at ", video_fps,
                " frames per second, expected a positive number");
  core::require(temporal_patch_size > 0, "video: temporal_patch_size is ", temporal_patch_size,
                ", expected at least 1");
  const auto group = static_cast<std::size_t>(temporal_patch_size);
  std::vector<double> seconds;
  for (std::size_t first = 0; first < indices.size(); first += group) {
    const std::size_t last = std::min(first + group, indices.size()) - 1;
    seconds.push_back((indices[first] / video_fps + indices[last] / video_fps) / 2);
  }
  return seconds;
}

std::string timestamp_text(double seconds) {
  core::require(std::isfinite(seconds) && std::abs(seconds) < 1e15, "video: a time stamp of ", seconds,
                " seconds, expected a number below 1e15");
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, seconds, std::chars_format::fixed, 1);
  std::string text = "<";
  text.append(digits, end.ptr);
  return text.append(" seconds>");
}

}  // namespace tarsier
