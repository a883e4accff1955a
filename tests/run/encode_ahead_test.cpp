// Pictures encoded before their question: the same bits, each encoded once, and the session stays usable.
#include "src/run/encode_ahead.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/model_files.h"

namespace {

using tarsier::Media;
using tarsier::Prompt;
using tarsier::Session;

const test::ModelFile& dense() {
  static const test::ModelFile file("tiny-vl-dense", "q8_0", "bf16");
  return file;
}
Prompt ask(const std::string& name) {
  const std::string path = std::string(TARSIER_TEST_DATA) + "/tiny-vl-dense/" + name;
  return dense().model()->prompt(tarsier::question("Describe this image.", {path}));
}
const tarsier::GenerateOptions kGreedy{.sampling = tarsier::SamplingOptions{.temperature = 0},
                                       .max_tokens = 48};

// What a session that encodes nothing ahead answers.
tarsier::GenerateResult plainly(const Prompt& prompt) {
  Session session(dense().model());
  return tarsier::generate(session, prompt, kGreedy);
}

struct Steps final : core::ProgressObserver {
  void progress(std::string_view step, double, double) override {
    seen.emplace(step);
    if (cancel_at == step) cancel = true;
  }
  std::set<std::string> seen;
  std::string cancel_at;
  std::atomic<bool> cancel = false;
};

TEST(EncodeAhead, a_question_behind_it_encodes_nothing_and_answers_the_same) {
  const Prompt prompt = ask("image/a.png");
  Session session(dense().model());
  session.encode_ahead(prompt.images);
  ASSERT_TRUE(session.timeline().ahead().finish({}));
  Steps steps;
  const auto answer = tarsier::generate(session, prompt, kGreedy, {}, {.progress = &steps});
  EXPECT_EQ(steps.seen, std::set<std::string>{"prompt"});
  EXPECT_EQ(session.stats().images, 1);
  EXPECT_GT(session.stats().encoding_seconds, 0);
  const auto wanted = plainly(prompt);
  EXPECT_EQ(answer.ids, wanted.ids);
  EXPECT_EQ(answer.log_probs, wanted.log_probs);
}

TEST(EncodeAhead, a_question_in_the_middle_of_it_waits_and_encodes_nothing_twice) {
  const Prompt prompt = ask("image/a.png");
  Session session(dense().model(), {.isa = "scalar"});
  session.encode_ahead(prompt.images);
  session.sync(prompt);
  EXPECT_EQ(session.stats().images, 1);
  Session fresh(dense().model(), {.isa = "scalar"});
  EXPECT_EQ(tarsier::generate(session, prompt, kGreedy).log_probs,
            tarsier::generate(fresh, prompt, kGreedy).log_probs);
}

TEST(EncodeAhead, waiting_shows_progress_and_can_be_cancelled) {
  std::vector<Media> many;  // long enough to be waited for
  const Prompt prompt = ask("image/a.png");
  for (std::uint64_t i = 0; i < 3000; ++i) {
    many.push_back(prompt.images[0]);
    many.back().hash += i;
  }
  Session session(dense().model(), {.threads = 1, .isa = "scalar"});
  session.encode_ahead(many);
  Steps steps;
  steps.cancel_at = "image";
  const auto stopped =
      tarsier::generate(session, prompt, kGreedy, {}, {.progress = &steps, .cancel = &steps.cancel});
  EXPECT_EQ(stopped.finish, tarsier::FinishReason::cancelled);
  EXPECT_EQ(steps.seen, std::set<std::string>{"image"});
  Session fresh(dense().model(), {.isa = "scalar"});
  EXPECT_EQ(tarsier::generate(session, prompt, kGreedy).log_probs,
            tarsier::generate(fresh, prompt, kGreedy).log_probs);
}

TEST(EncodeAhead, what_a_picture_took_is_told_with_the_question_that_has_it) {
  const Prompt one = ask("image/a.png");
  const Prompt other = ask("image_locate/a.png");
  Session session(dense().model());
  session.encode_ahead(other.images);
  ASSERT_TRUE(session.timeline().ahead().finish({}));
  session.sync(one);
  EXPECT_EQ(session.stats().images, 1);
  const double first = session.stats().encoding_seconds;
  EXPECT_LE(first, session.stats().image_seconds);
  session.sync(other);
  EXPECT_EQ(session.stats().images, 2);
  EXPECT_GT(session.stats().encoding_seconds, first);
  session.sync(one);
  EXPECT_EQ(session.stats().images, 2);
}

TEST(EncodeAhead, other_pictures_other_questions_and_the_end_stop_it) {
  const Prompt one = ask("image/a.png");
  const Prompt other = ask("image_locate/a.png");
  Session session(dense().model());
  session.encode_ahead(one.images);
  session.encode_ahead(other.images);
  session.encode_ahead(one.images);
  EXPECT_TRUE(session.timeline().ahead().has(one.images[0].hash));
  EXPECT_FALSE(session.timeline().ahead().has(other.images[0].hash));
  EXPECT_EQ(tarsier::generate(session, other, kGreedy).log_probs, plainly(other).log_probs);
  EXPECT_FALSE(session.timeline().ahead().has(one.images[0].hash));
  session.encode_ahead(one.images);
  session.append(5);  // a decoding step takes the runner back, too
  session.encode_ahead(one.images);
  EXPECT_EQ(tarsier::generate(session, one, kGreedy).log_probs, plainly(one).log_probs);
  session.encode_ahead(other.images);  // the session ends with it
}

}  // namespace
