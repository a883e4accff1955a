// How pictures and clips are put together into runs: by the memory that is there, and the rows are the same.
#include "src/run/media_encoder.h"

#include <gmock/gmock.h>

#include <random>

#include "tests/model_files.h"

namespace {

const std::string kPictures = std::string(TARSIER_SOURCE) + "/examples/pictures/";

const tarsier::LoadedModel& demo() {
  static const test::ModelFile file("tiny-vl-dense", "bf16", "bf16");
  return file.model()->loaded();
}

std::vector<tarsier::Media> pictures() {
  std::vector<tarsier::Media> out;
  std::mt19937 random(3);
  for (const auto& [height, width] : {std::pair(96, 128), {160, 96}, {64, 64}, {128, 192}}) {
    tarsier::Image image{.width = width, .height = height, .rgb = {}};
    image.rgb.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
    for (auto& byte : image.rgb) byte = static_cast<std::uint8_t>(random() >> 24);
    out.push_back(tarsier::image_media(demo().config.processor, image));
  }
  return out;
}

struct Encoded {
  std::vector<std::vector<float>> rows;
  std::uint64_t held;  // of the largest run
};
Encoded encode(const std::vector<tarsier::MediaItem>& items, const char* modality, std::uint64_t free) {
  tarsier::Runner runner(2, "");
  tarsier::MediaEncoder encoder(demo(), {}, [&] { return free; });
  Encoded out;
  for (const auto& rows : encoder.encode(items, modality, runner, {})) out.rows.push_back(rows->values);
  out.held = runner.held();
  return out;
}

// What a run alone of so many patches takes, with its rows.
std::uint64_t need_of(std::int64_t patches, bool still) {
  const tarsier::Runner runner(2, "");
  std::uint64_t least = 0;
  std::uint64_t enough = std::uint64_t{1} << 40;
  while (enough - least > 1) {
    const std::uint64_t middle = least + (enough - least) / 2;
    (tarsier::fits_memory(demo(), runner, patches, still, middle) ? enough : least) = middle;
  }
  return enough;
}

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;

TEST(MediaEncoder, pictures_share_a_run_as_far_as_memory_allows_with_the_same_rows) {
  const std::vector<tarsier::Media> media = pictures();
  std::vector<tarsier::MediaItem> items;
  std::int64_t all = 0;
  std::int64_t largest = 0;
  for (const tarsier::Media& m : media) {
    items.push_back(item_of(m));
    all += m.patches.grid.patches();
    largest = std::max(largest, m.patches.grid.patches());
  }
  const Encoded together = encode(items, "image", kPlenty);
  ASSERT_EQ(together.rows.size(), items.size());
  const std::uint64_t of_two = need_of(largest + media[0].patches.grid.patches(), true);
  ASSERT_LT(of_two, need_of(all, true));
  for (const std::uint64_t free : {need_of(largest, true), of_two, need_of(all, true)}) {
    const Encoded apart = encode(items, "image", free);
    EXPECT_EQ(apart.rows, together.rows) << free;
    EXPECT_TRUE(apart.held < together.held || free == need_of(all, true));
  }
  for (const tarsier::MediaItem& item : items) {  // a picture alone needs what it needs
    const std::uint64_t need = need_of(item.patches->grid.patches(), true);
    EXPECT_NO_THROW(encode({item}, "image", need));
    EXPECT_THROW(encode({item}, "image", need - 1), core::Error);
  }
}

TEST(MediaEncoder, a_clip_is_encoded_in_parts_that_fit_with_the_same_rows) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const tarsier::Media media =
      clip_media(demo().config.processor, tarsier::open_video_file(kPictures + "clip.mp4"), {.fps = 8});
  const tarsier::Patches whole = whole_patches(media);
  const tarsier::Grid grid = whole.grid;
  ASSERT_GE(grid.t, 4);
  const std::int64_t frame = grid.patches() / grid.t;
  const tarsier::MediaItem in_memory{.patches = &whole, .hash = 1, .clip = nullptr};
  for (const tarsier::MediaItem& item : {item_of(media), in_memory}) {
    const Encoded at_once = encode({item}, "video", kPlenty);
    ASSERT_EQ(at_once.rows.size(), 1U);
    for (const std::int64_t patches : {frame, 2 * frame, 3 * frame}) {
      const Encoded in_parts = encode({item}, "video", need_of(patches, false));
      EXPECT_EQ(in_parts.rows, at_once.rows) << patches;
      EXPECT_LT(in_parts.held, at_once.held);
    }
    EXPECT_THROW(encode({item}, "video", need_of(frame, false) - 1), core::Error);
  }
}

}  // namespace
