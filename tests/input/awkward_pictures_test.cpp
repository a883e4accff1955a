// Every picture file of tests/data/awkward: whole ones give Pillow's bytes, broken and lying ones one error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "ggml-like-core/base/error.h"
#include "src/input/image.h"
#include "src/input/image_animation.h"

namespace tarsier {
namespace {

const std::string kFolder = std::string(TARSIER_TEST_DATA) + "/awkward/";

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  core::require(file.good(), path, ": cannot be opened");
  const std::vector<char> all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<std::byte> out(all.size());
  if (!all.empty()) std::memcpy(out.data(), all.data(), all.size());
  return out;
}

// FNV-1a of 64 bits, as the generator writes it.
std::string hash_of(const Image& image) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::uint8_t byte : image.rgb) hash = (hash ^ byte) * 0x100000001b3U;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

bool needs_libheif(const std::string& file) { return file.ends_with(".avif") || file.ends_with(".heic"); }

// Whether this build decodes HEIC and AVIF.
bool has_libheif() {
  try {
    load_image(kFolder + "full_chroma.avif");
  } catch (const core::Error& e) {
    return std::string_view(e.what()).find("no libheif") == std::string_view::npos;
  }
  return true;
}

std::vector<nlohmann::json> rows() {
  std::ifstream file(kFolder + "expected.json");
  std::vector<nlohmann::json> out;
  const nlohmann::json all = nlohmann::json::parse(file);
  for (const auto& row : all.at("files")) {
    if (needs_libheif(row.at("file")) && !has_libheif())
      std::cout << row.at("file") << " is left out: this build has no libheif\n";
    else
      out.push_back(row);
  }
  return out;
}

TEST(AwkwardPictures, whole_files_of_every_format_give_the_bytes_of_pillow) {
  int files = 0;
  for (const auto& row : rows()) {
    if (!row.contains("rgb")) continue;
    const std::string file = row.at("file");
    SCOPED_TRACE(file);
    const Image image = load_image(kFolder + file);
    EXPECT_EQ(image.width, row.at("width"));
    EXPECT_EQ(image.height, row.at("height"));
    EXPECT_EQ(hash_of(image), row.at("rgb"));
    ++files;
  }
  EXPECT_GE(files, 60);
}

TEST(AwkwardPictures, other_lossy_decoders_stay_within_the_computed_bound) {
  for (const auto& row : rows()) {
    if (!row.contains("bound")) continue;
    SCOPED_TRACE(row.at("file"));
    const Image image = load_image(kFolder + row.at("file").get<std::string>());
    const Image want = load_image(kFolder + row.at("reference").get<std::string>());
    ASSERT_EQ(image.width, want.width);
    ASSERT_EQ(image.height, want.height);
    int most = 0;
    for (std::size_t k = 0; k < want.rgb.size(); ++k)
      most = std::max(most, std::abs(image.rgb[k] - want.rgb[k]));
    EXPECT_LE(most, row.at("bound").get<int>());
  }
}

TEST(AwkwardPictures, a_background_shows_through_as_pillow_composites_it) {
  int files = 0;
  for (const auto& row : rows()) {
    if (!row.contains("over_white")) continue;
    SCOPED_TRACE(row.at("file"));
    const Image image =
        load_image(kFolder + row.at("file").get<std::string>(), {.background = Colour{255, 255, 255}});
    EXPECT_EQ(hash_of(image), row.at("over_white"));
    ++files;
  }
  EXPECT_GE(files, 10);
}

TEST(AwkwardPictures, frames_of_animations_are_those_of_pillow) {
  int files = 0;
  for (const auto& row : rows()) {
    if (!row.contains("frames")) continue;
    SCOPED_TRACE(row.at("file"));
    const auto bytes = read_file(kFolder + row.at("file").get<std::string>());
    std::vector<std::string> hashes;
    decode_animation(bytes, "FILE", [&](const Image& frame, std::size_t index) {
      EXPECT_EQ(index, hashes.size());
      hashes.push_back(hash_of(frame));
      return true;
    });
    EXPECT_EQ(hashes, row.at("frames").get<std::vector<std::string>>());
    EXPECT_EQ(frame_delays(bytes, "FILE"), row.at("delays").get<std::vector<int>>());
    std::size_t seen = 0;
    decode_animation(bytes, "FILE", [&](const Image&, std::size_t) { return ++seen < 2; });
    EXPECT_EQ(seen, 2U) << "the sink asked to stop";
    ++files;
  }
  EXPECT_GE(files, 10);
  EXPECT_THROW(decode_animation(read_file(kFolder + "plain.jpg"), "FILE", [](auto&&...) { return true; }),
               core::Error);
  EXPECT_EQ(frame_delays(read_file(kFolder + "rgb.png"), "FILE").size(), 1U);
  EXPECT_TRUE(frame_delays(read_file(kFolder + "plain.jpg"), "FILE").empty());
}

TEST(AwkwardPictures, broken_and_lying_files_are_refused_with_their_name_and_no_memory) {
  constexpr long kMostKilobytes = 32 << 10;  // a header of 60,000 x 60,000 pixels stands for 10 GB
  const auto peak = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const auto all = rows();
  const long before = peak();
  int files = 0;
  for (const auto& row : all) {
    if (!row.contains("error")) continue;
    const std::string path = kFolder + row.at("file").get<std::string>();
    SCOPED_TRACE(path);
    const auto bytes = read_file(path);
    try {
      decode_image(bytes, "FILE");
      ADD_FAILURE() << "was decoded";
    } catch (const core::Error& e) {
      EXPECT_THAT(e.what(), testing::StartsWith("FILE: "));
      EXPECT_THAT(e.what(), testing::Not(testing::HasSubstr("\n")));
    }
    ++files;
  }
  EXPECT_GE(files, 20);
  EXPECT_LT(peak() - before, kMostKilobytes);
}

TEST(AwkwardPictures, what_was_done_is_said) {
  const auto said = [](const std::string& file, const ImageOptions& options = {}) {
    return describe(decode_with_facts(read_file(kFolder + file), file, options).facts, options);
  };
  EXPECT_EQ(said("plain.jpg"), "JPEG 45 x 34");
  EXPECT_EQ(said("exif6.jpg"), "JPEG 45 x 34, turned upright");
  EXPECT_EQ(said("exif6.jpg", {.rotate = false}), "JPEG 45 x 34, not turned upright");
  EXPECT_EQ(said("rgba.png"), "PNG 45 x 34, alpha dropped");
  EXPECT_EQ(said("rgba.png", {.background = Colour{}}), "PNG 45 x 34, over black");
  EXPECT_EQ(said("grey16.tif"), "TIFF 45 x 34, the high 8 bits of each sample");
  EXPECT_EQ(said("frames_disposal2.gif"), "GIF 45 x 34, the first of 3 frames, alpha dropped");
  EXPECT_EQ(said("pages.tif"), "TIFF 45 x 34, the first of 2 pages");
  EXPECT_EQ(load_image(kFolder + "exif6.jpg", {.rotate = false}).width, 45);
}

TEST(AwkwardPictures, a_background_has_a_name) {
  EXPECT_EQ(background_named("#10a0ff"), (Colour{0x10, 0xa0, 0xff}));
  EXPECT_EQ(background_named("none"), std::nullopt);
  for (const char* name : {"none", "white", "black", "#10a0ff"})
    EXPECT_EQ(name_of(background_named(name)), name);
  for (const char* name : {"", "red", "#12345", "#12345g", "123456", "#1234567"})
    EXPECT_THROW(background_named(name), core::Error) << name;
}

// Cut off anywhere, a file gives an error or what is whole of it, and never a crash; a shortened file that
// decodes is as large as the whole one.
TEST(AwkwardPictures, files_cut_anywhere_or_with_broken_bytes_never_crash) {
  std::mt19937 random(11);
  int refused = 0;
  for (const auto& row : rows()) {
    if (row.contains("error")) continue;
    SCOPED_TRACE(row.at("file"));
    const auto whole = read_file(kFolder + row.at("file").get<std::string>());
    const auto attempt = [&](std::span<const std::byte> bytes, bool same_size) {
      try {
        const Image image = decode_image(bytes, "FILE", {.max_pixels = 1 << 20});
        EXPECT_TRUE(!same_size || image.width == row.at("width"));
        decode_animation(bytes, "FILE", [](const Image&, std::size_t) { return true; },
                         {.max_pixels = 1 << 20});
      } catch (const core::Error&) {
        ++refused;
      }
    };
    for (const std::size_t tenth : {1U, 3U, 5U, 7U, 9U})
      attempt(std::span(whole).first(whole.size() * tenth / 10), true);
    for (const std::size_t less : {1U, 2U, 8U}) attempt(std::span(whole).first(whole.size() - less), true);
    for (int round = 0; round < 12; ++round) {
      auto broken = whole;
      const std::size_t reach = round % 2 == 0 ? std::min<std::size_t>(200, whole.size()) : whole.size();
      for (int k = 0; k <= round % 3; ++k) broken[random() % reach] = static_cast<std::byte>(random());
      attempt(broken, false);
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace tarsier
