// A video file: what it holds, and its frames by number. Read by FFmpeg's libraries (video/ffmpeg.cpp), or,
// in a program that was built without them, refused (video/without_ffmpeg.cpp).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/input/image.h"
#include "src/input/processor.h"

namespace tarsier {

struct VideoInfo {
  int frames = 0;             // counted, not what the header says
  std::optional<double> fps;  // frames / seconds; nothing: the file does not say
  double seconds = 0;
  Size size{};                // of a frame as it stands upright
  std::string codec;          // "h264"
  std::vector<double> times;  // in seconds from the first frame, where frames do not come evenly; else empty
  std::uint64_t hash = 0;     // of the compressed frames and how they are to be shown
};

// Gets frames in order, upright. False: no more are wanted.
using VideoSink = std::function<bool(Image frame)>;

// Immutable: every read opens the file anew.
class VideoFile {
 public:
  virtual ~VideoFile() = default;
  virtual const VideoInfo& info() const = 0;
  // The frames of these numbers, ascending. What lies between them is not decoded where that can be avoided.
  // A frame that is damaged or missing is replaced by the next, at the end by the last one before it. stop:
  // may be null; ends the work at once. threads: that decode, 0 for all cores. False: stopped, or the sink
  // had enough. Errors: the file cannot be read any more; nothing in it can be decoded.
  virtual bool read(std::span<const int> indices, const VideoSink& sink, const std::atomic<bool>* stop,
                    int threads = 0) const = 0;
};

// Reads the file from end to end, without decoding, and counts its frames as torchcodec does in its exact
// mode, which transformers uses. Errors: cannot be read; is no video; holds no frames; a format that is not
// known here; this program was built without FFmpeg.
std::shared_ptr<const VideoFile> open_video_file(const std::string& path);

// Whether this program reads video files.
bool reads_video_files();

}  // namespace tarsier
