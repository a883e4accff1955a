#include "src/chat/answer_watch.h"

#include <algorithm>

namespace tarsier::chat {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

// Bytes at the end of text that may become mark.
std::size_t beginning_of(std::string_view text, std::string_view mark) {
  for (std::size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n)
    if (text.ends_with(mark.substr(0, n))) return n;
  return 0;
}

}  // namespace

std::vector<ThinkingSplit::Part> ThinkingSplit::push(std::string_view text) {
  waiting_ += text;
  return take(false);
}

std::vector<ThinkingSplit::Part> ThinkingSplit::finish() { return take(true); }

std::vector<ThinkingSplit::Part> ThinkingSplit::take(bool all) {
  std::vector<Part> out;
  const auto give = [&](std::size_t n) {
    if (n > 0) out.push_back({inside_, waiting_.substr(0, n)});
    waiting_.erase(0, n);
  };
  for (;;) {
    if (at_begin_) {
      waiting_.erase(0, std::min(waiting_.find_first_not_of('\n'), waiting_.size()));
      if (waiting_.empty()) return out;
      at_begin_ = false;
    }
    if (may_begin_) {
      const std::size_t n = std::min(waiting_.size(), kOpen.size());
      if (waiting_.compare(0, n, kOpen, 0, n) != 0) {
        may_begin_ = false;
      } else if (n == kOpen.size()) {
        waiting_.erase(0, n);
        may_begin_ = false;
        inside_ = at_begin_ = true;
        continue;
      } else if (!all) {
        return out;
      }
    }
    if (inside_) {
      const std::size_t close = waiting_.find(kClose);
      if (close != std::string::npos) {
        std::size_t end = close;
        while (end > 0 && waiting_[end - 1] == '\n') --end;
        give(end);
        waiting_.erase(0, close - end + kClose.size());
        inside_ = false;
        at_begin_ = true;
        continue;
      }
    }
    std::size_t held = inside_ && !all ? beginning_of(waiting_, kClose) : 0;
    if (inside_)  // line breaks before a mark are not given out
      while (held < waiting_.size() && waiting_[waiting_.size() - 1 - held] == '\n') ++held;
    give(waiting_.size() - held);
    if (all) waiting_.clear();
    return out;
  }
}

bool LoopWatch::push(int id) {
  ids_.push_back(id);
  const int n = static_cast<int>(ids_.size());
  for (int period = 1; period <= std::min(kLongestPeriod, n - 1); ++period) {
    int& matches = matches_[static_cast<std::size_t>(period)];
    matches = ids_[static_cast<std::size_t>(n - 1 - period)] == id ? matches + 1 : 0;
    if (period_ == 0 && matches >= std::max(kLeastTokens, kLeastTimes * period)) period_ = period;
  }
  return period_ > 0;
}

}  // namespace tarsier::chat
