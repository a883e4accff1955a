// Which frames of a video are looked at, and the time stamp text that stands before each group of them in the
// prompt. HF: Qwen3VLVideoProcessor.sample_frames and Qwen3VLProcessor._calculate_timestamps.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier {

constexpr double kAssumedVideoFps = 24;  // where a video does not say

struct FrameSampling {
  double fps = 2;  // frames per second of video to take
  // Or this many, whatever the duration; then min_frames and max_frames do not apply.
  std::optional<int> num_frames = std::nullopt;
  int min_frames = 4;
  int max_frames = 768;
  // Only from this part of the source, in seconds, both ends included.
  double start = 0;
  std::optional<double> end = std::nullopt;
};

// When the frames of a source are shown.
struct FrameTimes {
  int frames = 0;
  std::optional<double> fps;  // nothing: kAssumedVideoFps
  std::span<const double> seconds =
      {};  // from the first frame on, ascending, where they do not come evenly; else empty
};

// Whether frames shown at these seconds may as well be taken to be shown at index / fps: as near as the
// prompt's time stamps can tell.
bool come_evenly(std::span<const double> seconds, double fps);

struct SampledFrames {
  std::vector<int> indices;     // ascending
  std::vector<double> seconds;  // when each is shown
};

// Which frames a model sees of a source, and when. Where frames come evenly: sample_frames, of the frames
// from start to end (qwen-vl-utils: from ceil(start * fps) to floor(end * fps)), shown at index / fps, as in
// transformers. Where they do not, transformers goes by the numbers of frames all the same; here the moments
// are spread evenly, as many as there, and each takes the frame that is shown then. Errors: no frames there.
SampledFrames sample_video(const FrameTimes& source, const FrameSampling& sampling);

// Indices of the sampled frames, ascending, evenly spread, the first and the last always among them (unless
// one frame is taken). total_frames: of the source, at least 1. video_fps: of the source; nothing means
// kAssumedVideoFps.
std::vector<int> sample_frames(int total_frames, std::optional<double> video_fps,
                               const FrameSampling& sampling = {});

// Seconds for each temporal patch: the mean of its first and last frame's index / fps. The last index is
// repeated to fill it.
std::vector<double> frame_timestamps(std::span<const int> indices, double video_fps,
                                     int temporal_patch_size = 2);

// The same from the seconds of each frame.
std::vector<double> group_timestamps(std::span<const double> seconds, int temporal_patch_size = 2);

// Seconds from "90", "1.5", "1:30", "1:02:03.5"; nothing: written otherwise.
std::optional<double> parse_seconds(std::string_view text);

// "<0.2 seconds>": one decimal, rounded as Python does (the exact value of the double, half to even).
std::string timestamp_text(double seconds);

}  // namespace tarsier
