// Pairs of files as llama.cpp has them: what split writes against manifests of its own converter's output,
// and that nothing is lost on the way there and back.
#include "convert/pair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <optional>

#include "convert/quantize.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/half.h"
#include "ggml-like-core/quant/formats.h"
#include "src/model/config_file.h"
#include "tests/temp_folder.h"

namespace {

using core::GgufReader;
using core::GgufValue;
using core::GgufWriter;
using tarsier::ModelFiles;
using test::TempFolder;
using testing::HasSubstr;

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const core::Error& e) {
    return e.what();
  }
  return "";
}

std::string converted(const TempFolder& folder, const std::string& model, const std::string& type) {
  const std::string path = folder.path(model + "-" + type + ".gguf");
  tarsier::convert({.source = std::string(TARSIER_SOURCE) + "/models/" + model,
                    .output = path,
                    .type = type,
                    .vision_type = type});
  return path;
}

struct Pair {
  std::string text, mmproj;
};
Pair split(const TempFolder& folder, const std::string& source) {
  const Pair pair{folder.path("text.gguf"), folder.path("mmproj.gguf")};
  tarsier::split_pair({.source = source, .text = pair.text, .mmproj = pair.mmproj});
  return pair;
}

// One line of a manifest (tests/oracle/make_llama_cpp_pairs.py says how).
std::string shortened(const std::string& text) {
  if (text.size() <= 100 && text.find('\n') == std::string::npos) return text;
  std::uint64_t state = 0xcbf29ce484222325ULL;
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  char out[64];
  std::snprintf(out, sizeof out, "%zu bytes, %016llx", text.size(), static_cast<unsigned long long>(state));
  return out;
}
std::string word(bool x) { return x ? "true" : "false"; }
std::string word(const std::string& x) { return x; }
template <class T>
std::string word(T x) {
  if constexpr (std::is_integral_v<T>) return std::to_string(x);
  char out[32];
  std::snprintf(out, sizeof out, "%.9g", static_cast<double>(x));
  return out;
}
template <class T>
std::string word(const std::vector<T>& all) {
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i)
    out += (i == 0 ? "" : " ") + word(static_cast<const T&>(all[i]));
  return out;
}
std::string word(const core::TextList& all) {
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) out.append(i == 0 ? "" : "\n").append(all[i]);
  return out;
}

std::vector<std::string> manifest(const std::string& path) {
  constexpr const char* kTypes[] = {"UINT8",   "INT8", "UINT16", "INT16",  "UINT32", "INT32",
                                    "FLOAT32", "BOOL", "STRING", "UINT64", "INT64",  "FLOAT64"};
  const GgufReader file(path);
  std::vector<std::string> lines;
  for (const auto& [key, value] : file.metadata())
    lines.push_back("key " + key + " " +
                    (value.index() < std::size(kTypes) ? kTypes[value.index()] : "ARRAY") + " " +
                    shortened(std::visit([](const auto& v) { return word(v); }, value)));
  for (const core::GgufTensor& t : file.tensors())
    lines.push_back("tensor " + t.name + " " + std::string(core::info(t.dtype).name) + " " +
                    core::to_text(t.shape()));
  std::sort(lines.begin(), lines.end());
  return lines;
}

// Of a manifest, what a program reads: not how the file is called, and not our own keys.
std::vector<std::string> without_names(std::vector<std::string> lines, bool mmproj) {
  std::erase_if(lines, [mmproj](const std::string& line) {
    return line.starts_with("key general.name ") || line.starts_with("key general.size_label ") ||
           line.starts_with("key tarsier.") || (mmproj && line.starts_with("key general.sampling."));
  });
  return lines;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// name -> type and bytes of every tensor.
std::map<std::string, std::pair<core::DType, std::vector<std::byte>>> tensors_of(const std::string& path) {
  const GgufReader file(path);
  std::map<std::string, std::pair<core::DType, std::vector<std::byte>>> out;
  for (const core::GgufTensor& t : file.tensors()) {
    const auto bytes = file.data(t);
    out[t.name] = {t.dtype, {bytes.begin(), bytes.end()}};
  }
  return out;
}

// The file at path with some keys replaced or, where nothing stands, left out.
std::string changed(const TempFolder& folder, const std::string& path,
                    const std::map<std::string, std::optional<GgufValue>>& changes) {
  const GgufReader file(path);
  GgufWriter writer;
  for (const auto& [key, value] : file.metadata())
    if (!changes.contains(key)) writer.set(key, value);
  for (const auto& [key, value] : changes)
    if (value) writer.set(key, *value);
  for (const core::GgufTensor& t : file.tensors()) writer.add_tensor(t.name, t.dtype, t.shape());
  const std::string out = folder.path("changed-" + std::to_string(std::hash<std::string>{}(path)) + ".gguf");
  writer.begin(out);
  for (std::size_t i = 0; i < file.tensors().size(); ++i) writer.write(i, 0, file.data(file.tensors()[i]));
  writer.commit();
  return out;
}

class PairOf : public testing::TestWithParam<const char*> {};

TEST_P(PairOf, split_writes_what_llama_cpp_s_converter_writes) {
  const TempFolder folder;
  const std::string model = GetParam();
  const Pair pair = split(folder, converted(folder, model, "f16"));
  const std::string wanted = std::string(TARSIER_TEST_DATA) + "/llama-cpp-pairs/" + model;
  EXPECT_EQ(without_names(manifest(pair.text), false), without_names(lines_of(wanted + "-text.txt"), false));
  EXPECT_EQ(without_names(manifest(pair.mmproj), true),
            without_names(lines_of(wanted + "-mmproj.txt"), true));
}

TEST_P(PairOf, split_and_merged_gives_the_file_again) {
  const TempFolder folder;
  for (const char* type : {"f16", "q8_0"}) {
    const std::string source = converted(folder, GetParam(), type);
    const Pair pair = split(folder, source);
    const std::string back = folder.path("back.gguf");
    const auto result = tarsier::merge_pair({.text = pair.text, .mmproj = pair.mmproj, .output = back});
    EXPECT_EQ(result.warnings, std::vector<std::string>{}) << "our own keys say everything";
    const auto a = tensors_of(source);
    const auto b = tensors_of(back);
    for (const auto& [name, tensor] : a) {
      // In bf16 (where a patch's row fits no block) the patch projection is not for llama.cpp.
      if (tensor.first == core::DType::bf16 && name.starts_with("v.patch_embd.weight")) {
        EXPECT_EQ(b.at(name).first, core::DType::f32);
        const auto& narrow = tensor.second;
        const auto& wide = b.at(name).second;
        ASSERT_EQ(wide.size(), 2 * narrow.size());
        for (std::size_t i = 0; i < narrow.size(); i += 2)
          ASSERT_TRUE(wide[2 * i] == std::byte{} && wide[2 * i + 1] == std::byte{} &&
                      wide[2 * i + 2] == narrow[i] && wide[2 * i + 3] == narrow[i + 1]);
      } else {
        EXPECT_EQ(b.at(name), tensor) << name;
      }
    }
    const GgufReader first(source);
    const GgufReader second(back);
    for (const auto& [key, value] : first.metadata()) {
      ASSERT_TRUE(second.has(key)) << key;
      EXPECT_TRUE(*second.find(key) == value) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PairOf, testing::Values("tiny-vl-dense", "tiny-vl-moe"),
                         [](const auto& one) { return std::string(one.param).substr(8); });

// Both files as llama.cpp's converter leaves them: nothing under tarsier.*.
Pair foreign_pair(const TempFolder& folder, const std::string& model) {
  const Pair pair = split(folder, converted(folder, model, "f16"));
  const GgufReader text(pair.text);
  std::map<std::string, std::optional<GgufValue>> ours;
  for (const auto& [key, value] : text.metadata())
    if (key.starts_with("tarsier.")) ours[key] = std::nullopt;
  return {changed(folder, pair.text, ours),
          changed(folder, pair.mmproj, {{"clip.vision.attention.layer_norm_epsilon", 1e-5F}})};
}

TEST(Pair, what_a_foreign_pair_does_not_say_is_said_in_the_merged_file_and_to_the_user) {
  const TempFolder folder;
  const Pair pair = foreign_pair(folder, "tiny-vl-dense");
  const std::string merged = folder.path("merged.gguf");
  const auto result = tarsier::merge_pair({.text = pair.text, .mmproj = pair.mmproj, .output = merged});
  ASSERT_EQ(result.warnings.size(), 1U);
  for (const char* part :
       {"the pair does not say", "tarsier.image.min_pixels = 65536", "tarsier.video.fps = 2",
        "tarsier.vision.temporal_patch_size = 2", "tarsier.vision.deepstack_layers = [0, 1, 2]"})
    EXPECT_THAT(result.warnings[0], HasSubstr(part));
  const GgufReader file(merged);
  EXPECT_EQ(file.integer("tarsier.image.max_pixels"), 16777216);
  const tarsier::Config pair_config = tarsier::read_config(ModelFiles(pair.text, pair.mmproj));
  const tarsier::Config one = tarsier::read_config(ModelFiles(merged));
  for (const tarsier::Config* c : {&pair_config, &one}) {
    EXPECT_EQ(c->vision.layer_norm_eps, 1e-6F);  // whatever the file says
    EXPECT_TRUE(c->generation.do_sample);
    EXPECT_EQ(c->generation.top_k, 20);
    EXPECT_FLOAT_EQ(static_cast<float>(c->generation.temperature), 0.7F);
    EXPECT_THAT(c->generation.eos_token_id, testing::Contains(1152));
    EXPECT_EQ(c->special.image_pad, one.special.image_pad);
  }
}

TEST(Pair, files_that_are_not_of_one_pair_are_refused_with_one_message) {
  const TempFolder folder;
  const Pair pair = split(folder, converted(folder, "tiny-vl-dense", "f16"));
  const auto refusal = [](const std::string& text, const std::string& mmproj) {
    return error_of([&] { tarsier::read_config(ModelFiles(text, mmproj)); });
  };
  EXPECT_EQ(refusal(pair.text, pair.mmproj), "");
  EXPECT_EQ(refusal(pair.text, ""), "");  // reads text only
  EXPECT_THAT(refusal(pair.mmproj, pair.text), HasSubstr("holds only a vision tower"));
  EXPECT_THAT(refusal(pair.text, pair.text),
              HasSubstr("is of architecture qwen3vl, wanted the vision tower"));
  EXPECT_THAT(refusal(folder.path("tiny-vl-dense-f16.gguf"), pair.mmproj),
              HasSubstr("holds a vision tower already"));
  const auto narrow = changed(folder, pair.mmproj, {{"clip.vision.projection_dim", std::uint32_t{128}}});
  EXPECT_THAT(refusal(pair.text, narrow),
              HasSubstr("out_hidden_size is 128, wanted the text's hidden_size, 256"));
  const auto fewer =
      changed(folder, pair.mmproj,
              {{"clip.vision.is_deepstack_layers", std::vector<bool>{true, false, true, false}}});
  const auto unmarked = changed(folder, pair.text, {{"tarsier.vision.deepstack_layers", std::nullopt}});
  EXPECT_THAT(refusal(unmarked, fewer), HasSubstr("takes DeepStack features of 3 blocks"));
  EXPECT_THAT(refusal(unmarked, fewer), HasSubstr("gives them of 2"));
  const auto other = changed(folder, pair.mmproj, {{"clip.projector_type", "resampler"}});
  EXPECT_THAT(refusal(pair.text, other),
              HasSubstr("clip.projector_type is resampler, wanted qwen3vl_merger"));
  const auto part = changed(folder, pair.text, {{"split.count", std::uint16_t{3}}});
  EXPECT_THAT(refusal(part, pair.mmproj), HasSubstr("is one of 3 parts"));
}

TEST(Pair, what_a_pair_cannot_hold_is_refused_all_at_once) {
  const TempFolder folder;
  const auto source = changed(folder, converted(folder, "tiny-vl-moe", "f16"),
                              {{"tarsier.dense_layers", std::vector<std::int64_t>{1}},
                               {"tarsier.rope.mrope_section", std::vector<std::int64_t>{12, 10, 9}},
                               {"tarsier.tokenizer.pattern", "\\w+"},
                               {"tarsier.tokenizer.ignore_merges", true},
                               {"tarsier.vision.temporal_patch_size", std::uint32_t{3}},
                               {"tarsier.processor.temporal_patch_size", std::uint32_t{3}},
                               {"clip.vision.attention.layer_norm_epsilon", 1e-5F},
                               {"tarsier.vision.num_position_embeddings", std::uint32_t{65}}});
  const std::string refusal = error_of([&] { split(folder, source); });
  for (const char* part :
       {"cannot be split into a pair", "1 layers of its 4 have no experts",
        "mrope_section adds up to 31, wanted half of head_dim, 32", "splits words by \\w+", "ignore_merges",
        "temporal_patch_size is 3, wanted 2", "wanted a square", "the vision tower's epsilon is"})
    EXPECT_THAT(refusal, HasSubstr(part));
  const Pair pair = split(folder, converted(folder, "tiny-vl-dense", "f16"));
  EXPECT_THAT(
      error_of([&] {
        tarsier::split_pair({.source = pair.text, .text = folder.path("a"), .mmproj = folder.path("b")});
      }),
      HasSubstr("it holds no vision tower"));
  EXPECT_THAT(error_of([&] { split(folder, converted(folder, "tiny-vl-dense", "x4")); }),
              HasSubstr(" is X4, wanted a type that llama.cpp reads"));
}

}  // namespace
