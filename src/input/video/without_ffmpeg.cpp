// In place of ffmpeg.cpp where FFmpeg's libraries were not there when the program was built.
#include "ggml-like-core/base/error.h"
#include "src/input/video_file.h"

namespace tarsier {

std::shared_ptr<const VideoFile> open_video_file(const std::string& path) {
  core::fail(path, ": video files cannot be read: this program was built without FFmpeg's libraries ",
             "(libavformat-dev, libavcodec-dev, libswscale-dev, libavutil-dev); a folder of pictures can");
}

bool reads_video_files() { return false; }

}  // namespace tarsier
