// Sizes, patches and their order against transformers: rows of numbers, and pixel_values of every fixture,
// bit for bit.
#include "src/input/processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "ggml-like-core/base/error.h"
#include "src/input/resize.h"
#include "src/input/video_frames.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

const std::string kData = TARSIER_TEST_DATA;

Size size_of(const nlohmann::json& j) { return {j.at(0).get<int>(), j.at(1).get<int>()}; }
PixelLimits limits_of(const nlohmann::json& row) {
  return {row.at("min_pixels").get<std::int64_t>(), row.at("max_pixels").get<std::int64_t>()};
}

// The text of the Error that call gives.
template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}

// Our sentence for each of transformers' two.
std::string reason_for(const std::string& hf_error) {
  if (hf_error.starts_with("absolute aspect ratio")) return "side ratio of";
  if (hf_error.ends_with("temporal_factor:2")) return "frames, expected at least 2";
  return "an error of transformers that this test does not know: " + hf_error;
}

TEST(Processor, smart_resize_equals_every_row_of_transformers) {
  const auto rows = test::read_json(kData + "/vectors/smart_resize.json");
  ASSERT_EQ(rows.size(), 500U);
  for (const auto& row : rows) {
    SCOPED_TRACE(row.dump());
    const auto call = [&] {
      return smart_resize(row.at("height").get<int>(), row.at("width").get<int>(),
                          row.at("factor").get<int>(), limits_of(row));
    };
    if (row.contains("error")) {
      EXPECT_THAT(error_of(call), testing::HasSubstr(reason_for(row.at("error").get<std::string>())));
    } else {
      EXPECT_EQ(call(), size_of(row.at("result")));
    }
  }
}

TEST(Processor, video_smart_resize_equals_every_row_of_transformers) {
  const auto rows = test::read_json(kData + "/vectors/video_smart_resize.json");
  ASSERT_EQ(rows.size(), 300U);
  int capped = 0;
  for (const auto& row : rows) {
    SCOPED_TRACE(row.dump());
    const int num_frames = row.at("num_frames").get<int>();
    const auto call = [&](PixelLimits limits) {
      return video_smart_resize(num_frames, row.at("height").get<int>(), row.at("width").get<int>(),
                                row.at("temporal_factor").get<int>(), row.at("factor").get<int>(), limits);
    };
    const ProcessorConfig cap{.video = limits_of(row), .cap_pixels_per_frame = true};
    if (row.contains("error")) {
      EXPECT_THAT(error_of([&] { call(limits_of(row)); }),
                  testing::HasSubstr(reason_for(row.at("error").get<std::string>())));
    } else {
      EXPECT_EQ(call(limits_of(row)), size_of(row.at("result")));
    }
    if (row.contains("capped")) {
      ++capped;
      EXPECT_EQ(call(video_limits(cap, num_frames)), size_of(row.at("capped")));
    }
  }
  EXPECT_GT(capped, 200);
}

ProcessorConfig model_config(const std::string& model) {
  const std::string folder = std::string(TARSIER_SOURCE) + "/models/" + model + "/";
  const auto image = test::read_json(folder + "preprocessor_config.json");
  const auto video = test::read_json(folder + "video_preprocessor_config.json");
  const auto limits = [](const nlohmann::json& j) {
    return PixelLimits{j.at("size").at("shortest_edge").get<std::int64_t>(),
                       j.at("size").at("longest_edge").get<std::int64_t>()};
  };
  ProcessorConfig c;
  c.patch_size = image.at("patch_size").get<int>();
  c.temporal_patch_size = image.at("temporal_patch_size").get<int>();
  c.merge_size = image.at("merge_size").get<int>();
  c.mean = image.at("image_mean").get<std::array<float, 3>>();
  c.std = image.at("image_std").get<std::array<float, 3>>();
  c.image = limits(image);
  c.video = limits(video);
  c.video_fps = video.at("fps").get<double>();
  c.min_frames = video.at("min_frames").get<int>();
  c.max_frames = video.at("max_frames").get<int>();
  return c;
}

struct Inputs {
  std::vector<float> image_values, video_values;
  std::vector<std::int64_t> image_grids, video_grids;
};

void append(std::vector<float>& values, std::vector<std::int64_t>& grids, const Patches& patches) {
  values.insert(values.end(), patches.values.begin(), patches.values.end());
  grids.insert(grids.end(), {patches.grid.t, patches.grid.h, patches.grid.w});
}

// Everything that the messages of a case show, in their order.
Inputs inputs_of(const std::string& folder, const ProcessorConfig& config) {
  Inputs out;
  const auto conversation = test::read_json(folder + "/messages.json");
  for (const auto& message : conversation.at("messages")) {
    if (!message.at("content").is_array()) continue;
    for (const auto& part : message.at("content")) {
      if (part.at("type") == "image") {
        const Image image = load_image(folder + "/" + part.at("image").get<std::string>());
        append(out.image_values, out.image_grids, image_patches(config, image));
        EXPECT_EQ(image_grid(config, image.height, image.width), image_patches(config, image).grid);
      }
      if (part.at("type") != "video") continue;
      std::vector<Image> frames;
      for (const auto& file : part.at("video"))
        frames.push_back(load_image(folder + "/" + file.get<std::string>()));
      if (part.at("sample").get<bool>()) {
        const FrameSampling sampling{
            .fps = config.video_fps, .min_frames = config.min_frames, .max_frames = config.max_frames};
        std::vector<Image> sampled;
        for (const int k :
             sample_frames(static_cast<int>(frames.size()), part.at("fps").get<double>(), sampling)) {
          sampled.push_back(frames[static_cast<std::size_t>(k)]);
        }
        frames = sampled;
      }
      const Patches patches = video_patches(config, frames);
      append(out.video_values, out.video_grids, patches);
      EXPECT_EQ(video_grid(config, static_cast<int>(frames.size()), frames[0].height, frames[0].width),
                patches.grid);
    }
  }
  return out;
}

TEST(Processor, pixel_values_of_every_model_fixture_are_bit_equal) {
  int images = 0;
  int videos = 0;
  for (const std::string model : {"tiny-vl-dense", "tiny-vl-moe"}) {
    const ProcessorConfig config = model_config(model);
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(kData) / model)) {
      const std::string folder = entry.path().string();
      if (!std::filesystem::exists(folder + "/messages.json")) continue;
      SCOPED_TRACE(folder);
      const test::SafetensorsFile dump(folder + "/dump.safetensors");
      const Inputs got = inputs_of(folder, config);
      EXPECT_EQ(got.image_grids.empty(), !dump.has("image_grid_thw"));
      EXPECT_EQ(got.video_grids.empty(), !dump.has("video_grid_thw"));
      if (dump.has("image_grid_thw")) {
        EXPECT_EQ(got.image_grids, dump.i64("image_grid_thw"));
      }
      if (dump.has("video_grid_thw")) {
        EXPECT_EQ(got.video_grids, dump.i64("video_grid_thw"));
      }
      if (dump.has("pixel_values")) {
        ++images;
        EXPECT_TRUE(got.image_values == dump.f32("pixel_values"));
      }
      if (dump.has("pixel_values_videos")) {
        ++videos;
        EXPECT_TRUE(got.video_values == dump.f32("pixel_values_videos"));
      }
    }
  }
  std::printf("pixel values compared: %d cases with pictures, %d with videos\n", images, videos);
  EXPECT_GE(images, 5);
  EXPECT_GE(videos, 3);
}

TEST(Processor, pixel_values_of_every_file_format_are_bit_equal) {
  const ProcessorConfig config = model_config("tiny-vl-dense");
  const std::string folder = kData + "/tiny-vl-dense/formats/";
  const test::SafetensorsFile want(folder + "formats.safetensors");
  int equal = 0;
  for (const auto& [name, tensor] : want.tensors) {
    if (!name.ends_with(".pixel_values")) continue;
    SCOPED_TRACE(name);
    const std::string file = name.substr(0, name.size() - std::string(".pixel_values").size());
    const Patches patches = image_patches(config, load_image(folder + file));
    EXPECT_EQ((std::vector<std::int64_t>{patches.grid.t, patches.grid.h, patches.grid.w}),
              want.i64(file + ".image_grid_thw"));
    // On purpose unlike transformers: 16-bit grey is not clipped to white, and a transparent palette entry
    // keeps its colour instead of being blended over white. So these two files must equal their plain
    // relatives.
    const std::string relative = file == "grey16.png"                ? "grey.png"
                                 : file == "palette_transparent.png" ? "palette.png"
                                                                     : file;
    const std::vector<float> stored = want.f32(relative + ".pixel_values");
    ++equal;
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), patches.values.begin()));
  }
  EXPECT_EQ(equal, 20);
}

TEST(Processor, pixel_values_of_the_resize_vectors_are_bit_equal) {
  const test::SafetensorsFile want(kData + "/vectors/resize.safetensors");
  ProcessorConfig config;
  config.image = {4096, 20480};
  const std::string prefix = kData + "/vectors/resize_";
  for (int k = 0; k < 10; ++k) {
    const std::string id = std::to_string(k);
    const Patches patches = image_patches(config, load_image(std::string(prefix).append(id).append(".png")));
    const std::vector<float> stored = want.f32(id + ".pixel_values");
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), patches.values.begin())) << id;
  }
}

Image numbered(int height, int width, int first) {
  Image image{width, height, {}};
  for (int k = 0; k < height * width * 3; ++k) image.rgb.push_back(static_cast<std::uint8_t>(first + k * 7));
  return image;
}

// The layout as transformers' reshape and permute define it, for any sizes.
TEST(Processor, patches_lie_in_merge_block_order_for_every_patch_merge_and_temporal_size) {
  for (const int patch : {2, 14, 16}) {
    for (const int merge : {1, 2, 3}) {
      for (const int temporal : {1, 2, 3}) {
        SCOPED_TRACE(std::to_string(patch) + " " + std::to_string(merge) + " " + std::to_string(temporal));
        const ProcessorConfig config{.patch_size = patch,
                                     .temporal_patch_size = temporal,
                                     .merge_size = merge,
                                     .do_resize = false,
                                     .do_rescale = false,
                                     .do_normalize = false};
        const int height = patch * merge * 2;
        const int width = patch * merge * 3;
        const std::vector<Image> frames = {numbered(height, width, 0), numbered(height, width, 31),
                                           numbered(height, width, 62), numbered(height, width, 93)};
        const Patches got = video_patches(config, frames);
        const int grid_t = (4 + temporal - 1) / temporal;
        ASSERT_EQ(got.grid, (Grid{grid_t, 2 * merge, 3 * merge}));
        std::size_t at = 0;
        for (int t = 0; t < grid_t; ++t)
          for (int block_y = 0; block_y < 2; ++block_y)
            for (int block_x = 0; block_x < 3; ++block_x)
              for (int my = 0; my < merge; ++my)
                for (int mx = 0; mx < merge; ++mx)
                  for (int c = 0; c < 3; ++c)
                    for (int dt = 0; dt < temporal; ++dt)
                      for (int y = 0; y < patch; ++y)
                        for (int x = 0; x < patch; ++x, ++at) {
                          const Image& frame =
                              frames[static_cast<std::size_t>(std::min(t * temporal + dt, 3))];
                          const int row = (block_y * merge + my) * patch + y;
                          const int column = (block_x * merge + mx) * patch + x;
                          ASSERT_EQ(got.values[at],
                                    frame.rgb[static_cast<std::size_t>((row * width + column) * 3 + c)]);
                        }
        ASSERT_EQ(at, got.values.size());
      }
    }
  }
}

TEST(Processor, levels_are_rescaled_and_normalized_as_torch_does_it_in_f32) {
  const Image image = numbered(32, 32, 0);
  ProcessorConfig c{.do_resize = false};
  EXPECT_EQ(image_patches(c, image).values[0], (0.0F - 127.5F) / 127.5F);
  c.mean = {0.48145466F, 0.4578275F, 0.40821073F};  // CLIP's
  c.std = {0.26862954F, 0.26130258F, 0.27577711F};
  EXPECT_EQ(image_patches(c, image).values[1], (21.0F - 0.48145466F * 255.0F) / (0.26862954F * 255.0F));
  c.do_rescale = false;
  EXPECT_EQ(image_patches(c, image).values[1], (21.0F - 0.48145466F) / 0.26862954F);
  c.do_normalize = false;
  EXPECT_EQ(image_patches(c, image).values[1], 21.0F);
  c.do_rescale = true;
  EXPECT_EQ(image_patches(c, image).values[1], 21.0F * 0.00392156862745098F);
}

TEST(Processor, limits_that_nobody_asked_for_give_way_to_those_asked_for) {
  const auto over = [](const PixelWish& wish) {
    const PixelLimits out = wish.over({100, 1000});
    return std::pair(out.min_pixels, out.max_pixels);
  };
  EXPECT_EQ(over({}), std::pair(100L, 1000L));
  EXPECT_EQ(over({.min_pixels = 50, .max_pixels = 500}), std::pair(50L, 500L));
  EXPECT_EQ(over({.min_pixels = {}, .max_pixels = 500}), std::pair(100L, 500L));
  EXPECT_EQ(over({.min_pixels = {}, .max_pixels = 50}), std::pair(50L, 50L));
  EXPECT_EQ(over({.min_pixels = 2000, .max_pixels = {}}), std::pair(2000L, 2000L));
  EXPECT_THAT(error_of([&] { over({.min_pixels = 51, .max_pixels = 50}); }),
              testing::HasSubstr("at least 51 and at most 50"));
}

TEST(Processor, threads_change_no_bit_and_are_as_many_as_asked_for) {
  const Image image = numbered(300, 500, 0);
  ProcessorConfig config{.image = {1, 400 * 400}};
  const Patches all_cores = image_patches(config, image);
  for (const int threads : {1, 3}) {
    config.threads = threads;
    EXPECT_EQ(image_patches(config, image).values, all_cores.values);
    EXPECT_EQ(picture_team(image, threads).threads(), threads);
  }
  EXPECT_EQ(picture_team(numbered(32, 32, 0), 3).threads(), 1);
}

TEST(Processor, what_cannot_be_made_into_patches_is_an_error) {
  const ProcessorConfig c;
  EXPECT_THAT(error_of([&] { image_patches(c, Image{}); }), testing::HasSubstr("0 rows"));
  EXPECT_THAT(error_of([&] { image_patches(c, Image{2, 2, {1, 2, 3}}); }), testing::HasSubstr("3 bytes"));
  EXPECT_THAT(error_of([&] { image_patches({.do_resize = false}, numbered(31, 32, 0)); }),
              testing::HasSubstr("multiples of 32"));
  EXPECT_THAT(error_of([&] { image_patches({.patch_size = 0}, numbered(32, 32, 0)); }),
              testing::HasSubstr("patch size 0"));
  EXPECT_THAT(error_of([&] {
                image_patches({.std = {0, 1, 1}}, numbered(32, 32, 0));
              }),
              testing::HasSubstr("deviation of 0"));
  EXPECT_THAT(error_of([&] {
                image_grid({.image = {std::int64_t{1} << 62, std::int64_t{1} << 62}}, 32, 32);
              }),
              testing::HasSubstr("min_pixels"));
  EXPECT_THAT(error_of([&] { image_grid({.image = {0, 100}}, 32, 32); }), testing::HasSubstr("positive"));
  EXPECT_THAT(error_of([&] { video_patches(c, {}); }), testing::HasSubstr("no frames"));
  const std::vector<Image> unequal = {numbered(32, 32, 0), numbered(32, 64, 0)};
  EXPECT_THAT(error_of([&] { video_patches(c, unequal); }), testing::HasSubstr("after one of"));
  const std::vector<Image> one = {numbered(32, 32, 0)};
  EXPECT_THAT(error_of([&] { video_patches(c, one); }), testing::HasSubstr("frames, expected at least 2"));
}

}  // namespace
}  // namespace tarsier
