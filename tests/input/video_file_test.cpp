// Video files of every kind against what transformers sees in them.
#include "src/input/video_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "ggml-like-core/base/error.h"
#include "src/input/animation_video.h"
#include "src/input/media.h"
#include "src/input/video_frames.h"
#include "tests/safetensors_file.h"
#include "tests/temp_folder.h"

namespace tarsier {
namespace {

const std::string kFolder = std::string(TARSIER_TEST_DATA) + "/awkward-videos/";
// Levels by which two versions of swscale may differ; the same version gives equal bytes.
constexpr int kLevels = 4;

std::vector<Image> frames_of(const VideoFile& file, const std::vector<int>& indices) {
  std::vector<Image> out;
  file.read(
      indices,
      [&](Image image) {
        out.push_back(std::move(image));
        return true;
      },
      nullptr);
  return out;
}

std::vector<int> every(const VideoFile& file, int step) {
  std::vector<int> out;
  for (int i = 0; i < file.info().frames; i += step) out.push_back(i);
  return out;
}

int largest_difference(const Image& a, std::span<const std::uint8_t> b) {
  if (a.rgb.size() != b.size()) return 256;
  int out = 0;
  for (std::size_t i = 0; i < b.size(); ++i) out = std::max(out, std::abs(a.rgb[i] - b[i]));
  return out;
}

TEST(VideoFile, every_awkward_file_is_seen_as_transformers_sees_it) {
  if (!reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const auto rows = test::read_json(kFolder + "expected.json");
  const test::SafetensorsFile last_frames(kFolder + "frames.safetensors");
  ASSERT_GE(rows.size(), 40U);
  const ProcessorConfig config;
  for (const auto& [name, row] : rows.items()) {
    SCOPED_TRACE(name);
    if (row.contains("error")) {
      EXPECT_THROW((void)clip_media(config, open_video_file(kFolder + name), {}), core::Error);
      continue;
    }
    const auto file = open_video_file(kFolder + name);
    const VideoInfo& info = file->info();
    EXPECT_EQ(info.frames, row.at("frames").get<int>());
    ASSERT_TRUE(info.fps);
    EXPECT_DOUBLE_EQ(*info.fps, row.at("fps").get<double>());
    EXPECT_EQ((std::vector{info.size.height, info.size.width}), row.at("size").get<std::vector<int>>());
    const Media media = clip_media(config, file, {});
    EXPECT_EQ(media.frames_indices, row.at("indices").get<std::vector<int>>());
    std::vector<std::string> texts;
    for (const double seconds : media.seconds) texts.push_back(timestamp_text(seconds));
    EXPECT_EQ(texts, row.at("texts").get<std::vector<std::string>>());
    const Grid grid = media.patches.grid;
    EXPECT_EQ((std::vector{grid.t, grid.h, grid.w}), row.at("grid").get<std::vector<int>>());
    const std::vector<Image> frames = frames_of(*file, media.frames_indices);
    ASSERT_EQ(frames.size(), media.frames_indices.size());
    if (!last_frames.has(name)) continue;
    EXPECT_LE(largest_difference(frames.back(), last_frames.u8(name)), kLevels);
  }
}

TEST(VideoFile, frames_do_not_depend_on_what_is_skipped_between_them) {
  if (!reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  for (const char* name :
       {"h264.mp4", "hevc.mp4", "mpeg4.mp4", "vp8.webm", "vp9.webm", "av1.mkv", "mpeg2.mpg",
        "cut_by_edit_list.mp4", "late_start.mkv", "turned_90.mov", "even.gif"}) {
    SCOPED_TRACE(name);
    const auto file = open_video_file(kFolder + name);
    const std::vector<Image> all = frames_of(*file, every(*file, 1));
    ASSERT_EQ(all.size(), static_cast<std::size_t>(file->info().frames));
    for (const int step : {2, 5, 9, file->info().frames - 1}) {
      const std::vector<int> indices = every(*file, step);
      const std::vector<Image> some = frames_of(*file, indices);
      ASSERT_EQ(some.size(), indices.size());
      for (std::size_t k = 0; k < some.size(); ++k)
        EXPECT_EQ(some[k].rgb, all[static_cast<std::size_t>(indices[k])].rgb) << "frame " << indices[k];
    }
  }
}

TEST(VideoFile, animations_are_the_same_without_ffmpeg) {
  if (!reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  for (const char* name : {"even.gif", "delays.gif", "animation.apng"}) {
    SCOPED_TRACE(name);
    const auto animation = open_animation(kFolder + name);
    const auto film = open_video_file(kFolder + name);
    EXPECT_EQ(animation->info().frames, film->info().frames);
    EXPECT_EQ(animation->info().size, film->info().size);
    EXPECT_EQ(animation->info().fps, film->info().fps);
    const std::vector<Image> a = frames_of(*animation, every(*animation, 2));
    const std::vector<Image> b = frames_of(*film, every(*film, 2));
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t k = 0; k < a.size(); ++k) EXPECT_EQ(a[k].rgb, b[k].rgb) << "frame " << 2 * k;
  }
}

TEST(VideoFile, the_same_frame_may_be_asked_for_again) {
  if (!reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const auto file = open_video_file(kFolder + "h264.mp4");
  const std::vector<Image> frames = frames_of(*file, {3, 3, 4});
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(frames[0].rgb, frames[1].rgb);
  EXPECT_NE(frames[1].rgb, frames[2].rgb);
}

TEST(VideoFile, reading_ends_where_the_sink_has_enough_or_somebody_stops_it) {
  if (!reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const auto file = open_video_file(kFolder + "h264.mp4");
  int seen = 0;
  const VideoSink two = [&](const Image&) { return ++seen < 2; };
  EXPECT_FALSE(file->read(every(*file, 1), two, nullptr));
  EXPECT_EQ(seen, 2);
  const std::atomic<bool> stop = true;
  seen = 0;
  EXPECT_FALSE(file->read(every(*file, 1), two, &stop));
  EXPECT_EQ(seen, 0);
}

TEST(VideoFile, what_is_wrong_with_a_file_is_said_with_its_name) {
  const auto message = [](const std::string& path) { return test::error_of([&] { open_video_file(path); }); };
  if (!reads_video_files()) {
    EXPECT_NE(message("x.mp4").find("without FFmpeg"), std::string::npos);
    GTEST_SKIP() << "without FFmpeg's libraries";
  }
  EXPECT_NE(message("/no/such.mp4").find("/no/such.mp4: No such file"), std::string::npos);
  EXPECT_NE(message(kFolder + "empty.mp4").find("is empty"), std::string::npos);
  EXPECT_NE(message(kFolder + "only_sound.m4a").find("holds no video"), std::string::npos);
  EXPECT_NE(message(kFolder + "cover_picture.m4a").find("cover picture"), std::string::npos);
  EXPECT_NE(message(kFolder + "text.mp4").find("is not a video"), std::string::npos);
  EXPECT_NE(message(kFolder).find("is no file"), std::string::npos);
}

TEST(VideoFile, the_hash_is_that_of_the_frames_and_not_of_the_name) {
  if (!reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const std::uint64_t hash = open_video_file(kFolder + "h264.mp4")->info().hash;
  EXPECT_EQ(open_video_file(kFolder + "not_a_picture.png")->info().hash, hash);
  EXPECT_NE(open_video_file(kFolder + "damaged.mp4")->info().hash, hash);
  EXPECT_NE(open_video_file(kFolder + "turned_90.mov")->info().hash,
            open_video_file(kFolder + "turned_270.mov")->info().hash);
}

// Cut anywhere, a file is refused or gives frames of its size.
TEST(VideoFile, a_file_cut_off_anywhere_does_no_harm) {
  if (!reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const test::TempFolder folder;
  for (const char* name :
       {"h264.mp4", "vp9.webm", "mjpeg.avi", "mpeg2.mpg", "delays.gif", "animation.apng"}) {
    const std::string whole = test::read_bytes(kFolder + name);
    for (std::size_t part = 1; part < 12; ++part) {
      SCOPED_TRACE(name + std::string(" ") + std::to_string(part));
      const std::string path =
          folder.write("cut", std::string_view(whole).substr(0, whole.size() * part / 12));
      try {
        const auto file = open_video_file(path);
        for (const Image& image : frames_of(*file, every(*file, 3))) {
          EXPECT_EQ(image.width, 32);
          EXPECT_EQ(image.height, 32);
        }
      } catch (const core::Error& e) {
        EXPECT_NE(std::string_view(e.what()), "");
      }
    }
  }
}

}  // namespace
}  // namespace tarsier
