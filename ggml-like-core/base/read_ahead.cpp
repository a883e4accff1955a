#include "ggml-like-core/base/read_ahead.h"

#include <algorithm>
#include <utility>

#include "ggml-like-core/base/buffer.h"

namespace core {
namespace {

constexpr std::size_t kPiece = std::size_t{8} << 20;  // bytes; the disk is asked for one piece more

void fetch(const std::vector<std::span<const std::byte>>& ranges, const std::atomic<bool>& stop) {
  std::vector<std::span<const std::byte>> pieces;
  for (const auto range : ranges)
    for (std::size_t at = 0; at < range.size(); at += kPiece)
      pieces.push_back(range.subspan(at, std::min(kPiece, range.size() - at)));
  for (std::size_t i = 0; i < pieces.size() && !stop.load(std::memory_order_relaxed); ++i) {
    if (i == 0) will_need(pieces[0].data(), pieces[0].size());
    if (i + 1 < pieces.size()) will_need(pieces[i + 1].data(), pieces[i + 1].size());
    populate(pieces[i].data(), pieces[i].size());
  }
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
