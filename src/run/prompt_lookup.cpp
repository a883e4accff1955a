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

void PromptLookup::look(std::size_t n) {
  guess_.clear();
  std::size_t from = 0;
  for (std::size_t m = kLongestMatch; from == 0 && m >= kShortestMatch; --m) from = behind_latest(seen_, m);
  if (from == 0) return;
  for (std::size_t at = from; at < from + n; ++at)  // behind the end the guess itself goes on
    guess_.push_back(at < seen_.size() ? seen_[at] : guess_[at - seen_.size()]);
}

void PromptLookup::push(int id) {
  seen_.push_back(id);
  if (proven_) return;
  came_ = came_ < guess_.size() && guess_[came_] == id ? came_ + 1 : 0;
  if (came_ == 0) look(kInMind);
  if (came_ < kInMind) return;
  proven_ = true;
  guess_.clear();  // none is handed out yet
}

std::span<const int> PromptLookup::guess(int most) {
  if (!proven_) return {};
  guess_.clear();
  if (most < kLengths[0]) return {};
  std::size_t which = length_;
  while (kLengths[which] > most) --which;
  look(static_cast<std::size_t>(kLengths[which]));
  return guess_;
}

void PromptLookup::judge(int right) {
  if (!proven_ || guess_.empty()) return;
  const int made = static_cast<int>(guess_.size());
  if (right < kTokenCost * (1 + made)) {
    proven_ = false;
    length_ = 0;
    came_ = 0;
    guess_.clear();
  } else if (right == made) {
    length_ = std::min(length_ + 1, kLengths.size() - 1);
  }
}

}  // namespace tarsier
