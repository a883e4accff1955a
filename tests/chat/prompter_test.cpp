// A dialogue becomes the prompt that the model would get of the same conversation.
#include "src/chat/prompter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/model_files.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::Prompt;
using tarsier::chat::append_answer;
using tarsier::chat::attach_file;
using tarsier::chat::Attachment;
using tarsier::chat::Dialogue;
using tarsier::chat::Prompter;
using tarsier::chat::Role;
using testing::HasSubstr;

const std::string kPictures = std::string(TARSIER_SOURCE) + "/examples/pictures/";

class Prompts : public testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = std::make_unique<test::ModelFile>("tiny-vl-dense"); }
  static void TearDownTestSuite() { file_.reset(); }
  static const std::shared_ptr<const tarsier::Model>& model() { return file_->model(); }
  static std::unique_ptr<test::ModelFile> file_;
};
std::unique_ptr<test::ModelFile> Prompts::file_;

void expect_equal(const Prompt& a, const Prompt& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.positions.t, b.positions.t);
  EXPECT_EQ(a.positions.h, b.positions.h);
  EXPECT_EQ(a.positions.w, b.positions.w);
  ASSERT_EQ(a.images.size(), b.images.size());
  for (std::size_t i = 0; i < a.images.size(); ++i) EXPECT_EQ(a.images[i].hash, b.images[i].hash);
  ASSERT_EQ(a.videos.size(), b.videos.size());
  for (std::size_t i = 0; i < a.videos.size(); ++i) EXPECT_EQ(a.videos[i].hash, b.videos[i].hash);
}

TEST_F(Prompts, equal_those_of_the_same_conversation) {
  Prompter prompter(model());
  Dialogue d;
  d.set_system("Be brief.");
  d.add({.role = Role::user, .text = "What?", .attached = {attach_file(kPictures + "two-shapes.png")}});
  d.add({.role = Role::assistant, .text = "That."});
  d.add({.role = Role::user, .text = "And this?", .attached = {attach_file(kPictures + "clip", {.fps = 2})}});
  tarsier::Conversation c = tarsier::question("What?", {kPictures + "two-shapes.png"}, "Be brief.");
  c.messages.push_back({.role = "assistant", .content = {{.text = "That."}}});
  tarsier::ContentPart clip{.kind = tarsier::ContentPart::Kind::video};
  for (int i = 0; i < 16; ++i) {
    const std::string n = std::to_string(i);
    clip.video.frames.push_back(kPictures + "clip/" + (i < 10 ? "0" : "") + n + ".png");
  }
  clip.video.fps = 2;
  clip.video.sample = true;
  c.messages.push_back({.role = "user", .content = {clip, {.text = "And this?"}}});
  const Prompt expected = model()->prompt(c, {.video_outer_markers = model()->config().video_outer_markers});
  expect_equal(prompter.make(d, nullptr, 4096, 100).prompt, expected);
  expect_equal(prompter.make(d, nullptr, 4096, 100).prompt, expected);  // from what was kept
}

TEST_F(Prompts, limits_of_pixels_hold_for_their_picture) {
  Prompter prompter(model());
  Attachment large = attach_file(kPictures + "two-shapes.png");
  Attachment small = large;
  small.limits = tarsier::PixelLimits{1024, 4096};
  Dialogue d;
  d.add({.role = Role::user, .text = "What?", .attached = {large, small}});
  const Prompt p = prompter.make(d, nullptr, 4096, 100).prompt;
  ASSERT_EQ(p.images.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const Attachment& a = i == 0 ? large : small;
    EXPECT_EQ(p.images[i].patches.grid.patches(), prompter.seen(a).patches);
    EXPECT_EQ(p.images[i].patches.resized, prompter.seen(a).size);
  }
  EXPECT_LT(prompter.seen(small).tokens, prompter.seen(large).tokens);
}

TEST_F(Prompts, whole_exchanges_leave_a_full_context_and_stay_out) {
  Prompter prompter(model());
  Dialogue d;
  d.set_system("S");
  for (int i = 0; i < 8; ++i) {
    d.add({.role = Role::user,
           .text = "Question " + std::to_string(i),
           .attached = {attach_file(kPictures + "two-shapes.png")}});
    d.add({.role = Role::assistant, .text = "Answer " + std::to_string(i)});
  }
  d.add({.role = Role::user, .text = "Last"});
  const int whole = static_cast<int>(prompter.make(d, nullptr, 4096, 10).prompt.ids.size());
  const int room = whole * 2 / 3;
  const Prompter::Result cut = prompter.make(d, nullptr, room, 10);
  EXPECT_GT(cut.dropped, 0);
  EXPECT_EQ(cut.dropped % 2, 0);
  EXPECT_LE(cut.prompt.ids.size(), static_cast<std::size_t>(room) * 3 / 4 - 10);
  EXPECT_THAT(cut.prompt.text, HasSubstr("system\nS<|im_end|>\n<|im_start|>user\n<|vision_start|>"));
  EXPECT_EQ(cut.prompt.images.size(), (16U - static_cast<std::size_t>(cut.dropped)) / 2);
  // What is kept is the same for the next question, so that the session need not read it again.
  d.add({.role = Role::assistant, .text = "x"});
  d.add({.role = Role::user, .text = "y"});
  EXPECT_EQ(prompter.make(d, nullptr, room, 10).dropped, cut.dropped);
}

TEST_F(Prompts, a_question_too_long_alone_is_an_error) {
  Prompter prompter(model());
  Dialogue d;
  const tarsier::chat::Turn question{.role = Role::user, .text = std::string(2000, 'x')};
  EXPECT_THAT(test::error_of([&] { prompter.make(d, &question, 100, 10); }),
              HasSubstr("the context holds 100"));
  EXPECT_TRUE(d.turns().empty());
}

TEST_F(Prompts, an_answer_goes_on_as_if_it_had_been_read) {
  // With ids behind it, the session gives what it would have given without a stop.
  tarsier::Session one(model()), two(model());
  Prompter prompter(model());
  Dialogue d;
  d.add({.role = Role::user,
         .text = "Describe this image.",
         .attached = {attach_file(kPictures + "two-shapes.png")}});
  tarsier::GenerateOptions greedy;
  greedy.sampling = tarsier::SamplingOptions{.temperature = 0};
  Prompt prompt = prompter.make(d, nullptr, 4096, 10).prompt;
  const auto whole = tarsier::generate(one, prompt, greedy);
  greedy.max_tokens = 5;
  auto begun = tarsier::generate(two, prompt, greedy);
  ASSERT_EQ(begun.ids.size(), 5U);
  append_answer(prompt, begun.ids);
  greedy.max_tokens = 100;
  const auto rest = tarsier::generate(two, prompt, greedy);
  begun.ids.insert(begun.ids.end(), rest.ids.begin(), rest.ids.end());
  EXPECT_EQ(begun.ids, whole.ids);
  EXPECT_EQ(begun.text + rest.text, whole.text);
}

}  // namespace
