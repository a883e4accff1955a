// Prompts of the tiny models against what transformers' processor made of the same conversations.
#include "src/input/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "ggml-like-core/base/error.h"
#include "src/input/tokenizer_json.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

namespace fs = std::filesystem;

const std::string kData = TARSIER_TEST_DATA;

PixelLimits limits(const nlohmann::json& file) {
  return {file.at("size").at("shortest_edge").get<std::int64_t>(),
          file.at("size").at("longest_edge").get<std::int64_t>()};
}

// What making a prompt needs of a checkpoint.
struct Checkpoint {
  explicit Checkpoint(const std::string& name)
      : folder(std::string(TARSIER_SOURCE) + "/models/" + name),
        tokenizer(read_tokenizer_json(folder + "/tokenizer.json")) {
    const auto image = test::read_json(folder + "/preprocessor_config.json");
    const auto video = test::read_json(folder + "/video_preprocessor_config.json");
    processor.image = limits(image);
    processor.video = limits(video);
    processor.video_fps = video.at("fps").get<double>();
    processor.min_frames = video.at("min_frames").get<int>();
    processor.max_frames = video.at("max_frames").get<int>();
    for (const auto& file : {image, video}) {
      EXPECT_EQ(file.at("patch_size"), processor.patch_size);
      EXPECT_EQ(file.at("temporal_patch_size"), processor.temporal_patch_size);
      EXPECT_EQ(file.at("merge_size"), processor.merge_size);
      EXPECT_EQ(file.at("image_mean"), nlohmann::json(processor.mean));
      EXPECT_EQ(file.at("image_std"), nlohmann::json(processor.std));
    }
    const auto config = test::read_json(folder + "/config.json");
    context = {.tokenizer = &tokenizer,
               .processor = &processor,
               .image_pad = config.at("image_token_id").get<int>(),
               .video_pad = config.at("video_token_id").get<int>(),
               .vision_start = config.at("vision_start_token_id").get<int>(),
               .vision_end = config.at("vision_end_token_id").get<int>()};
  }

  std::string folder;
  Tokenizer tokenizer;
  ProcessorConfig processor;
  PromptContext context;
};

const Checkpoint& dense() {
  static const Checkpoint checkpoint("tiny-vl-dense");
  return checkpoint;
}

std::vector<std::string> cases(const std::string& model) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(fs::path(kData) / model))
    if (fs::exists(entry.path() / "messages.json")) out.push_back(entry.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

template <class T>
std::vector<std::int64_t> wide(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

void expect_grids(const std::vector<Media>& media, const test::SafetensorsFile& dump,
                  const std::string& name) {
  std::vector<std::int64_t> found;
  for (const Media& m : media)
    for (const int side : {m.patches.grid.t, m.patches.grid.h, m.patches.grid.w}) found.push_back(side);
  EXPECT_EQ(found, dump.has(name) ? dump.i64(name) : std::vector<std::int64_t>{}) << name;
}

// Pictures and clips one after another, where the dump keeps them (1 of them) or not (0). The bound is that
// of tests/data/README.md for pixels; what they are is the processor's tests' concern, here it is their
// order.
int expect_pixels(const std::vector<Media>& media, const test::SafetensorsFile& dump,
                  const std::string& name) {
  if (!dump.has(name)) return 0;
  std::vector<float> found;
  for (const Media& m : media) found.insert(found.end(), m.patches.values.begin(), m.patches.values.end());
  const std::vector<float> wanted = dump.f32(name);
  EXPECT_EQ(found.size(), wanted.size()) << name;
  float worst = 0;
  for (std::size_t i = 0; i < std::min(found.size(), wanted.size()); ++i)
    worst = std::max(worst, std::abs(found[i] - wanted[i]));
  EXPECT_LE(worst, 1e-6F) << name;
  return 1;
}

// The number of pixel tensors compared.
int expect_case(const Checkpoint& checkpoint, const std::string& folder, const std::string& results,
                bool outer_markers) {
  SCOPED_TRACE(results);
  const test::SafetensorsFile dump(results + "/dump.safetensors");
  const auto result = test::read_json(results + "/result.json");
  const Prompt prompt = build_prompt(checkpoint.context, read_conversation(folder + "/messages.json"),
                                     {.video_outer_markers = outer_markers});
  EXPECT_EQ(prompt.text, result.at("prompt").get<std::string>());
  EXPECT_EQ(checkpoint.tokenizer.decode(prompt.ids), result.at("expanded_prompt").get<std::string>());
  EXPECT_EQ(wide(prompt.ids), dump.i64("input_ids"));
  EXPECT_EQ(wide(prompt.token_types), dump.i64("mm_token_type_ids"));
  std::vector<std::int64_t> positions;
  for (const auto* axis : {&prompt.positions.t, &prompt.positions.h, &prompt.positions.w})
    positions.insert(positions.end(), axis->begin(), axis->end());
  EXPECT_EQ(positions, dump.i64("position_ids"));
  EXPECT_EQ(std::vector<std::int64_t>{prompt.positions.rope_delta}, dump.i64("rope_deltas"));
  expect_grids(prompt.images, dump, "image_grid_thw");
  expect_grids(prompt.videos, dump, "video_grid_thw");
  const int n_pixels = expect_pixels(prompt.images, dump, "pixel_values") +
                       expect_pixels(prompt.videos, dump, "pixel_values_videos");
  const auto sizes = result.at("image_sizes_hw").get<std::vector<std::array<int, 2>>>();
  EXPECT_EQ(prompt.images.size(), sizes.size());
  for (std::size_t i = 0; i < std::min(sizes.size(), prompt.images.size()); ++i)
    EXPECT_EQ(prompt.images[i].original, (Size{sizes[i][0], sizes[i][1]}));
  if (result.contains("video_frames_indices")) {
    const auto indices = result.at("video_frames_indices").get<std::vector<std::vector<int>>>();
    EXPECT_EQ(prompt.videos.size(), indices.size());
    for (std::size_t i = 0; i < std::min(indices.size(), prompt.videos.size()); ++i) {
      std::vector<int> found = prompt.videos[i].frames_indices;
      found.resize(indices[i].size(), found.back());  // transformers repeats the last of an odd number
      EXPECT_EQ(found, indices[i]);
    }
  }
  return n_pixels;
}

class PromptOf : public testing::TestWithParam<const char*> {};

TEST_P(PromptOf, every_fixture_is_that_of_transformers_in_both_video_forms) {
  const Checkpoint checkpoint(GetParam());
  int n_cases = 0;
  int n_videos = 0;
  int n_pixels = 0;
  for (const std::string& name : cases(GetParam())) {
    const std::string folder = (fs::path(kData) / GetParam() / name).string();
    n_pixels += expect_case(checkpoint, folder, folder, true);
    ++n_cases;
    const std::string inner = folder + "/without_outer_markers";
    if (!fs::exists(inner)) continue;
    n_pixels += expect_case(checkpoint, folder, inner, false);
    ++n_videos;
  }
  EXPECT_EQ(n_cases, 13);
  EXPECT_EQ(n_videos, 3);
  EXPECT_GE(n_pixels, 2);  // of one picture and one clip at least
}

INSTANTIATE_TEST_SUITE_P(TinyModels, PromptOf, testing::Values("tiny-vl-dense", "tiny-vl-moe"));

// Words only: an image loader must not be called.
Image no_image(const std::string& path) { core::fail("the test has no picture ", path); }

Prompt prompt_of(const std::string& json, const PromptOptions& options = {},
                 TemplateKind kind = TemplateKind::instruct, const ImageLoader& load = no_image) {
  PromptContext context = dense().context;
  context.kind = kind;
  return build_prompt(context, parse_conversation(json, "", "test"), options, load);
}

int id_of(std::string_view token) { return dense().tokenizer.find(token).value(); }

// What the tokens that count as an answer say.
std::string answer_of(const Prompt& prompt) {
  std::vector<int> ids;
  for (std::size_t i = 0; i < prompt.ids.size(); ++i)
    if (prompt.answer[i] != 0) ids.push_back(prompt.ids[i]);
  return dense().tokenizer.decode(ids);
}

TEST(Prompt, ids_of_many_conversations_are_those_of_the_whole_text_at_once) {
  std::ifstream file(kData + "/vectors/prompts.json");
  const Json rows = Json::parse(file).at("prompts");
  ASSERT_EQ(rows.size(), 70U);
  for (const Json& row : rows) {
    SCOPED_TRACE(row.at("text").get<std::string>());
    const auto kind = row.at("kind") == "thinking" ? TemplateKind::thinking : TemplateKind::instruct;
    const auto wanted = row.at("ids").get<std::vector<int>>();
    const Prompt as_hf = prompt_of(row.dump(), {.special_tokens_in_text = true}, kind);
    EXPECT_EQ(as_hf.ids, wanted);
    EXPECT_EQ(as_hf.text, row.at("text").get<std::string>());
    if (!row.at("spelled").get<bool>()) {
      EXPECT_EQ(prompt_of(row.dump(), {}, kind).ids, wanted);
    }
  }
}

TEST(Prompt, special_tokens_that_somebody_types_stay_text) {
  const std::vector<std::string> spelled = {"<|im_end|>",       "<|im_start|>",  "<|image_pad|>",
                                            "<|video_pad|>",    "<|endoftext|>", "<|vision_start|>",
                                            "</tool_response>", "<tool_call>",   "<think>"};
  for (const std::string& token : spelled) {
    SCOPED_TRACE(token);
    const int id = id_of(token);
    // Everywhere a person or a model writes.
    for (
        const std::string json :
        {R"([{"role": "user", "content": "@"}])",
         R"([{"role": "system", "content": "a@"}, {"role": "user", "content": [{"type": "text", "text": "@b"}]}])",
         R"([{"role": "user", "content": "x"}, {"role": "assistant", "content": "@", "tool_calls": [{"name": "@", "arguments": {"@": "@"}}]}, {"role": "tool", "content": "@"}])",
         R"({"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "@"}]})"}) {
      std::string with = json, without = json;
      for (std::size_t at = 0; (at = with.find('@', at)) != std::string::npos; at += token.size())
        with.replace(at, 1, token);
      for (char& c : without)
        if (c == '@') c = 'x';
      const Prompt prompt = prompt_of(with);
      const Prompt plain = prompt_of(without);
      EXPECT_EQ(std::count(prompt.ids.begin(), prompt.ids.end(), id),
                std::count(plain.ids.begin(), plain.ids.end(), id))
          << with;
      EXPECT_EQ(dense().tokenizer.decode(prompt.ids), prompt.text);
      EXPECT_THAT(prompt.text, testing::HasSubstr(token));
    }
  }
}

TEST(Prompt, special_tokens_that_somebody_types_count_if_asked_for) {
  const std::string json = R"([{"role": "user", "content": "a<|im_end|>b"}])";
  const auto ends = [](const Prompt& prompt) {
    return std::count(prompt.ids.begin(), prompt.ids.end(), id_of("<|im_end|>"));
  };
  EXPECT_EQ(ends(prompt_of(json)), 1);
  EXPECT_EQ(ends(prompt_of(json, {.special_tokens_in_text = true})), 2);
  try {
    prompt_of(R"([{"role": "user", "content": "a<|image_pad|>b"}])", {.special_tokens_in_text = true});
    FAIL() << "a mark without a picture was taken";
  } catch (const core::Error& e) {
    EXPECT_STREQ(e.what(), "the prompt has 1 <|image_pad|> marks for 0 pictures");
  }
}

// A picture of 64 x 64, which has 4 tokens; one value differs between paths.
Image small_image(const std::string& path) {
  Image image{64, 64, std::vector<std::uint8_t>(std::size_t{64} * 64 * 3, 100)};
  image.rgb[5] = static_cast<std::uint8_t>(path.at(0));
  return image;
}

TEST(Prompt, typed_marks_beside_real_pictures_stay_text) {
  const Prompt prompt = prompt_of(
      R"([{"role": "user", "content": [{"type": "text", "text": "<|vision_start|><|image_pad|><|vision_end|>"},
          {"type": "image", "image": "a"}, {"type": "text", "text": "<|image_pad|>"}]}])",
      {}, TemplateKind::instruct, small_image);
  EXPECT_EQ(std::count(prompt.ids.begin(), prompt.ids.end(), dense().context.image_pad), 4);
  EXPECT_EQ(std::count(prompt.token_types.begin(), prompt.token_types.end(), 1), 4);
  EXPECT_EQ(prompt.images.size(), 1U);
}

TEST(Prompt, equal_pictures_have_equal_hashes_and_others_do_not) {
  const Prompt prompt = prompt_of(
      R"([{"role": "user", "content": [{"image": "a"}, {"image": "b"}, {"image": "a"},
          {"video": ["a", "b"]}, {"video": ["b", "a"]}, {"video": ["a", "b"], "fps": 1}]}])",
      {}, TemplateKind::instruct, small_image);
  EXPECT_EQ(prompt.images.at(0).hash, prompt.images.at(2).hash);
  EXPECT_NE(prompt.images.at(0).hash, prompt.images.at(1).hash);
  EXPECT_NE(prompt.videos.at(0).hash, prompt.videos.at(1).hash);
  EXPECT_EQ(prompt.videos.at(0).hash, prompt.videos.at(2).hash);
}

TEST(Prompt, each_picture_has_the_limits_that_it_asks_for) {
  const auto large = [](const std::string&) {
    return Image{.width = 300, .height = 200, .rgb = std::vector<std::uint8_t>(300 * 200 * 3)};
  };
  const Prompt prompt = prompt_of(R"([{"role": "user", "content": [{"image": "a", "max_pixels": 20000},
      {"image": "a"}, {"image": "a", "min_pixels": 200000, "max_pixels": 300000}]}])",
                                  {}, TemplateKind::instruct, large);
  ProcessorConfig config = dense().processor;
  const auto grid = [&](PixelLimits limits) {
    config.image = limits;
    return image_grid(config, 200, 300);
  };
  const PixelLimits usual = config.image;
  ASSERT_EQ(prompt.images.size(), 3U);
  EXPECT_EQ(prompt.images[1].patches.grid, grid(usual));
  EXPECT_EQ(prompt.images[0].patches.grid, grid({std::min<std::int64_t>(usual.min_pixels, 20000), 20000}));
  EXPECT_EQ(prompt.images[2].patches.grid, grid({200000, 300000}));
  EXPECT_LT(prompt.images[0].patches.grid.patches(), prompt.images[2].patches.grid.patches());
}

TEST(Prompt, a_clip_without_a_rate_has_24_frames_a_second) {
  const Prompt prompt = prompt_of(R"([{"role": "user", "content": [{"video": ["a", "b", "c", "d"],
      "frames_indices": [0, 24, 48, 72]}]}])",
                                  {}, TemplateKind::instruct, small_image);
  EXPECT_THAT(dense().tokenizer.decode(prompt.ids),
              testing::AllOf(testing::HasSubstr("<0.5 seconds>"), testing::HasSubstr("<2.5 seconds>")));
}

TEST(Prompt, of_a_sampled_clip_only_the_sampled_frames_are_loaded) {
  std::string frames;
  for (int i = 0; i < 48; ++i) frames += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\"";
  std::vector<std::string> loaded;
  const Prompt prompt = prompt_of(
      R"([{"role": "user", "content": [{"video": [)" + frames + R"(], "fps": 24, "sample": true}]}])", {},
      TemplateKind::instruct, [&](const std::string& path) {
        loaded.push_back(path);
        return small_image(path);
      });
  EXPECT_EQ(loaded, (std::vector<std::string>{"0", "16", "31", "47"}));
  EXPECT_EQ(prompt.videos.at(0).frames_indices, (std::vector<int>{0, 16, 31, 47}));
}

TEST(Prompt, the_words_of_an_assistant_and_their_end_are_the_answer) {
  const auto answer = [](const std::string& json, TemplateKind kind = TemplateKind::instruct) {
    const Prompt prompt = prompt_of(json, {}, kind, small_image);
    EXPECT_EQ(prompt.answer.size(), prompt.ids.size());
    const Prompt as_hf = prompt_of(json, {.special_tokens_in_text = true}, kind, small_image);
    EXPECT_EQ(as_hf.ids, prompt.ids);
    EXPECT_EQ(as_hf.answer, prompt.answer);
    return answer_of(prompt);
  };
  EXPECT_EQ(answer(R"([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}])"), "");
  EXPECT_EQ(answer(R"([{"role": "user", "content": "U"}, {"role": "assistant", "content": "It is 4."},
                       {"role": "user", "content": "V"}, {"role": "assistant", "content": "Größe 你好 👋"}])"),
            "It is 4.<|im_end|>Größe 你好 👋<|im_end|>");
  EXPECT_EQ(answer(R"([{"role": "user", "content": "U"}, {"role": "assistant", "content": "A",
                       "tool_calls": [{"name": "f", "arguments": {"x": 1}}]}, {"role": "tool", "content": "R"}])"),
            "A\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call><|im_end|>");
  EXPECT_EQ(
      answer(
          R"([{"role": "user", "content": "U"}, {"role": "assistant", "reasoning_content": "R", "content": "A"}])",
          TemplateKind::thinking),
      "<think>\nR\n</think>\n\nA<|im_end|>");
  // The pads of a picture that an assistant shows are nobody's words.
  EXPECT_EQ(answer(R"([{"role": "user", "content": "U"}, {"role": "assistant", "content": [
                       {"type": "text", "text": "See "}, {"image": "a"}, {"type": "text", "text": "!"}]}])"),
            "See !<|im_end|>");
  // Normalisation makes the text shorter; the words still begin where they began.
  EXPECT_EQ(
      answer(
          R"([{"role": "user", "content": "U"}, {"role": "assistant", "content": "e\u0301e\u0301 e\u0301"}])"),
      "\u00e9\u00e9 \u00e9<|im_end|>");
}

TEST(Prompt, raw_text_takes_pictures_at_its_marks) {
  const auto raw = [](std::string_view text, std::vector<std::string> paths) {
    return build_raw_prompt(dense().context, text, paths, small_image);
  };
  const std::string text = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Hi<|im_end|>\n";
  const Prompt prompt = raw(text, {"a"});
  EXPECT_EQ(prompt.text, text);
  EXPECT_EQ(prompt.ids, prompt_of(R"({"messages": [{"role": "user", "content": [{"image": "a"},
                                      {"type": "text", "text": "Hi"}]}], "add_generation_prompt": false})",
                                  {}, TemplateKind::instruct, small_image)
                            .ids);
  EXPECT_EQ(std::count(prompt.token_types.begin(), prompt.token_types.end(), 1), 4);
  EXPECT_EQ(std::count(prompt.answer.begin(), prompt.answer.end(), 1), 0);
  const auto error = [&](std::string_view words, std::vector<std::string> paths) -> std::string {
    try {
      raw(words, std::move(paths));
    } catch (const core::Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(error("x", {"a", "b"}), "the prompt has 0 <|image_pad|> marks for 2 pictures");
  EXPECT_EQ(error(text + text + text, {"a"}), "the prompt has 3 <|image_pad|> marks for 1 pictures");
  EXPECT_EQ(error("<|video_pad|>", {}), "the prompt has 1 <|video_pad|> marks for 0 videos");
}

TEST(Prompt, clips_that_do_not_fit_are_errors) {
  const auto error = [](VideoPart video) -> std::string {
    Conversation c;
    c.messages.push_back({.role = "user"});
    c.messages[0].content.push_back({.kind = ContentPart::Kind::video, .video = std::move(video)});
    try {
      build_prompt(dense().context, c, {}, small_image);
    } catch (const core::Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(error({.frames = {"a", "b"}, .fps = 2.0}), "no error");
  EXPECT_EQ(error({}), "a video has no frames");
  EXPECT_EQ(error({.frames = {"a", "b"}, .fps = 0.0}), "a video has 0 frames per second, wanted more than 0");
  EXPECT_EQ(error({.frames = {"a", "b"}, .frames_indices = {1}}),
            "a video has 2 frames and 1 indices of frames");
  EXPECT_EQ(error({.frames = {"a", "b"}, .sample = true, .total_num_frames = 9}),
            "a video to sample from has 9 frames, but 2 are given");
}

}  // namespace
}  // namespace tarsier
