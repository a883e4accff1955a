// Frame sampling and time stamps, in the arithmetic of numpy.linspace and Python's float formatting.
#include "src/input/video_frames.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

// How many of total_frames frames, which last for so many seconds, are taken.
int number_of_frames(int total_frames, double seconds, const FrameSampling& sampling) {
  int n = 0;
  if (sampling.num_frames) {
    n = *sampling.num_frames;
  } else {
    core::require(std::isfinite(sampling.fps) && sampling.fps > 0, "video: ", sampling.fps,
                  " frames per second asked for, expected a positive number");
    const double wanted =
        std::min(seconds * sampling.fps, static_cast<double>(std::numeric_limits<int>::max()));
    n = std::max(static_cast<int>(wanted), sampling.min_frames);
    n = std::min({n, sampling.max_frames, total_frames});
  }
  constexpr int kMostFrames = 1 << 20;
  core::require(n > 0 && n <= kMostFrames, "video: ", n, " frames asked for, expected 1 to ", kMostFrames);
  return n;
}

}  // namespace

std::vector<int> sample_frames(int total_frames, std::optional<double> video_fps,
                               const FrameSampling& sampling) {
  core::require(total_frames > 0, "video: has ", total_frames, " frames, expected at least 1");
  const double source_fps = video_fps.value_or(kAssumedVideoFps);
  core::require(std::isfinite(source_fps) && source_fps > 0, "video: runs at ", source_fps,
                " frames per second, expected a positive number");
  const int n = number_of_frames(total_frames, total_frames / source_fps, sampling);
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

namespace {

void check_range(const FrameSampling& sampling) {
  const double end = sampling.end.value_or(std::numeric_limits<double>::infinity());
  core::require(sampling.start >= 0 && end >= sampling.start, "video: from ", sampling.start, " to ", end,
                " seconds asked for, expected a start of at least 0 and an end behind it");
}

[[noreturn]] void none_there(const FrameSampling& sampling, double seconds) {
  core::fail("video: no frames from ", sampling.start, " seconds on",
             sampling.end ? " to " + core::to_text(*sampling.end) : std::string(), ": it has ", seconds,
             " seconds");
}

SampledFrames sample_evenly(const FrameTimes& source, const FrameSampling& sampling) {
  const double fps = source.fps.value_or(kAssumedVideoFps);
  const double last_frame = source.frames - 1;
  const double first = std::ceil(sampling.start * fps);
  const double last = sampling.end ? std::min(std::floor(*sampling.end * fps), last_frame) : last_frame;
  if (first > last) none_there(sampling, source.frames / fps);
  SampledFrames out;
  out.indices = sample_frames(static_cast<int>(last - first) + 1, source.fps, sampling);
  for (int& i : out.indices) {
    i += static_cast<int>(first);
    out.seconds.push_back(i / fps);
  }
  return out;
}

}  // namespace

bool come_evenly(std::span<const double> seconds, double fps) {
  constexpr double kNear = 0.1;
  for (std::size_t i = 0; i < seconds.size(); ++i)
    if (std::abs(seconds[i] - static_cast<double>(i) / fps) > kNear) return false;
  return true;
}

SampledFrames sample_video(const FrameTimes& source, const FrameSampling& sampling) {
  check_range(sampling);
  core::require(source.frames > 0, "video: has ", source.frames, " frames, expected at least 1");
  if (source.seconds.empty()) return sample_evenly(source, sampling);
  const auto at = source.seconds;
  const auto begin = std::lower_bound(at.begin(), at.end(), sampling.start);
  const auto end = sampling.end ? std::upper_bound(begin, at.end(), *sampling.end) : at.end();
  if (begin == end) none_there(sampling, at.back());
  // How many, transformers' rule says; which, the clock.
  const double whole = source.frames / source.fps.value_or(kAssumedVideoFps);
  const double length = std::min(sampling.end.value_or(whole), whole) - sampling.start;
  const int n = number_of_frames(static_cast<int>(end - begin), length, sampling);
  const double step = n > 1 ? (*(end - 1) - *begin) / (n - 1) : 0;
  SampledFrames out;
  for (int k = 0; k < n; ++k) {
    const double moment = n > 1 && k == n - 1 ? *(end - 1) : *begin + k * step;
    out.indices.push_back(static_cast<int>(std::upper_bound(begin, end, moment) - at.begin()) - 1);
    out.seconds.push_back(moment);
  }
  return out;
}

std::vector<double> frame_timestamps(std::span<const int> indices, double video_fps,
                                     int temporal_patch_size) {
  core::require(std::isfinite(video_fps) && video_fps > 0, "video: runs at ", video_fps,
                " frames per second, expected a positive number");
  std::vector<double> seconds;
  seconds.reserve(indices.size());
  for (const int i : indices) seconds.push_back(i / video_fps);
  return group_timestamps(seconds, temporal_patch_size);
}

std::vector<double> group_timestamps(std::span<const double> seconds, int temporal_patch_size) {
  core::require(temporal_patch_size > 0, "video: temporal_patch_size is ", temporal_patch_size,
                ", expected at least 1");
  const auto group = static_cast<std::size_t>(temporal_patch_size);
  std::vector<double> out;
  for (std::size_t first = 0; first < seconds.size(); first += group) {
    const std::size_t last = std::min(first + group, seconds.size()) - 1;
    out.push_back((seconds[first] + seconds[last]) / 2);
  }
  return out;
}

std::optional<double> parse_seconds(std::string_view text) {
  double total = 0;
  for (int part = 0; part < 3; ++part) {  // hours, minutes, seconds: only the last may have a fraction
    const std::size_t colon = text.find(':');
    const std::string_view digits = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    double value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || end != digits.data() + digits.size() || !(value >= 0 && value < 1e9) ||
        (!last && value != std::floor(value)) || (part > 0 && value >= 60))
      return std::nullopt;
    total = total * 60 + value;
    if (last) return total;
    text.remove_prefix(colon + 1);
  }
  return std::nullopt;
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
