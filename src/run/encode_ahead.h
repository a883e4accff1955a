// Pictures that are encoded while nobody waits for them. The encoder and its runner belong to one thread at a
// time: to the one in here from start() on, to the caller again once finish() or stop() has returned.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "src/input/prompt.h"
#include "src/run/media_encoder.h"

namespace tarsier {

// To be called from one thread.
class EncodeAhead {
 public:
  EncodeAhead(MediaEncoder& encoder, Runner& runner) : encoder_(&encoder), runner_(&runner) {}
  ~EncodeAhead() { stop(); }
  EncodeAhead(const EncodeAhead&) = delete;
  EncodeAhead& operator=(const EncodeAhead&) = delete;

  // Begins with media; what was running is stopped first.
  void start(std::vector<Media> media);
  // Gives up what is not finished: pictures that are stay known to the encoder.
  void stop();
  // Waits for all of it, with its progress as step "image". False: cancelled. What fails is left undone.
  bool finish(const RunControl& control);
  // Whether it works, or has worked, on a picture of this hash since start().
  bool has(std::uint64_t hash) const;

 private:
  void work();

  MediaEncoder* encoder_;
  Runner* runner_;
  std::vector<Media> media_;  // only read while the thread lives
  std::thread thread_;
  std::atomic<bool> cancel_ = false;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool ended_ = true;
  double done_ = 0, total_ = 0;  // patches
};

}  // namespace tarsier
