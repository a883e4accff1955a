#include "ggml-like-core/base/read_ahead.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "ggml-like-core/base/buffer.h"

namespace core {
namespace {

constexpr std::size_t kPiece = std::size_t{8} << 20;  // bytes between two looks at `stop`

// This thread takes a core only while nobody else wants it: what computes meanwhile can fill its page tables
// itself, and faster than while it shares its core.
void give_way() {
#ifdef SCHED_IDLE
  const sched_param none{};
  static_cast<void>(::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none));  // a hint
#endif
}

void fetch(const std::vector<std::span<const std::byte>>& ranges, const std::atomic<bool>& stop) {
  give_way();
  // All before the first is read: a large page is not mapped across a border of what is advised.
  // MADV_WILLNEED would bring small ones.
  for (const auto range : ranges) want_large_pages(range.data(), range.size());
  for (const auto range : ranges)
    for (std::size_t at = 0; at < range.size() && !stop.load(std::memory_order_relaxed); at += kPiece)
      populate(range.data() + at, std::min(kPiece, range.size() - at));
}

}  // namespace

ReadAhead::ReadAhead(std::vector<std::span<const std::byte>> ranges)
    : thread_([this, ranges = std::move(ranges)] { fetch(ranges, stop_); }) {}

ReadAhead::~ReadAhead() {
  stop_.store(true, std::memory_order_relaxed);
  wait();
}

void ReadAhead::wait() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace core
