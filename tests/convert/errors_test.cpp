// What can be wrong with a checkpoint's folder: everything is said at once, and no output stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <limits>

#include "convert/convert.h"
#include "convert/policy.h"
#include "ggml-like-core/gguf/reader.h"
#include "ggml-like-core/quant/reference.h"
#include "src/model/config_file.h"
#include "tests/convert/checkpoint.h"

namespace {

using test::Checkpoint;
using test::error_of;
using test::TempFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kNorm = "model.language_model.norm.weight";

// The message of converting the folder; nothing must stay beside it.
std::string refusal(const std::string& source, const std::string& type = "bf16") {
  const TempFolder out;
  std::string text =
      error_of([&] { tarsier::convert({.source = source, .output = out.path("a.gguf"), .type = type}); });
  EXPECT_TRUE(std::filesystem::is_empty(out.path()));
  return text;
}
std::string refusal(const Checkpoint& checkpoint, const std::string& type = "bf16") {
  const TempFolder folder;
  checkpoint.write(folder);
  return refusal(folder.path(), type);
}

TEST(ConvertErrors, a_folder_that_is_none_or_holds_no_checkpoint) {
  const TempFolder folder;
  EXPECT_THAT(refusal(folder.path("none")), HasSubstr("is no folder"));
  EXPECT_THAT(refusal(folder.path()), HasSubstr("holds no config.json"));
  folder.write("config.json", R"({"model_type":"llama"})");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("model_type is llama, wanted qwen3_vl or qwen3_vl_moe"));
  folder.write("config.json", "{}");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("model_type is missing"));
  folder.write("config.json", "{");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("config.json: is no JSON"));
  folder.write("config.json", "[1]");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("is no JSON object"));
}

TEST(ConvertErrors, an_unknown_type_is_answered_with_those_there_are) {
  EXPECT_THAT(refusal(Checkpoint("tiny-vl-dense"), "q3_m"),
              AllOf(HasSubstr("q3_m"), HasSubstr("q5_k, q4_k")));
}

TEST(ConvertErrors, all_problems_stand_in_one_message) {
  Checkpoint c("tiny-vl-dense");
  c.tensors.erase(kNorm);
  c.tensors["model.visual.merger.norm.bias"].shape = {64, 2};
  c.tensors["model.language_model.layers.0.input_layernorm.weight"].dtype = "I16";
  c.tensors["model.language_model.layers.2.self_attn.q_norm.weight"].dtype = "FANCY";
  c.files.erase("tokenizer.json");
  EXPECT_THAT(
      refusal(c),
      AllOf(
          HasSubstr("tensor " + kNorm + " is missing"),
          HasSubstr("model.visual.merger.norm.bias is [64, 2], wanted [128]"),
          HasSubstr("layers.0.input_layernorm.weight is [256] of type I16, wanted F32, F16, BF16 or F8_E4M3"),
          HasSubstr("of type FANCY"), HasSubstr("holds no tokenizer")));
}

TEST(ConvertErrors, a_long_list_is_cut) {
  Checkpoint c("tiny-vl-dense");
  c.tensors = {{kNorm, c.tensors.at(kNorm)}};
  const std::string text = refusal(c);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 21);
  // 122 tensors of ours come from 121 of the source: both temporal halves from one.
  EXPECT_THAT(text, HasSubstr("and 101 more"));
}

TEST(ConvertErrors, shards_that_are_cut_off_or_absent_are_named_once) {
  const TempFolder folder;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(TARSIER_SOURCE) + "/models/tiny-vl-dense"))
    std::filesystem::copy(entry.path(), folder.path());
  const std::string first = folder.path("model-00001-of-00002.safetensors");
  std::filesystem::resize_file(first, std::filesystem::file_size(first) - 1);
  std::filesystem::remove(folder.path("model-00002-of-00002.safetensors"));
  const std::string text = refusal(folder.path());
  EXPECT_THAT(
      text, AllOf(HasSubstr("model-00001-of-00002.safetensors: tensor"), HasSubstr("cut off"),
                  HasSubstr("model-00002-of-00002.safetensors: No such file"), Not(HasSubstr("is missing"))));
}

TEST(ConvertErrors, an_index_cannot_lead_out_of_the_folder) {
  Checkpoint c("tiny-vl-dense");
  c.files["model.safetensors.index.json"] = R"({"weight_map":{"a":"../other.safetensors"}})";
  EXPECT_THAT(refusal(c), HasSubstr("which does not lie in the folder"));
  c.files["model.safetensors.index.json"] = R"({"weight_map":3})";
  EXPECT_THAT(refusal(c), HasSubstr("has no object weight_map"));
}

TEST(ConvertErrors, impossible_and_missing_numbers_of_the_configuration) {
  Checkpoint c("tiny-vl-moe");
  const auto with = [&](const auto& change) {
    Checkpoint changed = c;
    changed.edit("config.json", [&](auto& json) { change(json["text_config"], json["vision_config"]); });
    return refusal(changed);
  };
  using Json = nlohmann::json;
  EXPECT_THAT(with([](Json& t, Json& v) {
                t.erase("hidden_size");
                t["num_hidden_layers"] = "four";
                v.erase("depth");
              }),
              AllOf(HasSubstr("text_config.hidden_size is missing"),
                    HasSubstr("text_config.num_hidden_layers is \"four\", wanted an integer"),
                    HasSubstr("vision_config.depth is missing")));
  EXPECT_THAT(with([](Json& t, Json&) { t["num_key_value_heads"] = 3; }), HasSubstr("cannot share 3"));
  EXPECT_THAT(with([](Json& t, Json&) { t["num_hidden_layers"] = 1 << 30; }), HasSubstr("num_hidden_layers"));
  EXPECT_THAT(with([](Json& t, Json&) { t["hidden_size"] = std::int64_t{1} << 40; }), HasSubstr("32 bits"));
  EXPECT_THAT(with([](Json& t, Json&) { t["hidden_act"] = "gelu"; }), HasSubstr("hidden_act is gelu"));
  EXPECT_THAT(with([](Json& t, Json&) { t["rope_scaling"]["rope_type"] = "yarn"; }), HasSubstr("yarn"));
  EXPECT_THAT(with([](Json& t, Json&) { t["rope_scaling"]["mrope_interleaved"] = false; }),
              HasSubstr("mrope_interleaved is false"));
  EXPECT_THAT(with([](Json& t, Json&) {
                t["rope_scaling"]["mrope_section"] = {12, 10};
              }),
              HasSubstr("[12, 10]"));
  EXPECT_THAT(with([](Json& t, Json&) { t.erase("rope_theta"); }), HasSubstr("rope_theta is missing"));
  EXPECT_THAT(with([](Json& t, Json&) { t.erase("num_experts"); }), HasSubstr("num_experts is missing"));
  EXPECT_THAT(with([](Json& t, Json&) { t["decoder_sparse_step"] = 0; }),
              HasSubstr("decoder_sparse_step is 0"));
  EXPECT_THAT(with([](Json&, Json& v) { v["deepstack_visual_indexes"] = {0, 4}; }), HasSubstr("deepstack"));
  EXPECT_THAT(with([](Json&, Json& v) { v["num_position_embeddings"] = 0; }),
              HasSubstr("num_position_embeddings is 0"));
}

TEST(ConvertErrors, experts_that_lie_in_neither_direction) {
  Checkpoint c("tiny-vl-moe");
  const std::string down = "model.language_model.layers.0.mlp.experts.down_proj";
  c.tensors[down] = test::swapped(c.tensors[down]);  // but gate_up_proj as the hub has it
  EXPECT_THAT(refusal(c),
              AllOf(HasSubstr("down_proj is [16, 256, 96] beside [16, 256, 192]"),
                    HasSubstr("wanted gate_up_proj [16, 256, 192] with down_proj [16, 96, 256]")));
}

TEST(ConvertErrors, fp8_without_scales_or_with_misshapen_ones) {
  Checkpoint c("tiny-vl-dense");
  const std::string name = "model.language_model.layers.0.mlp.down_proj.weight";
  c.tensors[name] = {"F8_E4M3", {256, 768}, std::vector<std::byte>(196608)};
  EXPECT_THAT(refusal(c), HasSubstr(name + "_scale_inv is missing"));
  c.tensors[name + "_scale_inv"] = test::stored("F32", {6, 2}, std::vector<float>(12));
  EXPECT_THAT(refusal(c), HasSubstr(name + "_scale_inv is [6, 2], wanted [2, 6]"));
}

TEST(ConvertErrors, a_number_that_is_not_finite_is_named_with_its_row) {
  Checkpoint c("tiny-vl-dense");
  auto& t = c.tensors["model.language_model.layers.3.mlp.up_proj.weight"];
  auto values = test::floats_of(t);
  values[700 * 256 + 3] = std::numeric_limits<float>::quiet_NaN();
  t = test::stored("BF16", t.shape, values);
  EXPECT_THAT(refusal(c), HasSubstr("tensor blk.3.ffn_up.weight: row 700 holds a number that is not finite"));
  values[700 * 256 + 3] = -std::numeric_limits<float>::infinity();
  t = test::stored("BF16", t.shape, values);
  EXPECT_THAT(refusal(c, "q8_0"), HasSubstr("blk.3.ffn_up.weight: row 700"));
}

TEST(ConvertErrors, values_that_a_half_cannot_hold_are_clipped_with_a_warning) {
  Checkpoint c("tiny-vl-dense");
  auto& t = c.tensors["model.language_model.layers.3.mlp.up_proj.weight"];
  auto values = test::floats_of(t);
  values[5] = 1e6F;
  values[9] = -1e6F;
  t = test::stored("BF16", t.shape, values);
  const TempFolder folder;
  c.write(folder);
  const std::string path = folder.path("a.gguf");
  const auto result = tarsier::convert({.source = folder.path(), .output = path, .type = "f16"});
  EXPECT_THAT(result.warnings,
              ElementsAre(AllOf(HasSubstr("blk.3.ffn_up.weight: 2 values"), HasSubstr("F16"))));
  const core::GgufReader file(path);
  std::vector<float> row(256);
  core::dequantize_row(row, core::DType::f16, file.data(*file.find_tensor("blk.3.ffn_up.weight")).data());
  EXPECT_EQ(row[5], 65504.0F);
  EXPECT_EQ(row[9], -65504.0F);
  const auto bf16 = tarsier::convert({.source = folder.path(), .output = path});
  EXPECT_THAT(bf16.warnings, IsEmpty());
}

TEST(ConvertErrors, tensors_that_are_not_used_are_a_warning) {
  Checkpoint c("tiny-vl-dense");
  c.tensors["model.language_model.extra"] = test::stored("F32", {2}, {1, 2});
  const TempFolder folder;
  c.write(folder);
  const auto result = tarsier::convert({.source = folder.path(), .output = folder.path("a.gguf")});
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("not used:\n  model.language_model.extra")));
}

TEST(ConvertErrors, the_output_is_never_an_input) {
  const Checkpoint c("tiny-vl-dense");
  const TempFolder folder;
  c.write(folder);
  const std::string before = test::read_bytes(folder.path("model.safetensors"));
  EXPECT_THAT(error_of([&] {
                tarsier::convert({.source = folder.path(), .output = folder.path("model.safetensors")});
              }),
              HasSubstr("is read from"));
  EXPECT_THAT(
      error_of([&] { tarsier::convert({.source = folder.path(), .output = folder.path("no/a.gguf")}); }),
      HasSubstr("does not exist"));
  EXPECT_TRUE(test::read_bytes(folder.path("model.safetensors")) == before);
}

// Sets the flag once some bytes are done.
class Canceller : public core::ProgressObserver {
 public:
  void progress(std::string_view step, double done, double total) override {
    EXPECT_EQ(step, "convert");
    EXPECT_GE(done, last_);
    EXPECT_LE(done, total);
    last_ = done;
    if (done > total / 2 && stop_in_the_middle) cancel = true;
  }
  bool stop_in_the_middle = true;
  std::atomic<bool> cancel{false};
  double last() const { return last_; }

 private:
  double last_ = 0;
};

TEST(ConvertErrors, a_cancelled_conversion_leaves_what_was_there) {
  const TempFolder folder;
  const std::string path = folder.write("a.gguf", "what was there");
  Canceller canceller;
  EXPECT_EQ(error_of([&] {
              tarsier::convert({.source = std::string(TARSIER_SOURCE) + "/models/tiny-vl-dense",
                                .output = path,
                                .cancel = &canceller.cancel},
                               &canceller);
            }),
            "cancelled");
  EXPECT_EQ(test::read_bytes(path), "what was there");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);

  Canceller patient;
  patient.stop_in_the_middle = false;
  const auto result = tarsier::convert({.source = std::string(TARSIER_SOURCE) + "/models/tiny-vl-dense",
                                        .output = path,
                                        .cancel = &patient.cancel},
                                       &patient);
  EXPECT_EQ(patient.last(), result.source_bytes);
  EXPECT_EQ(result.source_bytes, 11580672);  // total_size of the index
}

// Most memory of this process so far, mapped pages included.
double peak_megabytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

TEST(ConvertErrors, memory_does_not_grow_with_the_tensors) {
  // One layer with an MLP of 200,000: three tensors of 102 MB. The file is a hole, read as zeros.
  Checkpoint c("tiny-vl-dense");
  constexpr std::int64_t kWide = 200000;
  c.edit("config.json", [&](auto& json) {
    json["text_config"]["intermediate_size"] = kWide;
    json["text_config"]["num_hidden_layers"] = 1;
  });
  nlohmann::json header = nlohmann::json::object();
  std::size_t offset = 0;
  for (const auto& [name, t] : c.tensors) {
    if (name.find(".layers.") != std::string::npos && name.find(".layers.0.") == std::string::npos) continue;
    std::vector<std::int64_t> shape = t.shape;
    if (name.find(".mlp.") != std::string::npos && name.find("layers.0") != std::string::npos)
      for (std::int64_t& n : shape) n = n == 768 ? kWide : n;
    std::size_t bytes = 2;
    for (const std::int64_t n : shape) bytes *= static_cast<std::size_t>(n);
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  const TempFolder folder;
  c.write_files(folder);
  const std::string text = header.dump();
  const std::uint64_t n = text.size();
  std::string head(8, '\0');
  std::memcpy(head.data(), &n, 8);
  std::filesystem::resize_file(folder.write("model.safetensors", head + text), 8 + n + offset);

  const double before = peak_megabytes();
  const auto result =
      tarsier::convert({.source = folder.path(), .output = folder.path("a.gguf"), .type = "q4_0"});
  EXPECT_GT(result.source_bytes, 300e6);
  // A block of 1 MiB of floats, what it is read from and its output for each thread, and the tokenizer.
  EXPECT_LT(peak_megabytes() - before, 64);
}

}  // namespace
