// Every example runs with the dense demo model and says what it should.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "src/input/video_file.h"
#include "tests/cli/program.h"

namespace {

using test::Output;
using testing::ContainsRegex;
using testing::StartsWith;

class Examples : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TemporaryFolder>();
    const Output made = test::run("tarsier convert models/tiny-vl-dense -o " + model());
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static std::string model() { return *folder_ / "dense.gguf"; }

  static std::unique_ptr<test::TemporaryFolder> folder_;
};
std::unique_ptr<test::TemporaryFolder> Examples::folder_;

constexpr const char* kPicture = " examples/pictures/two-shapes.png";

TEST_F(Examples, describe_image_prints_the_answer) {
  const Output o = test::run("describe_image " + model() + kPicture);
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, "A yellow cross on the left and a red circle on the right.\n");
}

TEST_F(Examples, chat_reads_the_picture_only_once) {
  const Output o = test::run("chat_two_turns " + model() + kPicture);
  EXPECT_EQ(o.code, 0) << o.err;
  // 26 tokens; then all of them and the answer's are kept, and the new turn is read.
  EXPECT_THAT(
      o.out,
      StartsWith(
          "A yellow cross on the left and a red circle on the right.\n(26 tokens read, 0 still there)\n"
          "There are two shapes.\n"));
  EXPECT_THAT(o.out, ContainsRegex("\\([0-9]+ tokens read, (2[6-9]|[3-9][0-9]) still there\\)\n$"));
}

TEST_F(Examples, score_sentence_prefers_what_the_model_was_trained_on) {
  const auto nats = [&](const std::string& sentence) {
    const Output o = test::run("score_sentence " + model() + " '" + sentence + "'");
    EXPECT_EQ(o.code, 0) << o.err;
    return std::stod(o.out);
  };
  EXPECT_LT(nats("There are two shapes."), nats("shapes two are There."));
}

TEST_F(Examples, clip_patches_tells_what_is_seen_of_a_video) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const Output o = test::run("clip_patches examples/pictures/clip.mp4");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out,
              StartsWith("16 frames, 8.000 a second, h264; 4 of them, 64 x 64, first <0.3 seconds> last "
                         "<1.6 seconds>\n"));
}

TEST_F(Examples, list_boxes_gives_places_in_pixels) {
  const Output o = test::run("list_boxes " + model() + kPicture);
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(
      o.out,
      ContainsRegex(
          "^yellow cross: [0-9]+,[0-9]+ to [0-9]+,[0-9]+\nred circle: [0-9]+,[0-9]+ to [0-9]+,[0-9]+\n$"));
}

TEST_F(Examples, errors_are_one_line) {
  for (const std::string name : {"describe_image", "chat_two_turns", "list_boxes"}) {
    const Output o = test::run(name + " " + model() + " /nowhere.png");
    EXPECT_EQ(o.code, 1) << name;
    EXPECT_THAT(o.err, ContainsRegex("^" + name + ": /nowhere.png[^\n]*\n$"));
    EXPECT_EQ(test::run(name).code, 2);
  }
}

}  // namespace
