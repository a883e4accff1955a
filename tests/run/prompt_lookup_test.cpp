// What is guessed, and when; and that an answer is the same bits with guesses and without.
#include "src/run/prompt_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/model_files.h"

namespace {

using tarsier::FinishReason;
using tarsier::GenerateOptions;
using tarsier::GenerateResult;
using tarsier::PromptLookup;
using tarsier::SamplingOptions;
using tarsier::Session;
using testing::ElementsAre;
using testing::IsEmpty;

// All of prompt stands there, and again up to the tokens of `again`.
PromptLookup repeated(const std::vector<int>& prompt, const std::vector<int>& again) {
  PromptLookup lookup(prompt);
  for (const int id : again) lookup.push(id);
  return lookup;
}

TEST(PromptLookup, nothing_is_guessed_until_six_tokens_came_as_thought) {
  const std::vector<int> prompt{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  PromptLookup lookup(prompt);
  for (int id = 1; id <= 8; ++id) {  // 1 2 stand there: 3 to 8 are thought of
    EXPECT_THAT(lookup.guess(7), IsEmpty()) << id;
    lookup.judge(0);
    lookup.push(id);
  }
  EXPECT_THAT(lookup.guess(7), ElementsAre(9, 10, 11, 12, 13));
  EXPECT_THAT(lookup.guess(4), IsEmpty());  // too short to be worth it
  EXPECT_THAT(lookup.guess(-1), IsEmpty());
  PromptLookup other = repeated(prompt, {1, 2, 3, 4, 5, 6, 7, 99});  // one was another
  EXPECT_THAT(other.guess(7), IsEmpty());
  for (const int id : {8, 9, 10, 11, 12, 13, 14}) other.push(id);
  EXPECT_THAT(other.guess(7), IsEmpty());
  other.push(15);
  EXPECT_THAT(other.guess(7), ElementsAre(1, 2, 3, 4, 5));
}

TEST(PromptLookup, what_stood_behind_the_same_tokens_the_last_time_is_guessed) {
  const std::vector<int> prompt{1, 2, 3, 4, 5,  1,  2,  3,  6,  7,  8,  9,
                                2, 3, 5, 5, 20, 21, 22, 23, 24, 25, 26, 27};
  const std::vector<int> proof{20, 21, 22, 23, 24, 25, 26, 27};
  PromptLookup two = repeated(prompt, proof);
  for (const int id : {30, 2, 3}) two.push(id);
  EXPECT_THAT(two.guess(7), ElementsAre(5, 5, 20, 21, 22));  // 2 3: the latest place
  PromptLookup three = repeated(prompt, proof);
  for (const int id : {1, 2, 3}) three.push(id);
  EXPECT_THAT(three.guess(5), ElementsAre(6, 7, 8, 9, 2));  // 1 2 3 before 2 3
  PromptLookup none = repeated(prompt, proof);
  none.push(30);
  EXPECT_THAT(none.guess(7), IsEmpty());
}

TEST(PromptLookup, a_short_period_goes_on_beyond_what_is_there) {
  PromptLookup lookup = repeated({4, 5, 4, 5}, {4, 5, 4, 5, 4, 5, 4});
  EXPECT_THAT(lookup.guess(10), ElementsAre(5, 4, 5, 4, 5));
}

TEST(PromptLookup, guesses_grow_while_right_and_end_with_one_that_cost_more_than_it_gave) {
  PromptLookup lookup = repeated(std::vector<int>(20, 1), std::vector<int>(7, 1));
  for (const int length : {5, 11, 23, 23}) {
    EXPECT_EQ(lookup.guess(100).size(), static_cast<std::size_t>(length));
    lookup.judge(length);
  }
  EXPECT_EQ(lookup.guess(100).size(), 23U);
  lookup.judge(12);  // worth its time
  EXPECT_EQ(lookup.guess(100).size(), 23U);
  lookup.judge(7);
  for (int in_mind = 0; in_mind < 7; ++in_mind) {
    EXPECT_THAT(lookup.guess(100), IsEmpty()) << in_mind;
    lookup.push(1);
  }
  EXPECT_EQ(lookup.guess(100).size(), 5U);
}

const tarsier::Prompt& repeating(const tarsier::Model& model) {
  static const tarsier::Prompt prompt = model.raw_prompt(
      "red circle, blue square, green triangle, red circle, blue square, green triangle, red circle, blue");
  return prompt;
}

GenerateOptions answer_of(double temperature, int max_tokens, bool speculate) {
  return {.sampling = SamplingOptions{.temperature = temperature, .seed = 5},
          .max_tokens = max_tokens,
          .stop_at_end_of_turn = false,
          .speculate = speculate};
}

void expect_same(Session& with, const GenerateResult& found, Session& without, const GenerateResult& wanted) {
  EXPECT_EQ(found.ids, wanted.ids);
  EXPECT_EQ(found.log_probs, wanted.log_probs);
  EXPECT_EQ(found.entropies, wanted.entropies);
  EXPECT_EQ(found.text, wanted.text);
  EXPECT_EQ(found.finish, wanted.finish);
  EXPECT_EQ(with.ids(), without.ids());
  EXPECT_EQ(with.stats().decoded_tokens, without.stats().decoded_tokens);
}

class Speculation : public testing::TestWithParam<const char*> {};

TEST_P(Speculation, changes_no_bit_of_an_answer) {
  int accepted = 0;
  int rejected = 0;
  for (const char* type : {"f32", "q4_k"}) {
    const test::ModelFile file(GetParam(), type, "bf16");
    for (const core::DType kv_type :
         {core::DType::f32, core::DType::f16, core::DType::q8_0, core::DType::q4_0})
      for (const int threads : {1, 2})
        for (const double temperature : {0.0, 0.7}) {
          if (temperature > 0 && threads == 1) continue;
          SCOPED_TRACE(std::string(type) + " " + std::string(core::info(kv_type).name) + " " +
                       std::to_string(threads) + " " + std::to_string(temperature));
          Session with(file.model(), {.threads = threads, .kv_type = kv_type});
          Session without(file.model(), {.threads = threads, .kv_type = kv_type});
          for (const tarsier::Prompt& prompt :
               {repeating(*file.model()), file.model()->prompt(tarsier::question("What is 3 plus 4?"))}) {
            const auto wanted = tarsier::generate(without, prompt, answer_of(temperature, 60, false));
            const auto found = tarsier::generate(with, prompt, answer_of(temperature, 60, true));
            expect_same(with, found, without, wanted);
          }
          EXPECT_EQ(without.stats().proposed_tokens, 0);
          accepted += with.stats().accepted_tokens;
          rejected += with.stats().proposed_tokens - with.stats().accepted_tokens;
        }
  }
  EXPECT_GT(accepted, 100);  // else nothing is shown
  EXPECT_GT(rejected, 20);
}
INSTANTIATE_TEST_SUITE_P(Models, Speculation, testing::Values("tiny-vl-dense", "tiny-vl-moe"),
                         [](const auto& model) {
                           return std::string(model.param) == "tiny-vl-dense" ? "dense" : "moe";
                         });

TEST(Speculation, penalties_see_every_token_in_its_turn) {
  const test::ModelFile file("tiny-vl-dense", "bf16", "bf16");
  for (const double penalty : {1.02, 1.3}) {
    GenerateOptions on = answer_of(0, 60, true);
    on.sampling->repetition_penalty = penalty;
    on.sampling->frequency_penalty = 0.1;
    GenerateOptions off = on;
    off.speculate = false;
    Session with(file.model());
    Session without(file.model());
    const auto wanted = tarsier::generate(without, repeating(*file.model()), off);
    expect_same(with, tarsier::generate(with, repeating(*file.model()), on), without, wanted);
    EXPECT_GT(with.stats().proposed_tokens, 0);
  }
}

// Wherever an answer ends, it ends there with guesses, too, and leaves the same tokens in the timeline.
TEST(Speculation, every_end_is_where_it_was) {
  const test::ModelFile file("tiny-vl-dense", "bf16", "bf16");
  const tarsier::Prompt prompt = repeating(*file.model());
  const auto compare = [&](GenerateOptions options, const tarsier::SessionOptions& session = {}) {
    Session with(file.model(), session);
    Session without(file.model(), session);
    options.speculate = false;
    const auto wanted = tarsier::generate(without, prompt, options);
    options.speculate = true;
    expect_same(with, tarsier::generate(with, prompt, options), without, wanted);
    EXPECT_GT(with.stats().accepted_tokens, 0);
    return wanted;
  };
  const GenerateResult whole = compare(answer_of(0, 40, true));
  EXPECT_EQ(whole.finish, FinishReason::length);
  for (int n = 20; n < 30; ++n) {
    SCOPED_TRACE(n);
    compare(answer_of(0, n, true));
    const auto full = static_cast<int>(prompt.ids.size()) + n;
    EXPECT_EQ(compare(answer_of(0, 100, true), {.context = full}).ids.size(),
              static_cast<std::size_t>(n) + 1);
    GenerateOptions options = answer_of(0, 100, true);
    int seen = 0;
    options.enough = [&](int) { return ++seen % n == 0; };
    EXPECT_EQ(compare(options).ids.size(), static_cast<std::size_t>(n));
    options = answer_of(0, 100, true);
    options.stop = {whole.text.substr(0, static_cast<std::size_t>(3 * n))};
    compare(options);
  }
}

TEST(Speculation, cancelling_takes_effect_behind_the_token_it_is_asked_at) {
  const test::ModelFile file("tiny-vl-dense", "bf16", "bf16");
  for (int n = 20; n < 30; ++n) {
    std::atomic<bool> cancel = false;
    int seen = 0;
    GenerateOptions options = answer_of(0, 100, true);
    options.enough = [&](int) {
      cancel = ++seen == n;
      return false;
    };
    Session session(file.model());
    const auto answer =
        tarsier::generate(session, repeating(*file.model()), options, {}, {.cancel = &cancel});
    EXPECT_EQ(answer.finish, FinishReason::cancelled);
    EXPECT_EQ(answer.ids.size(), static_cast<std::size_t>(n));
    EXPECT_EQ(session.ids().size(), repeating(*file.model()).ids.size() + static_cast<std::size_t>(n) - 1);
    EXPECT_GT(session.stats().accepted_tokens, 0);
  }
}

}  // namespace
