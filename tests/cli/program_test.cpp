// The program as people use it: command lines, exit codes, what goes to which stream.
#include "tests/cli/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/chat/boxes.h"
#include "src/input/image.h"
#include "src/input/video_file.h"
#include "tests/safetensors_file.h"

namespace {

using nlohmann::json;
using test::Output;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The largest |a - b| / (1 + |b|).
double worst_difference(const test::StoredTensor& a, const test::StoredTensor& b) {
  double worst = 0;
  for (std::size_t i = 0; i < b.bytes.size(); i += sizeof(float)) {
    float x = 0;
    float y = 0;
    std::memcpy(&x, &a.bytes[i], sizeof x);
    std::memcpy(&y, &b.bytes[i], sizeof y);
    worst = std::max(worst, std::abs(static_cast<double>(x) - y) / (1 + std::abs(static_cast<double>(y))));
  }
  return worst;
}

// The dense demo model, converted once for each test program.
class Program : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TemporaryFolder>();
    const Output made = test::run("tarsier convert models/tiny-vl-dense -o " + model());
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static std::string model() { return *folder_ / "dense.gguf"; }
  static std::string file(const std::string& name) { return *folder_ / name; }
  static Output run(const std::string& flags, const std::string& input = {}) {
    return test::run("tarsier run -m " + model() + " --temperature 0 " + flags, input);
  }

  static std::unique_ptr<test::TemporaryFolder> folder_;
};
std::unique_ptr<test::TemporaryFolder> Program::folder_;

constexpr const char* kPicture = "--image examples/pictures/two-shapes.png";
constexpr const char* kAnswer = "A yellow cross on the left and a red circle on the right.\n";

TEST_F(Program, the_answer_alone_goes_to_standard_output) {
  const Output o = run(std::string(kPicture) + " --prompt 'Describe this image.'");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, kAnswer);
  EXPECT_THAT(o.err,
              ContainsRegex(
                  "^1 image [0-9]+ ms · prompt 26 tokens, .* tok/s · answer .* · context [0-9]+ of [0-9]+ · "
                  "memory [0-9]+ MB, and [0-9]+ MB of the file\n$"));
  EXPECT_THAT(o.err, Not(HasSubstr("\x1b")));  // no terminal: no colours, no bars
}

TEST_F(Program, the_prompt_may_come_from_standard_input) {
  for (const char* flag : {"", "--prompt -"}) {
    const Output o = run(std::string(kPicture) + " " + flag, "Describe this image.\n");
    EXPECT_EQ(o.code, 0) << o.err;
    EXPECT_EQ(o.out, kAnswer) << flag;
  }
}

TEST_F(Program, a_picture_may_come_from_standard_input_or_a_data_uri) {
  const std::string picture =
      test::read_file(std::string(TARSIER_SOURCE) + "/examples/pictures/two-shapes.png");
  const Output piped = run("--image - --prompt 'Describe this image.'", picture);
  EXPECT_EQ(piped.out, kAnswer) << piped.err;
  const std::string uri = "\"data:image/png;base64,$(base64 -w 0 examples/pictures/two-shapes.png)\"";
  const Output inside = run("--image " + uri + " --prompt 'Describe this image.'");
  EXPECT_EQ(inside.out, kAnswer) << inside.err;
  const Output twice = run("--image -", picture);
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("can be read once"));
}

TEST_F(Program, what_was_done_to_a_picture_is_said_and_can_be_changed) {
  const auto said = [](const std::string& flags) {
    return run("--max-tokens 1 --prompt x --image tests/data/awkward/" + flags).err;
  };
  EXPECT_THAT(said("exif6.jpg"), StartsWith("tests/data/awkward/exif6.jpg: turned upright\n"));
  EXPECT_THAT(said("exif6.jpg --no-rotate"),
              StartsWith("tests/data/awkward/exif6.jpg: not turned upright\n"));
  EXPECT_THAT(said("rgba.png"), StartsWith("tests/data/awkward/rgba.png: alpha dropped\n"));
  EXPECT_THAT(said("rgba.png --background '#10a0ff'"),
              StartsWith("tests/data/awkward/rgba.png: over #10a0ff\n"));
  EXPECT_THAT(said("rgba.png --background red"),
              HasSubstr("found \"red\", wanted white, black, #rrggbb or none"));
}

TEST_F(Program, a_raw_prompt_is_taken_as_it_is) {
  const Output o =
      run(std::string("--raw ") + kPicture,
          "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Describe this image.<|im_end|>\n"
          "<|im_start|>assistant\n");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, kAnswer);
}

TEST_F(Program, json_holds_text_ids_and_figures) {
  const Output o = run(std::string(kPicture) + " --json --prompt 'Describe this image.'");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.err, "");
  const json j = json::parse(o.out);
  EXPECT_EQ(j["text"].get<std::string>() + "\n", kAnswer);
  EXPECT_EQ(j["finish"], "stop");
  EXPECT_EQ(j["stats"]["prompt_tokens"], 26);
  EXPECT_EQ(j["stats"]["images"], 1);
  EXPECT_GT(j["stats"]["memory_bytes"], 1'000'000);
  EXPECT_GT(j["stats"]["file_memory_bytes"], 1'000'000);
  EXPECT_GE(j["stats"]["peak_memory_bytes"], j["stats"]["memory_bytes"]);
  EXPECT_GT(j["stats"]["image_seconds"].get<double>(), 0);
  EXPECT_GT(j["stats"]["prompt_tokens_per_second"].get<double>(), 0);
  EXPECT_GE(j["stats"]["context"].get<int>(), j["stats"]["context_used"].get<int>());
  EXPECT_GT(j["ids"].size(), 5U);
}

TEST_F(Program, a_picture_takes_as_many_tokens_as_it_may) {
  const auto tokens = [](const std::string& flags) {
    const Output o = run(std::string(kPicture) + " --json --max-tokens 1 --prompt x " + flags);
    EXPECT_EQ(o.code, 0) << o.err;
    return json::parse(o.out)["stats"]["prompt_tokens"].get<int>();
  };
  const int whole = tokens("");                                // 128 x 96 pixels, 32 x 32 a token: 12 tokens
  EXPECT_EQ(tokens("--max-image-tokens 11"), whole - 12 + 6);  // 96 x 64
  EXPECT_EQ(tokens("--max-image-tokens 6"), whole - 12 + 4);   // 64 x 64
  EXPECT_EQ(tokens("--max-image-tokens 6"), tokens("--max-pixels 6144"));
  EXPECT_EQ(tokens("--max-image-tokens 1"), whole - 12 + 1);  // fewer than the checkpoint's least
  // A messages file may say it for each picture.
  const auto picture = std::filesystem::path(TARSIER_SOURCE) / "examples/pictures/two-shapes.png";
  json small = {{"type", "image"}, {"image", picture.string()}};
  const json large = small;
  small["max_pixels"] = 6144;
  const json parts = {small, large, {{"type", "text"}, {"text", "x"}}};
  std::ofstream(file("limits.json")) << json{{{"role", "user"}, {"content", parts}}};
  const Output both = run("--json --max-tokens 1 --messages " + file("limits.json"));
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_EQ(json::parse(both.out)["stats"]["prompt_tokens"], whole + 4 + 2);  // the marks around it
  // Frames that are read together are a picture, too.
  if (tarsier::reads_video_files()) {
    const auto of_clip = [](const std::string& flags) {
      const Output o = run("--video examples/pictures/clip.mp4 --json --max-tokens 1 --prompt x " + flags);
      EXPECT_EQ(o.code, 0) << o.err;
      return json::parse(o.out)["stats"]["prompt_tokens"].get<int>();
    };
    EXPECT_EQ(of_clip("--max-image-tokens 1"), of_clip("") - 2 * 4 + 2 * 1);  // two pairs of 64 x 64
  }
}

TEST_F(Program, limits_of_pictures_that_cannot_be_met_are_errors) {
  const auto said = [](const std::string& flags) {
    const Output o = test::run("tarsier inspect " + model() + " --image 2000x20 " + flags);
    EXPECT_EQ(o.code, 1) << o.out;
    return o.err;
  };
  EXPECT_EQ(said("--max-image-tokens 3 --min-pixels 4096"),
            "tarsier: --max-image-tokens 3 are 3072 pixels of this model, --min-pixels asks for 4096\n");
  EXPECT_EQ(said("--max-pixels 4095 --min-pixels 4096"),
            "tarsier: pixels of a picture: found at least 4096 and at most 4095\n");
  EXPECT_EQ(said("--max-image-tokens 2"),
            "tarsier: 2000x20: 2000 x 20 takes at least 14 tokens, --max-image-tokens is 2\n");
}

TEST_F(Program, a_picture_that_fits_is_said_before_it_is_encoded) {
  const std::string question = std::string(kPicture) + " --prompt 'Describe this image.' ";
  for (const char* flags : {"--fit", "--fit-seconds 1000000"}) {
    const Output o = run(question + flags);
    EXPECT_EQ(o.out, kAnswer) << o.err;
    EXPECT_THAT(
        o.err,
        ContainsRegex(
            "^examples/pictures/two-shapes.png 128x96 -> 128x96, 12 tokens, about [^,]* s, [0-9.]+ [kM]B\n1 "
            "image"));
  }
  const Output never = run(question + "--fit-seconds 0.0000001");
  EXPECT_EQ(never.code, 1);
  EXPECT_THAT(never.err, ContainsRegex("^tarsier: --fit: examples/pictures/two-shapes.png 128x96 -> 32x32, 1 "
                                       "tokens, about [^,]* s, [0-9.]+ "
                                       "[kM]B are too much: [0-9.]+ GB are free and 1e-07 s asked for\n$"));
  if (tarsier::reads_video_files()) {
    const Output clip =
        run("--video examples/pictures/clip.mp4 --fit --prompt 'What happens in this video?'");
    EXPECT_EQ(clip.out, "A blue star moves from left to right.\n") << clip.err;
    EXPECT_THAT(clip.err, ContainsRegex("^examples/pictures/clip.mp4 64x64 -> 4 frames of 64x64, 8 tokens, "
                                        "about [^,]* s, [0-9.]+ [kM]B\n1 clip"));
  }
  const Output planned =
      test::run("tarsier inspect " + model() + " --image 640x480 --fit --max-image-tokens 8");
  EXPECT_THAT(planned.out, ContainsRegex("Picture of 640x480 -> 96x64, 6 tokens, about"));
}

TEST_F(Program, one_thread_prepares_a_picture_where_one_is_asked_for) {
  // libgomp and libomp print a line for every thread that joins.
  const auto threads = [](const std::string& flags) {
    const Output o =
        test::run("OMP_DISPLAY_AFFINITY=true OMP_AFFINITY_FORMAT=joined tarsier run -m " + model() +
                  " --image tests/data/photographs/astronaut.jpg --max-tokens 1 --prompt x " + flags);
    EXPECT_EQ(o.code, 0) << o.err;
    std::size_t n = 0;
    for (std::size_t at = o.err.find("joined"); at != std::string::npos; at = o.err.find("joined", at + 1))
      ++n;
    return n;
  };
  EXPECT_EQ(threads("--threads 1"), 0U);
  EXPECT_GE(threads("--threads 3"), 3U);
}

TEST_F(Program, an_answer_ends_at_the_limit_and_at_a_stop_text) {
  const std::string question = std::string(kPicture) + " --json --prompt 'Describe this image.' ";
  const json cut = json::parse(run(question + "--max-tokens 3").out);
  EXPECT_EQ(cut["finish"], "length");
  EXPECT_EQ(cut["ids"].size(), 3U);
  const json stopped = json::parse(run(question + "--stop ' on the'").out);
  EXPECT_EQ(stopped["finish"], "stop");
  EXPECT_EQ(stopped["text"], "A yellow cross");
}

TEST_F(Program, a_video_file_is_looked_at_as_transformers_does) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const std::string moe = file("moe.gguf");
  ASSERT_EQ(test::run("tarsier convert models/tiny-vl-moe -o " + moe).code, 0);
  for (const auto& [name, path] : {std::pair("tiny-vl-dense", model()), {"tiny-vl-moe", moe}}) {
    SCOPED_TRACE(name);
    const auto ask = [&, path = path](const std::string& flags) {
      return test::run("tarsier run -m " + path + " --temperature 0 --prompt 'What happens in this video?' " +
                       flags);
    };
    const Output moves = ask("--video examples/pictures/clip.mp4");
    EXPECT_EQ(moves.code, 0) << moves.err;
    EXPECT_EQ(moves.out, "A blue star moves from left to right.\n");
    EXPECT_THAT(moves.err, ContainsRegex("^1 clip [0-9]+ ms"));
    // Red from 1.0 s on; the frames of 0 and 0.5 s are read together, and those of 1.25 and 1.75.
    EXPECT_EQ(ask("--video examples/pictures/colour.mp4").out, "A yellow star turns red at 1.5 seconds.\n");
    const json events = json::parse(ask("--video examples/pictures/colour.mp4 --boxes json").out)["events"];
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0]["start"], 1.5);
    // The fixture's frames, which are the same for both, as a file: the fixture's tokens.
    const Output fixture =
        ask("--json --video-markers outer --kv-type f32 --video "
            "tests/data/tiny-vl-dense/video_sampled/frames.mp4");
    ASSERT_EQ(fixture.code, 0) << fixture.err;
    const auto ids = json::parse(fixture.out)["ids"].get<std::vector<int>>();
    auto expected = test::read_json(TARSIER_TEST_DATA "/" + std::string(name) +
                                    "/video_sampled/result.json")["greedy_ids"]
                        .get<std::vector<int>>();
    ASSERT_GE(expected.size(), ids.size());
    expected.resize(ids.size());
    EXPECT_EQ(ids, expected);
  }
}

TEST_F(Program, pictures_and_videos_stand_in_the_order_given) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  const auto folder = std::filesystem::path(TARSIER_SOURCE) / "examples/pictures";
  const json image = {{"type", "image"}, {"image", (folder / "two-shapes.png").string()}};
  const json video = {{"type", "video"}, {"video", (folder / "clip.mp4").string()}};
  const json text = {{"type", "text"}, {"text", "Describe it."}};
  const std::string flags = " --json --max-tokens 8 ";
  const std::string image_flag = "--image examples/pictures/two-shapes.png ";
  const std::string video_flag = "--video examples/pictures/clip.mp4 ";
  std::vector<json> texts;
  for (const bool image_first : {true, false}) {
    const json parts = image_first ? json{image, video, text} : json{video, image, text};
    const std::string path = file("order.json");
    std::ofstream(path) << json{{{"role", "user"}, {"content", parts}}};
    const json expected = json::parse(run("--messages " + path + flags).out);
    const json given = json::parse(run((image_first ? image_flag + video_flag : video_flag + image_flag) +
                                       flags + "--prompt 'Describe it.'")
                                       .out);
    EXPECT_EQ(given["ids"], expected["ids"]);
    EXPECT_EQ(given["stats"]["images"], 1);
    EXPECT_EQ(given["stats"]["clips"], 1);
    texts.push_back(given["text"]);
  }
  EXPECT_NE(texts[0], texts[1]);
}

TEST_F(Program, the_same_seed_gives_the_same_answer) {
  const std::string question =
      "--prompt 'Name three shapes.' --temperature 3 --top-p 1 --max-tokens 24 --json --seed ";
  const auto ids = [&](const std::string& seed) {
    return json::parse(test::run("tarsier run -m " + model() + " " + question + seed).out)["ids"];
  };
  EXPECT_EQ(ids("5"), ids("5"));
  EXPECT_NE(ids("5"), ids("6"));
}

TEST_F(Program, boxes_of_the_answer_are_drawn_on_the_picture) {
  const std::string png = file("boxes.png");
  const Output o = run(std::string(kPicture) + " --json --prompt 'Locate every shape.' --boxes " + png);
  ASSERT_EQ(o.code, 0) << o.err;
  const json j = json::parse(o.out);
  ASSERT_EQ(j["boxes"].size(), 2U);
  EXPECT_EQ(j["boxes"][0]["label"], "yellow cross");
  EXPECT_EQ(j["boxes"][1]["label"], "red circle");
  const auto drawn = tarsier::load_image(png);
  ASSERT_EQ(drawn.width, 128);
  ASSERT_EQ(drawn.height, 96);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto corner = j["boxes"][i]["pixels"].get<std::vector<int>>();
    const auto at = static_cast<std::size_t>((corner[1] * 128 + corner[0]) * 3);
    EXPECT_EQ(drawn.rgb[at], tarsier::chat::box_colour(i)[0]);
    EXPECT_EQ(drawn.rgb[at + 2], tarsier::chat::box_colour(i)[2]);
  }
}

TEST_F(Program, boxes_of_the_answer_are_one_json_document_in_pixels_of_the_picture) {
  const Output o = run(std::string(kPicture) + " --prompt 'Locate every shape.' --boxes json --save-boxes " +
                       file("both.png"));
  ASSERT_EQ(o.code, 0) << o.err;
  const json j = json::parse(o.out);
  EXPECT_EQ(j["width"], 128);
  EXPECT_EQ(j["height"], 96);
  ASSERT_EQ(j["boxes"].size(), 2U);
  for (const json& box : j["boxes"]) {
    const auto model = box["bbox_2d"].get<std::vector<double>>();
    const auto pixels = box["pixels"].get<std::vector<double>>();
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(pixels[i], model[i] / 1000 * (i % 2 == 0 ? 128 : 96), 1);
  }
  EXPECT_TRUE(j["points"].empty());
  EXPECT_TRUE(j["events"].empty());
  EXPECT_FALSE(j.contains("stats"));
  EXPECT_THAT(o.err, HasSubstr("both.png: yellow cross at "));
  EXPECT_THAT(o.err, HasSubstr("tok/s"));
}

TEST_F(Program, inspect_says_what_encoding_a_picture_takes) {
  const std::string command = "tarsier inspect " + model() + " --image 640x480 ";
  const Output o = test::run(command);
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, ContainsRegex("Picture of 640x480 -> 160x96, 15 tokens, about [^,]* s, [0-9.]+ MB"));
  const Output as_json = test::run(command + "--json");
  const json image = json::parse(as_json.out)["image"];
  EXPECT_EQ(image["tokens"], 15);
  EXPECT_EQ(image["seen_width"], 160);
  EXPECT_EQ(image["seen_height"], 96);
  EXPECT_GT(image["seconds"], 0);
  EXPECT_GT(image["memory"]["peak"], image["memory"]["run"]);
  EXPECT_EQ(test::run("tarsier inspect " + model() + " --image 640").code, 1);
}

TEST_F(Program, a_conversation_with_a_clip_comes_from_a_messages_file) {
  const Output o = run("--messages examples/pictures/clip.json");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, "A blue star moves from left to right.\n");
}

TEST_F(Program, score_finds_a_right_answer_likelier_than_a_wrong_one) {
  const auto nll = [&](const std::string& name, const std::string& answer) {
    const json messages = {{"messages",
                            {{{"role", "user"}, {"content", "What is 3 plus 4?"}},
                             {{"role", "assistant"}, {"content", answer}}}}};
    std::ofstream(file(name)) << messages.dump();
    const Output o = test::run("tarsier score --json -m " + model() + " --messages " + file(name));
    EXPECT_EQ(o.code, 0) << o.err;
    const json j = json::parse(o.out);
    std::string text;
    double sum = 0;
    for (const json& token : j["tokens"]) {
      text += token["text"];
      sum -= token["log_prob"].get<double>();
      EXPECT_GE(token["entropy"].get<double>(), 0);
    }
    EXPECT_EQ(text, answer + "<|im_end|>");
    EXPECT_NEAR(j["nll"].get<double>(), sum / static_cast<double>(j["tokens"].size()), 1e-9);
    EXPECT_NEAR(j["perplexity"].get<double>(), std::exp(j["nll"].get<double>()), 1e-9);
    return j["nll"].get<double>();
  };
  EXPECT_LT(nll("right.json", "3 plus 4 is 7."), 0.5);
  EXPECT_GT(nll("wrong.json", "Bananas fly 9 times."), 2);
}

TEST_F(Program, score_of_all_tokens_leaves_out_the_first_and_the_pictures) {
  const json messages = {
      {"messages",
       {{{"role", "user"},
         {"content",
          {{{"type", "image"}, {"image", TARSIER_SOURCE "/examples/pictures/one-shape.png"}},
           {{"type", "text"}, {"text", "Hi"}}}}}}}};
  std::ofstream(file("all.json")) << messages.dump();
  const Output o = test::run("tarsier score --json --all -m " + model() + " --messages " + file("all.json"));
  ASSERT_EQ(o.code, 0) << o.err;
  const json j = json::parse(o.out);
  EXPECT_THAT(o.out, Not(HasSubstr("image_pad")));
  EXPECT_EQ(j["tokens"].back()["text"], "\n");
}

// What the program traces of a model in F32 equals what transformers computed: names, types, shapes, and the
// values within their bounds.
TEST_F(Program, trace_writes_the_values_of_transformers) {
  const Output made =
      test::run("tarsier convert models/tiny-vl-dense --type f32 --vision-type f32 -o " + file("f32.gguf"));
  ASSERT_EQ(made.code, 0) << made.err;
  for (const std::string name : {"image", "image_and_video", "video_sampled", "text"}) {
    const std::string fixture = TARSIER_TEST_DATA "/tiny-vl-dense/" + name;
    const Output o = test::run("tarsier trace --kv-type f32 --video-markers outer -m " + file("f32.gguf") +
                               " --messages " + fixture + "/messages.json -o " + file(name));
    ASSERT_EQ(o.code, 0) << o.err;
    const test::SafetensorsFile wanted(fixture + "/dump.safetensors");
    const test::SafetensorsFile found(file(name));
    for (const auto& [value, tensor] : wanted.tensors) {
      ASSERT_TRUE(found.has(value)) << name << " " << value;
      const auto& mine = found.tensor(value);
      EXPECT_EQ(mine.dtype, tensor.dtype) << name << " " << value;
      ASSERT_EQ(mine.shape, tensor.shape) << name << " " << value;
      if (tensor.dtype == "I64")
        EXPECT_EQ(mine.bytes, tensor.bytes) << name << " " << value;
      else
        EXPECT_LE(worst_difference(mine, tensor), 1e-3) << name << " " << value;
    }
    const json result = json::parse(test::read_file(fixture + "/result.json"));
    const json mine = json::parse(test::read_file(file(name) + ".json"));
    for (const char* key : {"greedy_ids", "answer", "prompt_length", "rope_delta"})
      EXPECT_EQ(mine[key], result[key]) << name << " " << key;
    ASSERT_EQ(mine["log_probs"].size(), result["log_probs"].size());
    for (std::size_t i = 0; i < result["log_probs"].size(); ++i) {
      EXPECT_NEAR(mine["log_probs"][i].get<double>(), result["log_probs"][i].get<double>(), 1e-3);
      EXPECT_NEAR(mine["entropies"][i].get<double>(), result["entropies"][i].get<double>(), 1e-3);
    }
  }
}

TEST_F(Program, trace_keeps_only_what_matches) {
  const Output o = test::run("tarsier trace --greedy 3 --match 'text.layer.*.out' -m " + model() +
                             " --messages examples/pictures/clip.json -o " + file("some.safetensors"));
  ASSERT_EQ(o.code, 0) << o.err;
  const test::SafetensorsFile found(file("some.safetensors"));
  EXPECT_EQ(found.tensors.size(), 4U);
  EXPECT_TRUE(found.has("text.layer.3.out"));
  EXPECT_EQ(json::parse(test::read_file(file("some.safetensors.json")))["greedy_ids"].size(), 3U);
}

TEST_F(Program, inspect_tells_types_memory_and_kernels) {
  const Output o = test::run("tarsier inspect --tensors --plan " + model());
  EXPECT_EQ(o.code, 0) << o.err;
  for (const char* part : {"general.architecture = \"qwen3vl\"", "token_embd.weight", "bits per weight",
                           "kv cache", "Kernels: ", "Plan of one token"})
    EXPECT_THAT(o.out, HasSubstr(part));
  const json j = json::parse(test::run("tarsier inspect --json --context 1000 " + model()).out);
  EXPECT_EQ(j["total"]["weights"].get<long>(),
            j["text"]["weights"].get<long>() + j["vision"]["weights"].get<long>());
  // keys and values x 4 layers x 2 heads x (64 x 2 bytes and a scale), in blocks of 64 positions
  EXPECT_EQ(j["memory"]["kv_cache"].get<long>(), 2L * 4 * 2 * (64 * 2 + 4) * 1024);
  const json q8 = json::parse(test::run("tarsier inspect --json --context 1000 --kv-type q8 " + model()).out);
  EXPECT_EQ(q8["memory"]["kv_cache"].get<long>(), 2L * 4 * 2 * (64 + 4) * 1024);
}

TEST_F(Program, inspect_says_why_a_file_cannot_run) {
  std::filesystem::copy_file(model(), file("short.gguf"), std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(file("short.gguf"), 100000);
  const Output o = test::run("tarsier inspect " + file("short.gguf"));
  EXPECT_EQ(o.code, 1);
  EXPECT_THAT(o.err, StartsWith("tarsier: " + file("short.gguf")));
}

TEST_F(Program, quantize_makes_a_smaller_file_that_still_answers) {
  const Output made =
      test::run("tarsier quantize " + model() + " -o " + file("q8.gguf") + " --type q8_0 --vision-type q8_0");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_LT(std::filesystem::file_size(file("q8.gguf")), std::filesystem::file_size(model()) * 6 / 10);
  const Output o = test::run("tarsier run --temperature 0 -m " + file("q8.gguf") + " " + kPicture +
                             " --prompt 'Describe this image.'");
  EXPECT_EQ(o.out, kAnswer) << o.err;
}

TEST_F(Program, bench_measures_what_is_asked_for) {
  const Output o = test::run(
      "tarsier bench --json --repeat 2 --prompt 40 --generate 3 --depth 20 --image 128x96 -m " + model());
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.err, "");
  const json j = json::parse(o.out);
  for (const char* figure : {"gb_per_second", "f32_gops", "half_gops", "int8_gops", "threads"})
    EXPECT_GT(j["machine"][figure].get<double>(), 0) << figure;
  for (const char* part : {"image", "first_token", "prompt", "generate"}) {
    for (const char* figure : {"tokens", "seconds", "seconds_min", "tokens_per_second", "gops",
                               "gb_per_second", "limit_seconds", "share_of_limit"})
      EXPECT_GT(j[part][figure].get<double>(), 0) << part << " " << figure;
    EXPECT_LE(j[part]["seconds_min"].get<double>(), j[part]["seconds"].get<double>()) << part;
    EXPECT_LE(j[part]["seconds"].get<double>(), j[part]["seconds_max"].get<double>()) << part;
  }
  EXPECT_EQ(j["prompt"]["tokens"], 40);
  EXPECT_EQ(j["generate"]["tokens"], 3);
  EXPECT_EQ(j["generate"]["depth"], 20);
  EXPECT_EQ(j["image"]["patches"], 4 * j["image"]["tokens"].get<int>());
  EXPECT_EQ(j["image"]["width"], 128);
  EXPECT_GT(j["first_token"]["tokens"], j["image"]["tokens"]);
  EXPECT_GT(j["first_token"]["seconds"], j["image"]["seconds"]);
  const Output text = test::run("tarsier bench --repeat 1 --prompt 20 --generate 0 -m " + model());
  EXPECT_THAT(text.out, ContainsRegex("\nprompt +20 +[0-9.]+ .* %\n$"));
  EXPECT_EQ(text.err, "");
}

TEST_F(Program, an_error_is_one_line_and_code_1) {
  const std::vector<std::string> commands = {
      "tarsier run -m /nowhere.gguf --prompt x",
      "tarsier run -m README.md --prompt x",
      "tarsier run -m " + model() + " --image /nowhere.png --prompt x",
      "tarsier run -m " + model() + " --image README.md --prompt x",
      "tarsier run -m " + model() + " --messages README.md",
      "tarsier run -m " + model() + " --prompt x --temperature -1",
      "tarsier run -m " + model() + " --prompt x --kv-type q9",
      "tarsier run -m " + model() + " --prompt 'much too long for this' --context 4",
      "tarsier run -m " + model(),  // nothing on standard input
      "tarsier convert /nowhere -o x.gguf",
      "tarsier convert models/tiny-vl-dense -o /nowhere/x.gguf",
      "tarsier convert models/tiny-vl-dense models/tiny-vl-moe -o x.gguf",
      "tarsier convert models/tiny-vl-dense --type q99 -o x.gguf",
      "tarsier score -m " + model() + " --messages examples/pictures/clip.json",  // no assistant
      "tarsier bench -m /nowhere.gguf",
      "tarsier bench --image big -m " + model(),
      "tarsier bench --image 128x0 -m " + model(),
      "tarsier bench --context 30 --prompt 31 -m " + model(),
      "TARSIER_ISA=abacus tarsier --version",
  };
  for (const std::string& command : commands) {
    const Output o = test::run(command);
    EXPECT_EQ(o.code, 1) << command << "\n" << o.err;
    EXPECT_THAT(o.err, ContainsRegex("^tarsier: [^\n]+\n$")) << command;
    EXPECT_EQ(o.out, "") << command;
  }
}

TEST_F(Program, a_wrong_command_line_is_code_2) {
  const std::vector<std::string> commands = {
      "tarsier",
      "tarsier fly",
      "tarsier run --prompt x",
      "tarsier run -m x --max-tokens none",
      "tarsier run -m x --max-tokens 0",
      "tarsier run -m x --raw --system y --prompt z",
      "tarsier run -m x --messages a.json --prompt z",
      "tarsier run -m x --save-boxes b.png --prompt z",
      "tarsier run -m x --image - --boxes b.png --prompt z",
      "tarsier run -m x --image a.png --video b.mp4 --boxes b.png --prompt z",
      "tarsier run -m x --max-image-tokens 0 --prompt z",
      "tarsier run -m x --max-image-tokens 9 --max-pixels 9999 --prompt z",
      "tarsier run -m x --fit-seconds 0 --prompt z",
      "tarsier run -m x --video-markers sideways --prompt z",
      "tarsier convert models/tiny-vl-dense",
      "tarsier quantize x.gguf -o y.gguf",
      "tarsier bench",
      "tarsier bench -m x --repeat 0",
      "tarsier bench -m x --depth -1",
  };
  for (const std::string& command : commands) {
    const Output o = test::run(command);
    EXPECT_EQ(o.code, 2) << command << "\n" << o.err;
    EXPECT_THAT(o.err, StartsWith("tarsier: ")) << command;
    EXPECT_EQ(o.out, "") << command;
  }
}

TEST_F(Program, every_command_explains_itself) {
  const Output all = test::run("tarsier --help");
  EXPECT_EQ(all.code, 0);
  for (const std::string command : {"convert", "quantize", "run", "inspect", "trace", "score", "bench"}) {
    EXPECT_THAT(all.out, HasSubstr(command));
    const Output o = test::run("tarsier " + command + " --help");
    EXPECT_EQ(o.code, 0);
    EXPECT_THAT(o.out, HasSubstr("Examples:\n  tarsier " + command)) << command;
  }
  EXPECT_THAT(test::run("tarsier --version").out,
              ContainsRegex("^tarsier [0-9.]+ \\(kernels [a-z0-9_]+; processor: .*\\)\n$"));
}

TEST_F(Program, the_first_interrupt_ends_the_answer_and_keeps_what_is_printed) {
  // A token's score grows each time the answer has it: the answer never ends by itself, and comes slowly on
  // every machine. Interrupted once something is printed.
  const Output o =
      test::run("TARSIER_ISA=scalar tarsier run -m " + model() +
                " --temperature 0 --frequency-penalty -2 --max-tokens 4000 --prompt 'Count to ten.' >" +
                file("answer") + " & p=$!; while [ ! -s " + file("answer") +
                " ] && kill -0 $p; do sleep 0.02; done; kill -INT $p; wait $p");
  EXPECT_EQ(o.code, 130) << o.err;
  EXPECT_THAT(o.err, HasSubstr("interrupted"));
  EXPECT_THAT(test::read_file(file("answer")), StartsWith("1"));
}

TEST_F(Program, a_closed_pipe_is_quiet) {
  const Output o = test::run("tarsier inspect --tensors --plan " + model() + " | head -n 1");
  EXPECT_EQ(o.err, "");
  EXPECT_EQ(std::count(o.out.begin(), o.out.end(), '\n'), 1);
}

TEST_F(Program, a_full_disk_is_an_error) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full on this system";
  const Output o = test::run("tarsier inspect " + model() + " >/dev/full");
  EXPECT_EQ(o.code, 1);
  EXPECT_EQ(o.err, "tarsier: standard output: No space left on device\n");
}

}  // namespace
