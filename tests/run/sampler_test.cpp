// Sampling: greedy, filters, penalties, and that a seed decides everything.
#include "src/run/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ggml-like-core/base/error.h"

namespace {

using tarsier::Sampler;
using tarsier::SamplingOptions;

// How often each id comes in 20,000 draws.
std::map<int, int> draws(SamplingOptions options, std::vector<float> logits, int n_tokens) {
  std::map<int, int> count;
  for (int i = 0; i < 20000; ++i) {
    options.seed = static_cast<std::uint64_t>(i);
    std::vector<float> copy = logits;
    ++count[Sampler(options, {}, static_cast<int>(logits.size())).next(copy, n_tokens)];
  }
  return count;
}

TEST(Sampler, temperature_0_takes_the_best_and_the_lowest_id_of_equals) {
  std::vector<float> logits = {1, 3, 3, 2};
  EXPECT_EQ(Sampler({.temperature = 0}, {}, 4).next(logits, 4), 1);
}

TEST(Sampler, padding_rows_of_the_embedding_are_never_taken) {
  std::vector<float> logits = {1, 2, 9};
  EXPECT_EQ(Sampler({.temperature = 0}, {}, 3).next(logits, 2), 1);
  EXPECT_FALSE(draws({.temperature = 5}, logits, 2).contains(2));
}

TEST(Sampler, draws_follow_the_probabilities_at_the_temperature) {
  const double p1 = 1 / (1 + std::exp(-2.0));  // logits 0 and 1 at temperature 0.5
  const auto count = draws({.temperature = 0.5}, {0, 1}, 2);
  // Five standard deviations of a binomial count.
  EXPECT_NEAR(count.at(1), 20000 * p1, 5 * std::sqrt(20000 * p1 * (1 - p1)));
}

TEST(Sampler, top_k_top_p_and_min_p_cut_the_tail) {
  const std::vector<float> logits = {std::log(0.5F), std::log(0.3F), std::log(0.15F), std::log(0.05F)};
  EXPECT_EQ(draws({.top_k = 2}, logits, 4).size(), 2U);
  EXPECT_EQ(draws({.top_p = 0.6}, logits, 4).size(), 2U);   // 0.5 alone does not reach 0.6
  EXPECT_EQ(draws({.top_p = 0.01}, logits, 4).size(), 1U);  // the best always stays
  EXPECT_EQ(draws({.min_p = 0.2}, logits, 4).size(), 3U);   // at least 0.2 of 0.5
  EXPECT_EQ(draws({}, logits, 4).size(), 4U);
}

TEST(Sampler, repetition_penalty_covers_prompt_and_answer_whatever_the_sign) {
  const int prompt[] = {0};
  Sampler sampler({.temperature = 0, .repetition_penalty = 2}, prompt, 3);
  std::vector<float> logits = {3, 2, 1};
  EXPECT_EQ(sampler.next(logits, 3), 1);  // 1.5, 2, 1
  logits = {3, 2.5F, 1};
  EXPECT_EQ(sampler.next(logits, 3), 0);  // 1.5, 1.25, 1
  logits = {-1, -2, -3};
  EXPECT_EQ(sampler.next(logits, 3), 0);  // -2, -4, -3
}

TEST(Sampler, presence_and_frequency_penalties_cover_the_answer_only) {
  const int prompt[] = {0};
  Sampler sampler({.temperature = 0, .presence_penalty = 0.5, .frequency_penalty = 0.4}, prompt, 2);
  const auto next = [&](std::vector<float> logits) { return sampler.next(logits, 2); };
  EXPECT_EQ(next({1, 0}), 0);     // not seen in the answer yet
  EXPECT_EQ(next({1, 0.2F}), 1);  // 1 - 0.9 = 0.1
  EXPECT_EQ(next({1, 0}), 0);     // 0.1 and -0.9
  EXPECT_EQ(next({1, 0.7F}), 1);  // 1 - 0.5 - 0.8 = -0.3 and 0.7 - 0.9 = -0.2
}

TEST(Sampler, a_seed_decides_the_draws) {
  const auto run = [](std::uint64_t seed) {
    Sampler sampler({.seed = seed}, {}, 50);
    std::vector<int> ids;
    for (int i = 0; i < 20; ++i) {
      std::vector<float> logits(50, 0.0F);
      ids.push_back(sampler.next(logits, 50));
    }
    return ids;
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

TEST(Sampler, impossible_options_are_refused_by_name) {
  const auto refused = [](const SamplingOptions& o, const char* name) {
    try {
      check(o);
      ADD_FAILURE() << name;
    } catch (const core::Error& e) {
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
    }
  };
  refused({.temperature = -1}, "temperature");
  refused({.temperature = NAN}, "temperature");
  refused({.top_k = -1}, "top-k");
  refused({.top_p = 0}, "top-p");
  refused({.top_p = 1.5}, "top-p");
  refused({.min_p = 2}, "min-p");
  refused({.repetition_penalty = 0}, "repetition penalty");
  refused({.presence_penalty = INFINITY}, "presence penalty");
}

TEST(TokenScore, equals_the_definition_in_nats) {
  const std::vector<float> logits = {0, std::log(3.0F)};  // probabilities 1/4, 3/4
  const tarsier::TokenScore s = tarsier::token_score(logits, 0);
  EXPECT_NEAR(s.log_prob, std::log(0.25), 1e-7);
  EXPECT_NEAR(s.entropy, -0.25 * std::log(0.25) - 0.75 * std::log(0.75), 1e-7);
}

}  // namespace
