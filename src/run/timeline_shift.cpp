// Turns that leave a full context, and what is behind them in the cache.
#include <algorithm>

#include "src/run/timeline.h"

namespace tarsier {

int Timeline::shift(const Prompt& prompt) {
  constexpr std::size_t kLeast = 16;  // tokens worth it: fewer may be alike by chance
  if (prompt.ids.empty()) return 0;
  std::vector<Source> sources;
  std::vector<Key> keys;
  lay_out(prompt, sources, keys);
  const auto wanted = std::span(keys).first(keys.size() - 1);  // the last token is always read
  const auto alike = [&](std::size_t in_prompt, std::size_t in_cache) {
    const auto rest = wanted.subspan(in_prompt);
    const auto at = std::mismatch(rest.begin(), rest.end(),
                                  keys_.begin() + static_cast<std::ptrdiff_t>(in_cache), keys_.end());
    return static_cast<std::size_t>(at.first - rest.begin());
  };
  const std::size_t to = alike(0, 0);
  std::size_t from = 0;
  std::size_t count = 0;
  for (std::size_t at = to + 1; at + count < keys_.size(); ++at)
    if (const std::size_t n = alike(to, at); n > count) {
      from = at;
      count = n;
    }
  // One step along all axes: pictures keep their shape.
  const auto step = [&](std::size_t i) {
    const Place now = places_[from + i];
    const Place then = place_of(prompt, to + i);
    return Place{now[0] - then[0], now[1] - then[1], now[2] - then[2]};
  };
  for (std::size_t i = 0; i < count; ++i) {
    const Place by = step(i);
    if (by != step(0) || by[0] != by[1] || by[0] != by[2]) count = i;
  }
  if (count < kLeast) return 0;

  const auto head_dim = static_cast<std::size_t>(rope_.head_dim());
  std::vector<float> cos(count * head_dim);
  std::vector<float> sin(cos.size());
  for (std::size_t i = 0; i < count; ++i)
    rope_.between(&cos[i * head_dim], &sin[i * head_dim], places_[from + i], place_of(prompt, to + i));
  cache_.move(runner_.table(), static_cast<int>(from), static_cast<int>(to), static_cast<int>(count), cos,
              sin);
  for (std::size_t i = 0; i < count; ++i) {
    ids_[to + i] = ids_[from + i];
    keys_[to + i] = keys_[from + i];
    places_[to + i] = place_of(prompt, to + i);
  }
  ids_.resize(to + count);
  keys_.resize(to + count);
  places_.resize(to + count);
  shifted_from_ = std::min(shifted_from_, to);
  stats_.shifted_tokens += static_cast<int>(count);
  return static_cast<int>(count);
}

void Timeline::forget_shifted() {
  if (shifted_from_ == kNone) return;
  ids_.resize(shifted_from_);
  keys_.resize(shifted_from_);
  places_.resize(shifted_from_);
  shifted_from_ = kNone;
}

}  // namespace tarsier
