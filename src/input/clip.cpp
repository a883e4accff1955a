#include "src/input/clip.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

constexpr std::size_t kAheadBytes = 64ULL << 20;  // of patches that wait to be read
constexpr std::chrono::milliseconds kLook{20};    // how often who waits looks whether it is cancelled

}  // namespace

struct ClipStream::Shared {
  std::atomic<bool> stop = false;
  std::mutex mutex;  // of what follows
  std::condition_variable changed;
  std::deque<core::BigVector<float>> ready;  // temporal patches, in order
  bool ended = false;
  std::exception_ptr error;
  std::thread thread;
};

ClipStream::ClipStream(std::shared_ptr<const ClipSource> source)
    : source_(std::move(source)), shared_(std::make_unique<Shared>()) {
  shared_->thread = std::thread([source = source_, shared = shared_.get()] {
    const VideoPatcher& patcher = source->patcher;
    const std::size_t most = std::max<std::size_t>(2, kAheadBytes / (patcher.group_values() * sizeof(float)));
    core::BigVector<float> group;
    int k = 0;
    const VideoSink sink = [&](const Image& frame) {
      group.resize(patcher.group_values());
      patcher.put(frame, k, group);
      ++k;
      if (k % patcher.group_frames() != 0 && k != patcher.frames()) return true;
      std::unique_lock lock(shared->mutex);
      while (shared->ready.size() >= most && !shared->stop) shared->changed.wait_for(lock, kLook);
      shared->ready.push_back(std::move(group));
      shared->changed.notify_all();
      return !shared->stop;
    };
    std::exception_ptr error;
    try {
      source->file->read(source->indices, sink, &shared->stop, patcher.threads());
    } catch (...) {
      error = std::current_exception();
    }
    const std::scoped_lock lock(shared->mutex);
    shared->error = error;
    shared->ended = true;
    shared->changed.notify_all();
  });
}

ClipStream::~ClipStream() {
  shared_->stop = true;
  shared_->changed.notify_all();
  shared_->thread.join();
}

bool ClipStream::read(int n, core::BigVector<float>& values, const std::atomic<bool>* cancel) {
  for (int i = 0; i < n; ++i) {
    std::unique_lock lock(shared_->mutex);
    while (shared_->ready.empty() && !shared_->ended) {
      if (cancel != nullptr && cancel->load()) return false;
      shared_->changed.wait_for(lock, kLook);
    }
    if (shared_->ready.empty()) {
      if (shared_->error) std::rethrow_exception(shared_->error);
      core::fail("video: has fewer frames than it had when it was opened");
    }
    values.insert(values.end(), shared_->ready.front().begin(), shared_->ready.front().end());
    shared_->ready.pop_front();
    shared_->changed.notify_all();
  }
  return true;
}

}  // namespace tarsier
