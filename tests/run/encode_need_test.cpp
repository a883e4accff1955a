// What encoding a picture is said to take, against what it takes.
#include "src/run/encode_need.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iostream>
#include <random>

#include "src/run/media_encoder.h"
#include "tests/model_files.h"

namespace {

const test::ModelFile& demo() {
  static const test::ModelFile file("tiny-vl-dense", "bf16", "bf16");
  return file;
}

tarsier::Image noise(int height, int width) {
  tarsier::Image image{.width = width, .height = height, .rgb = {}};
  image.rgb.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  std::mt19937 random(7);
  for (auto& byte : image.rgb) byte = static_cast<std::uint8_t>(random() >> 24);
  return image;
}

tarsier::ProcessorConfig up_to(std::int64_t tokens) {
  tarsier::ProcessorConfig config = demo().model()->config().processor;
  const std::int64_t side = std::int64_t{config.patch_size} * config.merge_size;
  config.image = {side * side, tokens * side * side};
  return config;
}

// Bytes behind a name of /proc/self/status; 0: not there.
std::uint64_t status(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == name && file >> kib) return kib * 1024;
  }
  return 0;
}

TEST(EncodeNeed, the_sizes_are_those_that_the_processor_gives) {
  tarsier::Runner runner(2, "");
  for (const auto& [height, width] : {std::pair(480, 640), {33, 700}, {64, 64}, {1000, 300}}) {
    const tarsier::ProcessorConfig config = up_to(300);
    const auto need = tarsier::picture_need(demo().model()->loaded(), runner, config, {height, width});
    const tarsier::Patches patches = tarsier::image_patches(config, noise(height, width));
    EXPECT_EQ(need.resized, patches.resized);
    EXPECT_EQ(need.patches, patches.grid.patches());
    EXPECT_EQ(need.tokens * config.merge_size * config.merge_size, need.patches);
    EXPECT_EQ(need.patch_bytes, patches.values.size() * sizeof(float));
  }
}

// From decoded pixels to the rows that are kept: at most a tenth more than planned, and not much less.
TEST(EncodeNeed, memory_at_its_peak_is_what_was_planned) {
  tarsier::Runner runner(2, "");
  tarsier::MediaEncoder encoder(demo().model()->loaded());
  const auto encode = [&](const tarsier::ProcessorConfig& config, int height, int width) {
    const tarsier::Media media = tarsier::image_media(config, noise(height, width));  // pixels go, as in use
    const tarsier::MediaItem item = tarsier::item_of(media);
    return encoder.encode({&item, 1}, "image", runner, {}).size();
  };
  ASSERT_EQ(encode(up_to(64), 64, 64), 1U);  // weights, tables and stacks are there now
  for (const auto& [height, width, tokens] : {std::tuple(1024, 1024, 1024), {2048, 1536, 4096}}) {
    const auto need = tarsier::picture_need(demo().model()->loaded(), runner, up_to(tokens), {height, width});
    const std::uint64_t held = runner.held();
    const std::uint64_t before = status("VmRSS:");
    std::ofstream reset("/proc/self/clear_refs");
    if (!(reset << "5" << std::flush)) GTEST_SKIP() << "this kernel does not let a peak be measured anew";
    ASSERT_EQ(encode(up_to(tokens), height, width), 1U);
    const std::uint64_t peak = status("VmHWM:") - before;
    const std::uint64_t planned = need.peak() - held;
    std::cout << height << " x " << width << ": planned " << planned / 1000 << " kB, measured " << peak / 1000
              << " kB\n";
    EXPECT_LE(peak, planned + planned / 10);
    EXPECT_GE(peak, planned / 2);
  }
}

TEST(EncodeNeed, what_does_not_fit_is_refused_with_the_numbers_and_what_would) {
  tarsier::Runner runner(2, "");
  const tarsier::LoadedModel& model = demo().model()->loaded();
  const int unit = model.config.vision.spatial_merge_unit();
  const std::uint64_t free = 100'000'000;
  try {
    tarsier::require_memory(model, runner, 16384 * unit, true, free);
    FAIL();
  } catch (const core::Error& e) {
    const std::string text = e.what();
    EXPECT_THAT(text, testing::HasSubstr("16384 tokens"));
    EXPECT_THAT(text, testing::HasSubstr("100 MB are free"));
    const std::string mark = "the largest that fits has ";
    const std::int64_t most = std::stoll(text.substr(text.find(mark) + mark.size()));
    EXPECT_GT(most, 64);
    EXPECT_NO_THROW(tarsier::require_memory(model, runner, most * unit, true, free));
    EXPECT_THROW(tarsier::require_memory(model, runner, (most + 1) * unit, true, free), core::Error);
  }
}

TEST(EncodeNeed, the_largest_picture_that_fits_is_the_largest) {
  tarsier::Runner runner(2, "");
  const tarsier::LoadedModel& model = demo().model()->loaded();
  const tarsier::ProcessorConfig config = up_to(16384);
  const tarsier::Size original{3000, 4000};
  const auto need = [&](tarsier::PixelLimits limits) {
    tarsier::ProcessorConfig smaller = config;
    smaller.image = limits;
    return tarsier::picture_need(model, runner, smaller, original);
  };
  const auto whole =
      tarsier::fitting_limits(model, runner, config, original, {.bytes = std::uint64_t{1} << 40});
  ASSERT_TRUE(whole);
  EXPECT_EQ(need(*whole).resized, need(config.image).resized);

  const std::uint64_t bytes = need(config.image).peak() / 3;
  const auto less = tarsier::fitting_limits(model, runner, config, original, {.bytes = bytes});
  ASSERT_TRUE(less);
  EXPECT_LE(need(*less).peak(), bytes);
  const std::int64_t side = std::int64_t{config.patch_size} * config.merge_size;
  EXPECT_GT(need({1, less->max_pixels + side * side}).peak(), bytes);

  // Two more of the kind: their patches and rows are there, too.
  const auto of_three =
      tarsier::fitting_limits(model, runner, config, original, {.bytes = bytes, .beside = 2});
  ASSERT_TRUE(of_three);
  const auto together = [&](tarsier::PixelLimits limits) {
    const tarsier::PictureNeed one = need(limits);
    return one.peak() + 2 * (one.patch_bytes + one.row_bytes);
  };
  EXPECT_LE(together(*of_three), bytes);
  EXPECT_GT(together({1, of_three->max_pixels + config.token_pixels()}), bytes);

  const tarsier::EncodeSpeed speed{1e9, 1e9, 1e9, 1e6};
  const double seconds = tarsier::encode_seconds(model, speed, need(config.image).patches, 1) / 5;
  const auto quick = tarsier::fitting_limits(
      model, runner, config, original, {.bytes = std::uint64_t{1} << 40, .seconds = seconds, .speed = speed});
  ASSERT_TRUE(quick);
  EXPECT_LE(tarsier::encode_seconds(model, speed, need(*quick).patches, 1), seconds);
  EXPECT_GT(tarsier::encode_seconds(model, speed, need({1, quick->max_pixels + side * side}).patches, 1),
            seconds);

  EXPECT_FALSE(tarsier::fitting_limits(model, runner, config, original, {.bytes = 1000}));
}

TEST(EncodeNeed, the_largest_clip_that_fits_is_the_largest) {
  tarsier::Runner runner(2, "");
  const tarsier::LoadedModel& model = demo().model()->loaded();
  tarsier::ProcessorConfig config = up_to(16384);
  config.video = {4096, std::int64_t{1} << 24};
  const tarsier::VideoInfo film{.frames = 64, .fps = 8, .seconds = 8, .size = {480, 640}};
  const tarsier::ClipOptions options{.fps = 2};
  const auto need = [&](const tarsier::ClipOptions& with) {
    return tarsier::clip_need(model, runner, config, film, with);
  };
  const std::uint64_t plenty = std::uint64_t{1} << 40;
  const auto whole = tarsier::fitting_options(model, runner, config, film, options, {.bytes = plenty});
  ASSERT_TRUE(whole);
  EXPECT_EQ(need(*whole).form.frames, 16);
  EXPECT_EQ(need(*whole).form.resized, (tarsier::Size{480, 640}));

  const tarsier::EncodeSpeed speed{1e9, 1e9, 1e9, 1e6};
  const auto seconds = [&](const tarsier::ClipNeed& clip) {
    return tarsier::encode_seconds(model, speed, clip.patches, clip.form.grid.t);
  };
  const std::uint64_t bytes = need(options).bytes / 3;
  const double quick = seconds(need(options)) / 5;
  const auto small = tarsier::fitting_options(model, runner, config, film, options, {.bytes = bytes});
  const auto soon = tarsier::fitting_options(model, runner, config, film, options,
                                             {.bytes = plenty, .seconds = quick, .speed = speed});
  ASSERT_TRUE(small && soon);
  EXPECT_LE(need(*small).bytes, bytes);
  EXPECT_LE(seconds(need(*soon)), quick);
  const auto larger = [&](tarsier::ClipOptions with) {
    *with.max_pixels += config.token_pixels() * config.temporal_patch_size;
    return need(with);
  };
  EXPECT_GT(larger(*small).bytes, bytes);
  EXPECT_GT(seconds(larger(*soon)), quick);
  EXPECT_EQ(need(*small).form.frames, 16);  // the frames are smaller, not fewer
  EXPECT_FALSE(tarsier::fitting_options(model, runner, config, film, options, {.bytes = 1000}));
}

TEST(EncodeNeed, seconds_grow_faster_than_the_picture) {
  tarsier::Runner runner(2, "");
  const tarsier::LoadedModel& model = demo().model()->loaded();
  const tarsier::EncodeSpeed speed = tarsier::measure_encode_speed(model, runner);
  for (const double rate : {speed.products, speed.attention, speed.others, speed.patches}) EXPECT_GT(rate, 0);
  const double small = tarsier::encode_seconds(model, speed, 1024, 1);
  EXPECT_GT(tarsier::encode_seconds(model, speed, 4096, 1),
            4 * small);  // attention: every patch with every other
  EXPECT_NEAR(tarsier::encode_seconds(model, speed, 4096, 4), 4 * small, small);  // of four pictures
}

}  // namespace
