#include "src/input/animation_video.h"

#include <fstream>
#include <utility>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/hash.h"
#include "src/input/image_animation.h"
#include "src/input/video_frames.h"

namespace tarsier {
namespace {

class AnimatedPicture final : public VideoFile {
 public:
  explicit AnimatedPicture(const std::string& path) : path_(path), file_(path) {
    const std::vector<int> delays = frame_delays(file_.bytes(), path_);
    core::require(!delays.empty(), path_, ": is no animation");
    std::vector<double> seconds;
    double milliseconds = 0;
    for (const int delay : delays) {
      seconds.push_back(milliseconds / 1000);
      milliseconds += delay;
    }
    info_.frames = static_cast<int>(delays.size());
    info_.seconds = milliseconds / 1000;
    if (info_.seconds > 0) info_.fps = info_.frames / info_.seconds;
    const Image first = decode_image(file_.bytes(), path_);
    info_.size = {first.height, first.width};
    info_.codec = "animation";
    if (info_.fps && !come_evenly(seconds, *info_.fps)) info_.times = std::move(seconds);
    core::Hash hash;
    hash.add(file_.bytes());
    info_.hash = hash.value();
  }
  const VideoInfo& info() const override { return info_; }
  bool read(std::span<const int> indices, const VideoSink& sink, const std::atomic<bool>* stop,
            int /*threads*/) const override {
    std::size_t next = 0;  // of indices
    bool going = true;
    const auto take = [&](const Image& frame, std::size_t index) {
      going = stop == nullptr || !stop->load();
      for (; going && next < indices.size() && static_cast<std::size_t>(indices[next]) == index; ++next)
        going = sink(frame);
      return going && next < indices.size();
    };
    decode_animation(file_.bytes(), path_, take);
    core::require(!going || next == indices.size(), path_, ": ends before its frame ",
                  next < indices.size() ? indices[next] : 0);
    return going;
  }

 private:
  std::string path_;
  core::MappedFile file_;
  VideoInfo info_;
};

}  // namespace

bool is_animation(const std::string& path) {
  char head[12] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof head);
  const std::string_view text(head, sizeof head);
  if (text.starts_with("RIFF") && text.substr(8) == "WEBP") return true;
  return (text.starts_with("GIF8") || text.starts_with("\x89PNG")) && !reads_video_files();
}

std::shared_ptr<const VideoFile> open_animation(const std::string& path) {
  return std::make_shared<const AnimatedPicture>(path);
}

}  // namespace tarsier
