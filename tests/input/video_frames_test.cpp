// Frame sampling and time stamps against transformers' rows.
#include "src/input/video_frames.h"

#include <gtest/gtest.h>

#include <numeric>

#include "ggml-like-core/base/error.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

TEST(VideoFrames, every_row_of_transformers_sampling_is_reproduced) {
  const auto rows = test::read_json(std::string(TARSIER_TEST_DATA) + "/vectors/frame_sampling.json");
  ASSERT_EQ(rows.size(), 240U);
  for (const auto& row : rows) {
    SCOPED_TRACE(row.dump());
    FrameSampling sampling{.min_frames = row.at("min_frames").get<int>(),
                           .max_frames = row.at("max_frames").get<int>()};
    if (row.contains("target_fps")) sampling.fps = row.at("target_fps").get<double>();
    if (row.contains("target_num_frames")) sampling.num_frames = row.at("target_num_frames").get<int>();
    const double fps = row.at("video_fps").get<double>();
    const std::vector<int> indices = sample_frames(row.at("total_num_frames").get<int>(), fps, sampling);
    ASSERT_EQ(indices.size(), row.at("num_sampled").get<std::size_t>());
    if (!row.at("indices").is_null()) {
      EXPECT_EQ(indices, row.at("indices").get<std::vector<int>>());
    }
    const auto head = row.at("indices_head").get<std::vector<int>>();
    const auto tail = row.at("indices_tail").get<std::vector<int>>();
    EXPECT_TRUE(std::equal(head.begin(), head.end(), indices.begin()));
    EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), indices.rbegin()));
    EXPECT_EQ(std::accumulate(indices.begin(), indices.end(), std::int64_t{0}),
              row.at("index_sum").get<std::int64_t>());
    const std::vector<double> seconds = frame_timestamps(indices, fps);
    EXPECT_EQ(seconds.size(), (indices.size() + 1) / 2);
    const auto want_seconds = row.at("timestamps").get<std::vector<double>>();
    const auto want_text = row.at("text").get<std::vector<std::string>>();
    ASSERT_LE(want_seconds.size(), seconds.size());
    for (std::size_t k = 0; k < want_seconds.size(); ++k) {
      EXPECT_EQ(seconds[k], want_seconds[k]);
      EXPECT_EQ(timestamp_text(seconds[k]), want_text[k]);
    }
  }
}

TEST(VideoFrames, time_stamps_are_rounded_as_python_rounds_them) {
  EXPECT_EQ(timestamp_text(0), "<0.0 seconds>");
  EXPECT_EQ(timestamp_text(0.25), "<0.2 seconds>");
  EXPECT_EQ(timestamp_text(0.75), "<0.8 seconds>");
  EXPECT_EQ(timestamp_text(1.25), "<1.2 seconds>");
  EXPECT_EQ(timestamp_text(0.35), "<0.3 seconds>");  // the double is 0.34999...
  EXPECT_EQ(timestamp_text(0.15), "<0.1 seconds>");  // 0.1499999...
  EXPECT_EQ(timestamp_text(0.05), "<0.1 seconds>");  // 0.05000000000000000277
  EXPECT_EQ(timestamp_text(12345.95), "<12346.0 seconds>");
}

TEST(VideoFrames, without_a_rate_the_source_counts_as_24_frames_per_second) {
  EXPECT_EQ(sample_frames(48, std::nullopt), sample_frames(48, 24.0));
  EXPECT_EQ(sample_frames(48, std::nullopt), (std::vector<int>{0, 16, 31, 47}));
}

TEST(VideoFrames, a_group_of_any_length_is_stamped_with_the_mean_of_its_ends) {
  const std::vector<int> indices = {0, 2, 4, 6, 8};
  EXPECT_EQ(frame_timestamps(indices, 2, 1), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(frame_timestamps(indices, 2, 2), (std::vector<double>{0.5, 2.5, 4}));
  EXPECT_EQ(frame_timestamps(indices, 2, 3), (std::vector<double>{1, 3.5}));
  EXPECT_TRUE(frame_timestamps({}, 2, 2).empty());
}

TEST(VideoFrames, impossible_numbers_are_errors) {
  EXPECT_THROW(sample_frames(0, 24.0), core::Error);
  EXPECT_THROW(sample_frames(10, 0.0), core::Error);
  EXPECT_THROW(sample_frames(10, -1.0), core::Error);
  EXPECT_THROW(sample_frames(10, std::numeric_limits<double>::quiet_NaN()), core::Error);
  EXPECT_THROW(sample_frames(10, 24.0, {.fps = 0}), core::Error);
  EXPECT_THROW(sample_frames(10, 24.0, {.num_frames = 0}), core::Error);
  EXPECT_THROW(sample_frames(10, 24.0, {.num_frames = 2'000'000'000}), core::Error);
  EXPECT_THROW(frame_timestamps(std::vector<int>{1}, 0.0), core::Error);
  EXPECT_THROW(frame_timestamps(std::vector<int>{1}, 1.0, 0), core::Error);
  EXPECT_THROW(timestamp_text(std::numeric_limits<double>::infinity()), core::Error);
  EXPECT_EQ(sample_frames(std::numeric_limits<int>::max(), 1e-9, {.max_frames = 3}).size(), 3U);
}

TEST(VideoFrames, a_part_of_a_video_keeps_its_own_numbers_and_times) {
  // qwen-vl-utils: from ceil(1.2 * 10) to floor(3.05 * 10).
  const SampledFrames part = sample_video({.frames = 100, .fps = 10}, {.start = 1.2, .end = 3.05});
  EXPECT_EQ(part.indices, (std::vector<int>{12, 18, 24, 30}));
  EXPECT_EQ(part.seconds, (std::vector<double>{1.2, 1.8, 2.4, 3.0}));
  const SampledFrames whole = sample_video({.frames = 100, .fps = 10}, {});
  EXPECT_EQ(whole.indices, sample_frames(100, 10.0));
  const SampledFrames past_the_end = sample_video({.frames = 100, .fps = 10}, {.start = 9.8, .end = 99});
  EXPECT_EQ(past_the_end.indices, (std::vector<int>{98, 99}));
  EXPECT_THROW(sample_video({.frames = 100, .fps = 10}, {.start = 10}), core::Error);
  EXPECT_THROW(sample_video({.frames = 100, .fps = 10}, {.start = 3, .end = 2}), core::Error);
  EXPECT_THROW(sample_video({.frames = 100, .fps = 10}, {.start = -1}), core::Error);
}

TEST(VideoFrames, uneven_frames_are_taken_by_the_clock) {
  const std::vector<double> shown = {0, 4, 4.1, 4.2, 8};
  const FrameTimes source{.frames = 5, .fps = 5 / 8.5, .seconds = shown};
  const SampledFrames all = sample_video(source, {.fps = 2, .min_frames = 4, .max_frames = 768});
  EXPECT_EQ(all.seconds, (std::vector<double>{0, 2, 4, 6, 8}));
  EXPECT_EQ(all.indices, (std::vector<int>{0, 0, 1, 3, 4}));
  const SampledFrames part = sample_video(source, {.fps = 2, .min_frames = 2, .max_frames = 768, .start = 4});
  EXPECT_EQ(part.indices, (std::vector<int>{1, 3, 3, 4}));
  EXPECT_THROW(sample_video(source, {.start = 8.1}), core::Error);
}

TEST(VideoFrames, times_are_seconds_or_clocks) {
  EXPECT_EQ(parse_seconds("90"), 90);
  EXPECT_EQ(parse_seconds("1.5"), 1.5);
  EXPECT_EQ(parse_seconds("1:30"), 90);
  EXPECT_EQ(parse_seconds("01:02:03.25"), 3723.25);
  EXPECT_EQ(parse_seconds("90:00"), 5400);
  for (const char* wrong :
       {"", "x", "1:", ":1", "1:60", "1.5:00", "1:2:3:4", "-1", "1e3", "nan", "1 ", "0x10"})
    EXPECT_FALSE(parse_seconds(wrong)) << wrong;
}

}  // namespace
}  // namespace tarsier
