// Turns leave a timeline, what is behind them stays.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "tests/model_files.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::Conversation;
using tarsier::Prompt;
using tarsier::Session;

const test::ModelFile& dense() {
  static const test::ModelFile file("tiny-vl-dense");
  return file;
}

// Exchanges [first, last) about a picture each, and a question.
Prompt talk(const tarsier::Model& model, int first, int last, const std::string& question) {
  const char* pictures[] = {"two-shapes.png", "clip/00.png", "clip/08.png", "clip/15.png"};
  const char* answers[] = {"A yellow cross on the left and a red circle on the right.", "A red circle.",
                           "A blue square and a green triangle.", "There are two shapes."};
  const auto picture = [&](int i) {
    return std::string(TARSIER_SOURCE) + "/examples/pictures/" + pictures[i % 4];
  };
  Conversation c = tarsier::question("Describe this image.", {picture(first)}, "You see shapes.");
  for (int i = first; i < last; ++i) {
    c.messages.push_back({.role = "assistant", .content = {{.text = answers[i % 4]}}});
    if (i + 1 == last) break;
    c.messages.push_back(tarsier::question("Describe this image.", {picture(i + 1)}).messages.back());
  }
  c.messages.push_back({.role = "user", .content = {{.text = question}}});
  return model.prompt(c);
}

std::vector<float> logits_of(Session& session, const Prompt& prompt) {
  const auto logits = session.sync(prompt);
  return {logits.begin(), logits.end()};
}

double divergence(const std::vector<float>& p, const std::vector<float>& q) {
  double sum = 0;
  for (int i = 0; i < static_cast<int>(p.size()); ++i) {
    const double log_p = tarsier::token_score(p, i).log_prob;
    sum += std::exp(log_p) * (log_p - tarsier::token_score(q, i).log_prob);
  }
  return sum;
}

// In the first layer a key depends on its token and position alone: there it must be what reading gives.
TEST(Shift, keys_are_where_reading_again_would_put_them) {
  const auto& model = dense().model();
  const Prompt cut = talk(*model, 1, 4, "How many shapes are there?");
  Session fresh(model);
  fresh.sync(cut);
  Session session(model);
  session.sync(talk(*model, 0, 4, "Name a colour."));
  const int kept = session.timeline().shift(cut);
  EXPECT_GT(kept, 60);
  const int length = session.length();
  EXPECT_TRUE(std::equal(session.ids().begin(), session.ids().end(), cut.ids.begin()));
  session.sync(cut);
  EXPECT_EQ(session.ids(), fresh.ids());
  EXPECT_EQ(session.stats().shifted_tokens, kept);
  EXPECT_EQ(session.stats().reused_tokens, length);
  EXPECT_LT(static_cast<int>(cut.ids.size()) - length, 30);  // the new question
  EXPECT_EQ(session.stats().images, 4);                      // none was encoded again
  const auto& c = model->config().text;
  std::vector<float> found(static_cast<std::size_t>(c.head_dim));
  std::vector<float> expected(found.size());
  double worst = 0;
  for (int i = 0; i < fresh.length(); ++i)
    for (int head = 0; head < c.num_key_value_heads; ++head) {
      session.timeline().cache().read_key(session.timeline().table(), 0, head, i, found.data());
      fresh.timeline().cache().read_key(fresh.timeline().table(), 0, head, i, expected.data());
      for (std::size_t d = 0; d < found.size(); ++d)
        worst = std::max(worst, std::abs(double{found[d]} - expected[d]));
    }
  EXPECT_LT(worst, 1e-5);
}

// What attention falls back on stays where it is, bit by bit: the system's turn and the first tokens at all.
TEST(Shift, what_the_conversation_begins_with_is_not_touched) {
  const auto& model = dense().model();
  const Prompt whole = talk(*model, 0, 4, "Name a colour.");
  const Prompt cut = talk(*model, 1, 4, "How many shapes are there?");
  const auto alike = static_cast<int>(  // before the first picture
      std::find(cut.token_types.begin(), cut.token_types.end(), 1) - cut.token_types.begin());
  EXPECT_GE(alike, 12);  // <|im_start|>system, its words, <|im_end|>, <|im_start|>user
  Session session(model, {.kv_type = core::DType::q8_0});
  session.sync(whole);
  const auto& c = model->config().text;
  const auto beginning = [&] {
    std::vector<float> keys;
    std::vector<float> key(static_cast<std::size_t>(c.head_dim));
    for (int layer = 0; layer < c.num_hidden_layers; ++layer)
      for (int head = 0; head < c.num_key_value_heads; ++head)
        for (int i = 0; i < alike; ++i) {
          session.timeline().cache().read_key(session.timeline().table(), layer, head, i, key.data());
          keys.insert(keys.end(), key.begin(), key.end());
        }
    return keys;
  };
  const std::vector<float> before = beginning();
  ASSERT_GT(session.timeline().shift(cut), 0);
  EXPECT_EQ(beginning(), before);
  session.sync(cut);
  EXPECT_EQ(beginning(), before);
}

TEST(Shift, a_timeline_from_disk_is_cut_at_once) {
  const auto& model = dense().model();
  const Prompt cut = talk(*model, 1, 4, "How many shapes are there?");
  const test::TempFolder folder;
  Session session(model);
  session.sync(talk(*model, 0, 4, "Name a colour."));
  session.timeline().save(folder.path("kv"));
  Session other(model);
  other.timeline().restore(folder.path("kv"));
  const int kept = session.timeline().shift(cut);
  EXPECT_GT(kept, 60);
  EXPECT_EQ(other.timeline().shift(cut), kept);
  EXPECT_EQ(logits_of(other, cut), logits_of(session, cut));
  EXPECT_EQ(other.stats().images, 0);
  // A cut one, saved and restored, can be cut again, and knows what was moved.
  session.timeline().save(folder.path("kv"));
  Session third(model);
  third.timeline().restore(folder.path("kv"));
  const Prompt more = talk(*model, 2, 4, "How many shapes are there?");
  EXPECT_EQ(third.timeline().shift(more), session.timeline().shift(more));
  EXPECT_EQ(logits_of(third, more), logits_of(session, more));
  third.timeline().forget_shifted();
  Session fresh(model);
  EXPECT_EQ(logits_of(third, more), logits_of(fresh, more));
}

TEST(Shift, answers_are_nearly_those_of_reading_again) {
  const auto& model = dense().model();
  for (const core::DType kv_type : {core::DType::f32, core::DType::q8_0}) {
    std::vector<double> shifted;  // KL from reading again, a token each
    std::vector<double> uncut;    // of what no turn has left, to compare with
    for (int first = 1; first <= 3; ++first)
      for (const char* question :
           {"How many shapes are there?", "Describe this image.", "What is 3 plus 4?"}) {
        const Prompt cut = talk(*model, first, 4, question);
        Session session(model, {.kv_type = kv_type});
        session.sync(talk(*model, 0, 4, "Name a colour."));
        ASSERT_GT(session.timeline().shift(cut), 0);
        std::vector<float> found = logits_of(session, cut);
        Session fresh(model, {.kv_type = kv_type});
        std::vector<float> wanted = logits_of(fresh, cut);
        Session all(model, {.kv_type = kv_type});
        std::vector<float> before = logits_of(all, talk(*model, 0, 4, question));
        for (int token = 0; token < 8; ++token) {  // along the answer of reading again
          shifted.push_back(divergence(wanted, found));
          uncut.push_back(divergence(wanted, before));
          const auto id = static_cast<int>(std::max_element(wanted.begin(), wanted.end()) - wanted.begin());
          const auto a = session.append(id);
          found.assign(a.begin(), a.end());
          const auto b = fresh.append(id);
          wanted.assign(b.begin(), b.end());
          const auto c = all.append(id);
          before.assign(c.begin(), c.end());
        }
      }
    const auto mean = [](const std::vector<double>& kl) {
      return std::accumulate(kl.begin(), kl.end(), 0.0) / static_cast<double>(kl.size());
    };
    const auto say = [&](const char* what, std::vector<double>& kl) {
      std::sort(kl.begin(), kl.end());
      std::cout << core::info(kv_type).name << ", " << what << ": KL " << mean(kl) << " nats a token, median "
                << kl[kl.size() / 2] << ", most " << kl.back() << "\n";
    };
    say("shifted", shifted);
    say("no turn has left", uncut);
    // Nearer than the conversation that nothing has left. Its words about pictures may differ: of what was
    // seen while the turns were there, something stays in what follows them.
    EXPECT_LT(mean(shifted), mean(uncut));
    EXPECT_LT(shifted[shifted.size() / 2], 1e-3);
  }
}

TEST(Shift, what_was_shifted_is_read_again_when_asked_for) {
  const auto& model = dense().model();
  const Prompt cut = talk(*model, 2, 4, "How many shapes are there?");
  Session fresh(model);
  const auto wanted = logits_of(fresh, cut);
  Session session(model);
  session.sync(talk(*model, 0, 4, "Name a colour."));
  ASSERT_GT(session.timeline().shift(cut), 0);
  EXPECT_NE(logits_of(session, cut), wanted);
  session.timeline().forget_shifted();
  EXPECT_EQ(logits_of(session, cut), wanted);
  session.timeline().forget_shifted();  // nothing any more
  EXPECT_EQ(session.length(), static_cast<int>(cut.ids.size()));
}

TEST(Shift, what_is_no_cut_changes_nothing) {
  const auto& model = dense().model();
  const Prompt whole = talk(*model, 0, 4, "Name a colour.");
  Session session(model);
  EXPECT_EQ(session.timeline().shift(whole), 0);  // nothing is there
  session.sync(whole);
  for (const Prompt& other : {whole, model->prompt(tarsier::question("What is 3 plus 4?")),
                              talk(*model, 0, 4, "How many shapes are there?")}) {
    const auto ids = session.ids();
    EXPECT_EQ(session.timeline().shift(other), 0);
    EXPECT_EQ(session.ids(), ids);
  }
  Session fresh(model);
  EXPECT_EQ(logits_of(session, whole), logits_of(fresh, whole));
}

}  // namespace
