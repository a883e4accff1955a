// From logits to the next token.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "src/model/config.h"

namespace tarsier {

// Applied in transformers' order: repetition, presence and frequency penalties, temperature, top-k, top-p,
// min-p.
struct SamplingOptions {
  double temperature = 1.0;         // 0: greedy
  int top_k = 0;                    // 0: off
  double top_p = 1.0;               // 1: off
  double min_p = 0.0;               // 0: off
  double repetition_penalty = 1.0;  // 1: off; over prompt and answer, as transformers
  double presence_penalty = 0.0;    // over the answer
  double frequency_penalty = 0.0;   // over the answer
  std::uint64_t seed = 0;

  // The checkpoint's defaults (greedy where do_sample is off).
  static SamplingOptions defaults(const GenerationConfig& config);
};

// Error listing what is out of range.
void check(const SamplingOptions& options);

// Natural-log probability of id and the entropy (nats) of softmax(logits), in double.
struct TokenScore {
  double log_prob, entropy;
};
TokenScore token_score(std::span<const float> logits, int id);

// One answer's state: counts of what was seen, and the random numbers. Deterministic for a seed.
class Sampler {
 public:
  // prompt_ids: what the repetition penalty also covers.
  Sampler(const SamplingOptions& options, std::span<const int> prompt_ids, int vocab_size);
  // logits is overwritten. Ties go to the lowest id. ids at or over n_tokens (padding rows of the embedding)
  // are never taken.
  int next(std::span<float> logits, int n_tokens);

 private:
  SamplingOptions options_;
  std::vector<std::uint8_t> in_prompt_;
  std::vector<std::int32_t> in_answer_;  // counts
  std::vector<int> order_;
  std::mt19937_64 random_;
};

}  // namespace tarsier
