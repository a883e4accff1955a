// A clip from a video file is what its frames are as pictures, and is encoded while it is decoded.
#include <gtest/gtest.h>

#include <atomic>

#include "src/engine.h"
#include "src/run/media_encoder.h"
#include "src/run/runner.h"
#include "tests/model_files.h"

namespace {

const std::string kPictures = std::string(TARSIER_SOURCE) + "/examples/pictures/";

const test::ModelFile& dense() {
  static const test::ModelFile file("tiny-vl-dense", "bf16", "bf16");
  return file;
}

tarsier::ContentPart clip(const std::string& path, const tarsier::ClipOptions& options = {}) {
  return {.kind = tarsier::ContentPart::Kind::video, .video = {.file = path, .options = options}};
}

TEST(Clip, a_video_file_is_read_like_the_list_of_its_frames) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const auto& model = dense().model();
  const tarsier::Prompt list = model->prompt(tarsier::read_conversation(kPictures + "clip.json"));
  const tarsier::Prompt film =
      model->prompt(tarsier::question_about({clip(kPictures + "clip.mp4")}, "What happens in this video?"));
  const tarsier::Prompt folder = model->prompt(
      tarsier::question_about({clip(kPictures + "clip", {.frame_rate = 8})}, "What happens in this video?"));
  for (const tarsier::Prompt* other : {&film, &folder}) {
    EXPECT_EQ(other->ids, list.ids);
    EXPECT_EQ(other->positions.t, list.positions.t);
    ASSERT_EQ(other->videos.size(), 1U);
    EXPECT_EQ(other->videos[0].frames_indices, list.videos[0].frames_indices);
    EXPECT_EQ(other->videos[0].seconds, list.videos[0].seconds);
    EXPECT_TRUE(other->videos[0].patches.values.empty());  // nothing is decoded yet
    EXPECT_EQ(whole_patches(other->videos[0]).values, list.videos[0].patches.values);
  }
  const tarsier::GenerateOptions greedy{.sampling = tarsier::SamplingOptions{.temperature = 0}};
  tarsier::Session a(model);
  tarsier::Session b(model);
  const auto answer = tarsier::generate(a, list, greedy);
  const auto of_film = tarsier::generate(b, film, greedy);
  EXPECT_EQ(answer.ids, of_film.ids);
  EXPECT_EQ(answer.log_probs, of_film.log_probs);
  EXPECT_EQ(b.stats().clips, 1);
  EXPECT_EQ(b.stats().images, 0);
  tarsier::generate(b, film, greedy);  // the same again is not decoded, nor encoded
  EXPECT_EQ(b.stats().clips, 1);
}

TEST(Clip, a_clip_encoded_in_several_runs_gives_the_bits_of_one) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const auto& model = dense().model();
  // Frames so large that a run takes half of them.
  tarsier::ProcessorConfig config = model->config().processor;
  config.video = {4096, std::int64_t{1} << 24};
  const tarsier::Media media =
      clip_media(config, tarsier::open_video_file(kPictures + "clip.mp4"),
                 {.fps = 8, .max_frames = 16, .frame_min_pixels = 512 * 512, .frame_max_pixels = 512 * 512});
  ASSERT_EQ(media.patches.grid, (tarsier::Grid{8, 32, 32}));
  const tarsier::Patches whole = whole_patches(media);
  tarsier::Runner runner(2, "", false);
  tarsier::MediaEncoder encoder(model->loaded());
  tarsier::MediaCost cost;
  const auto rows = [&](const tarsier::MediaItem& item) {
    return encoder.encode({&item, 1}, "video", runner, {}, &cost).at(0)->values;
  };
  const std::vector<float> streamed = rows(item_of(media));
  EXPECT_EQ(streamed, rows({.patches = &whole, .hash = 1, .clip = nullptr}));
  EXPECT_EQ(cost.clips, 2);
}

TEST(Clip, cancelling_ends_the_decoding) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const auto& model = dense().model();
  tarsier::Session session(model);
  const std::atomic<bool> cancel = true;
  const tarsier::Prompt prompt =
      model->prompt(tarsier::question_about({clip(kPictures + "clip.mp4")}, "What happens in this video?"));
  EXPECT_TRUE(session.sync(prompt, {.cancel = &cancel}).empty());
  EXPECT_EQ(session.stats().clips, 0);
  EXPECT_FALSE(session.sync(prompt).empty());
}

}  // namespace
