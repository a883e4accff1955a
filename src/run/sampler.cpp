#include "src/run/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ggml-like-core/base/error.h"

namespace tarsier {

SamplingOptions SamplingOptions::defaults(const GenerationConfig& config) {
  SamplingOptions options;
  options.temperature = config.do_sample ? config.temperature : 0.0;
  options.top_k = config.top_k;
  options.top_p = config.top_p;
  options.min_p = config.min_p;
  options.repetition_penalty = config.repetition_penalty;
  return options;
}

void check(const SamplingOptions& o) {
  const auto want = [](bool ok, std::string_view name, double found, std::string_view wanted) {
    core::require(ok, "sampling: ", name, ": found ", found, ", wanted ", wanted);
  };
  want(o.temperature >= 0 && std::isfinite(o.temperature), "temperature", o.temperature,
       "0 (greedy) or more");
  want(o.top_k >= 0, "top-k", o.top_k, "0 (off) or more");
  want(o.top_p > 0 && o.top_p <= 1, "top-p", o.top_p, "over 0, at most 1 (off)");
  want(o.min_p >= 0 && o.min_p <= 1, "min-p", o.min_p, "0 (off) to 1");
  want(o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty), "repetition penalty",
       o.repetition_penalty, "over 0; 1 is off");
  want(std::isfinite(o.presence_penalty), "presence penalty", o.presence_penalty, "a number");
  want(std::isfinite(o.frequency_penalty), "frequency penalty", o.frequency_penalty, "a number");
}

TokenScore token_score(std::span<const float> logits, int id) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  double weighted = 0;  // sum of e^(x - top) * (x - top)
  for (const float x : logits) {
    const double shifted = x - top;
    const double e = std::exp(shifted);
    sum += e;
    if (e > 0) weighted += e * shifted;
  }
  const double log_sum = std::log(sum);
  return {.log_prob = logits[static_cast<std::size_t>(id)] - top - log_sum,
          .entropy = log_sum - weighted / sum};
}

Sampler::Sampler(const SamplingOptions& options, std::span<const int> prompt_ids, int vocab_size)
    : options_(options),
      in_prompt_(static_cast<std::size_t>(vocab_size)),
      in_answer_(static_cast<std::size_t>(vocab_size)),
      random_(options.seed) {
  check(options);
  for (const int id : prompt_ids) in_prompt_[static_cast<std::size_t>(id)] = 1;
  order_.reserve(static_cast<std::size_t>(vocab_size));
}

int Sampler::next(std::span<float> logits, int n_tokens) {
  const auto n = std::min(logits.size(), static_cast<std::size_t>(n_tokens));
  const auto repetition = static_cast<float>(options_.repetition_penalty);
  for (std::size_t i = 0; i < n; ++i) {
    if (repetition != 1.0F && (in_prompt_[i] != 0 || in_answer_[i] > 0))
      logits[i] = logits[i] < 0 ? logits[i] * repetition : logits[i] / repetition;
    if (in_answer_[i] > 0)
      logits[i] -= static_cast<float>(options_.presence_penalty + options_.frequency_penalty * in_answer_[i]);
  }
  const auto best = static_cast<int>(
      std::max_element(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(n)) - logits.begin());
  int chosen = best;
  if (options_.temperature > 0) {
    // Falling logits; ties by id, so that the order does not depend on the sort.
    const auto before = [&](int a, int b) {
      const float x = logits[static_cast<std::size_t>(a)];
      const float y = logits[static_cast<std::size_t>(b)];
      return x != y ? x > y : a < b;
    };
    order_.resize(n);
    std::iota(order_.begin(), order_.end(), 0);
    const std::size_t kept = options_.top_k > 0 ? std::min(n, static_cast<std::size_t>(options_.top_k)) : n;
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(kept), order_.end(),
                      before);
    order_.resize(kept);
    const auto weight = [&](int id) {
      return std::exp((static_cast<double>(logits[static_cast<std::size_t>(id)]) -
                       logits[static_cast<std::size_t>(best)]) /
                      options_.temperature);
    };
    if (options_.top_p < 1) {
      double total = 0;
      for (const int id : order_) total += weight(id);
      double sum = 0;
      std::size_t count = 0;
      while (count < order_.size() && sum < options_.top_p * total) sum += weight(order_[count++]);
      order_.resize(std::max<std::size_t>(count, 1));
    }
    if (options_.min_p > 0)
      std::erase_if(order_, [&](int id) { return weight(id) < options_.min_p; });  // the best weighs 1
    double total = 0;
    for (const int id : order_) total += weight(id);
    // 53 random bits as a number in [0, 1): the same on every standard library.
    double left = static_cast<double>(random_() >> 11) * 0x1p-53 * total;
    chosen = order_.back();
    for (const int id : order_) {
      left -= weight(id);
      if (left < 0) {
        chosen = id;
        break;
      }
    }
  }
  ++in_answer_[static_cast<std::size_t>(chosen)];
  return chosen;
}

}  // namespace tarsier
