#include "src/run/prompt_lookup.h"

#include <algorithm>

namespace tarsier {
namespace {

constexpr std::size_t kLongestMatch = 3;  // tokens that must stand there again
constexpr std::size_t kShortestMatch = 2;

// Where the last n tokens stand for the last time before the end: the place behind them, 0 if nowhere.
std::size_t behind_latest(std::span<const int> seen, std::size_t n) {
  if (seen.size() <= n) return 0;
  const auto end = seen.last(n);
  for (std::size_t at = seen.size() - 1; at >= n; --at)
    if (seen[at - 1] == end.back() && std::equal(end.begin(), end.end(), seen.begin() + at - n)) return at;
  return 0;
}

}  // namespace

std::span<const int> PromptLookup::guess(int most) {
  guess_.clear();
  if (pause_ > 0) {
    --pause_;
    return guess_;
  }
  if (most < kLengths[0]) return guess_;
  std::size_t which = length_;
  while (kLengths[which] > most) --which;
  std::size_t from = 0;
  for (std::size_t n = kLongestMatch; from == 0 && n >= kShortestMatch; --n) from = behind_latest(seen_, n);
  if (from == 0) return guess_;
  for (int i = 0; i < kLengths[which]; ++i) {  // behind the end the guess itself goes on
    const std::size_t at = from + static_cast<std::size_t>(i);
    guess_.push_back(at < seen_.size() ? seen_[at] : guess_[at - seen_.size()]);
  }
  return guess_;
}

void PromptLookup::judge(int right) {
  const int made = static_cast<int>(guess_.size());
  if (made == 0) return;
  if (right < kTokenCost * (1 + made)) {
    length_ = 0;
    pause_ = next_pause_;
    next_pause_ = std::min(kLongestPause, 2 * next_pause_);
    return;
  }
  next_pause_ = kFirstPause;
  if (right == made) length_ = std::min(length_ + 1, kLengths.size() - 1);
}

}  // namespace tarsier
