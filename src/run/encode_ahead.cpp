#include "src/run/encode_ahead.h"

#include <algorithm>
#include <chrono>
#include <exception>

namespace tarsier {
namespace {

constexpr std::chrono::milliseconds kLook{50};  // how often who waits looks at progress and cancel

}  // namespace

void EncodeAhead::start(std::vector<Media> media) {
  stop();
  media_ = std::move(media);
  if (media_.empty()) return;
  cancel_ = false;
  ended_ = false;
  done_ = total_ = 0;
  thread_ = std::thread([this] { work(); });
}

void EncodeAhead::stop() {
  if (!thread_.joinable()) return;
  cancel_ = true;
  thread_.join();
  media_.clear();
}

bool EncodeAhead::finish(const RunControl& control) {
  if (!thread_.joinable()) return true;
  const auto cancelled = [&] { return control.cancel != nullptr && control.cancel->load(); };
  for (bool ended = false; !ended;) {
    if (cancelled()) cancel_ = true;
    double done = 0;
    double total = 0;
    {
      std::unique_lock lock(mutex_);
      ended = changed_.wait_for(lock, kLook, [&] { return ended_; });
      done = done_;
      total = total_;
    }
    if (control.progress != nullptr && total > 0) control.progress->progress("image", done, total);
  }
  thread_.join();
  media_.clear();
  return !cancelled();
}

bool EncodeAhead::has(std::uint64_t hash) const {
  return std::any_of(media_.begin(), media_.end(), [&](const Media& m) { return m.hash == hash; });
}

void EncodeAhead::work() {
  struct Progress final : core::ProgressObserver {
    explicit Progress(EncodeAhead& to) : ahead(&to) {}
    void progress(std::string_view, double done, double total) override {
      const std::scoped_lock lock(ahead->mutex_);
      ahead->done_ = done;
      ahead->total_ = total;
    }
    EncodeAhead* ahead;
  } progress(*this);
  try {
    for (const bool clips : {false, true}) {
      std::vector<MediaItem> items;
      for (const Media& m : media_)
        if (!m.frames_indices.empty() == clips) items.push_back(item_of(m));
      if (!items.empty())
        encoder_->encode(items, clips ? "video" : "image", *runner_,
                         {.progress = &progress, .cancel = &cancel_});
    }
  } catch (const std::exception&) {
    // Who needs the picture encodes it then, and says what fails.
  }
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace tarsier
