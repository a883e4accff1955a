// A clip as it is decoded: a thread decodes, resizes and cuts into patches while those before are encoded.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "src/input/processor.h"
#include "src/input/video_file.h"

namespace tarsier {

// What a clip's patches come from. Immutable.
struct ClipSource {
  std::shared_ptr<const VideoFile> file;
  std::vector<int> indices;  // of the frames
  VideoPatcher patcher;
};

// One pass over it. Only a few frames are in memory at any time.
class ClipStream {
 public:
  explicit ClipStream(std::shared_ptr<const ClipSource> source);
  ~ClipStream();
  ClipStream(const ClipStream&) = delete;
  ClipStream& operator=(const ClipStream&) = delete;

  // Appends the next n temporal patches, which must be there, to values. False: cancel, which may be null,
  // was set. Error: what went wrong while decoding.
  bool read(int n, core::BigVector<float>& values, const std::atomic<bool>* cancel);

 private:
  struct Shared;
  std::shared_ptr<const ClipSource> source_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace tarsier
