// The same weights stored in every way that is about give the same file, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "convert/convert.h"
#include "ggml-like-core/gguf/reader.h"
#include "ggml-like-core/quant/reference.h"
#include "src/model/config_file.h"
#include "tests/convert/checkpoint.h"

namespace {

using test::Checkpoint;
using test::StoredTensor;
using test::TempFolder;
using ::testing::HasSubstr;

struct Converted {
  std::string bytes;
  std::vector<std::string> warnings;
};

Converted converted_folder(const std::string& source, const std::string& type) {
  const TempFolder out;
  const auto result = tarsier::convert(
      {.source = source, .output = out.path("a.gguf"), .type = type, .vision_type = type, .name = "same"});
  return {test::read_bytes(out.path("a.gguf")), result.warnings};
}

Converted converted(const Checkpoint& checkpoint, const std::string& type = "bf16") {
  const TempFolder folder;
  checkpoint.write(folder);
  return converted_folder(folder.path(), type);
}

void expect_same(const Converted& a, const Converted& b) {
  EXPECT_THAT(a.warnings, ::testing::IsEmpty());
  EXPECT_THAT(b.warnings, ::testing::IsEmpty());
  EXPECT_TRUE(a.bytes == b.bytes);
}

std::vector<std::string> names_ending(const Checkpoint& c, std::string_view end) {
  std::vector<std::string> out;
  for (const auto& [name, t] : c.tensors)
    if (name.ends_with(end)) out.push_back(name);
  return out;
}

// One tensor for each expert instead of one for all.
void split_experts(Checkpoint& c) {
  const auto part = [&](const StoredTensor& t, std::size_t e, std::int64_t first, std::int64_t n) {
    // [E, in, out] of BF16 -> rows first.. of the transposed [n, in]
    StoredTensor out{t.dtype, {n, t.shape[1]}, {}};
    const auto in = static_cast<std::size_t>(t.shape[1]);
    const auto columns = static_cast<std::size_t>(t.shape[2]);
    for (std::size_t r = 0; r < static_cast<std::size_t>(n); ++r)
      for (std::size_t k = 0; k < in; ++k) {
        const std::size_t at = ((e * in + k) * columns + static_cast<std::size_t>(first) + r) * 2;
        out.bytes.push_back(t.bytes[at]);
        out.bytes.push_back(t.bytes[at + 1]);
      }
    return out;
  };
  for (const std::string& name : names_ending(c, ".experts.gate_up_proj")) {
    const StoredTensor t = c.tensors.extract(name).mapped();
    const std::string prefix = name.substr(0, name.rfind('.') + 1);
    const StoredTensor down = c.tensors.extract(prefix + "down_proj").mapped();
    const std::int64_t inter = t.shape[2] / 2;
    for (std::size_t e = 0; e < static_cast<std::size_t>(t.shape[0]); ++e) {
      const std::string expert = prefix + std::to_string(e) + ".";
      c.tensors[expert + "gate_proj.weight"] = part(t, e, 0, inter);
      c.tensors[expert + "up_proj.weight"] = part(t, e, inter, inter);
      c.tensors[expert + "down_proj.weight"] = part(down, e, 0, down.shape[2]);
    }
  }
}

TEST(ConvertVariants, one_file_or_shards) {
  const auto shards = converted_folder(std::string(TARSIER_SOURCE) + "/models/tiny-vl-dense", "bf16");
  expect_same(converted(Checkpoint("tiny-vl-dense")), shards);
}

TEST(ConvertVariants, experts_as_transformers_5_saves_them_and_one_by_one) {
  const Checkpoint hub("tiny-vl-moe");
  const Converted wanted = converted(hub, "q8_0");
  Checkpoint saved = hub;
  for (const char* end : {".experts.gate_up_proj", ".experts.down_proj"})
    for (const std::string& name : names_ending(saved, end))
      saved.tensors[name] = test::swapped(saved.tensors[name]);
  expect_same(converted(saved, "q8_0"), wanted);
  Checkpoint single = hub;
  split_experts(single);
  expect_same(converted(single, "q8_0"), wanted);
}

TEST(ConvertVariants, names_with_other_prefixes) {
  const Checkpoint published("tiny-vl-moe");
  const Converted wanted = converted(published);
  const auto replaced = [](std::string name,
                           const std::vector<std::pair<std::string, std::string>>& prefixes) {
    for (const auto& [from, to] : prefixes)
      if (name.starts_with(from)) return to + name.substr(from.size());
    return name;
  };
  const std::vector<std::vector<std::pair<std::string, std::string>>> spellings = {
      {{"model.visual.", "visual."},
       {"model.language_model.", "language_model.model."},
       {"lm_head.", "language_model.lm_head."}},
      {{"model.visual.", "visual."}, {"model.language_model.", "model."}},
      {{"model.visual.", "visual."}, {"model.language_model.", "language_model."}},
  };
  for (const auto& spelling : spellings) {
    Checkpoint c = published;
    c.rename([&](const std::string& name) { return replaced(name, spelling); });
    expect_same(converted(c), wanted);
  }
}

TEST(ConvertVariants, stored_as_f32_and_f16) {
  const Checkpoint bf16("tiny-vl-dense");
  const Converted wanted = converted(bf16, "f32");
  Checkpoint f32 = bf16;
  for (auto& [name, t] : f32.tensors) t = test::stored("F32", t.shape, test::floats_of(t));
  expect_same(converted(f32, "f32"), wanted);
  Checkpoint f16 = bf16;
  for (auto& [name, t] : f16.tensors) t = test::stored("F16", t.shape, test::floats_of(t));
  for (auto& [name, t] : f32.tensors) t = test::stored("F32", t.shape, test::floats_of(f16.tensors.at(name)));
  expect_same(converted(f16, "f32"), converted(f32, "f32"));
}

TEST(ConvertVariants, a_tied_head_may_be_stored_and_an_untied_one_is_taken) {
  const Checkpoint tied("tiny-vl-dense");
  const Converted wanted = converted(tied);
  Checkpoint both = tied;
  both.tensors["lm_head.weight"] = both.tensors.at("model.language_model.embed_tokens.weight");
  expect_same(converted(both), wanted);

  Checkpoint untied = both;
  const std::vector<float> head(327680, 0.5F);
  untied.tensors["lm_head.weight"] = test::stored("BF16", {1280, 256}, head);
  untied.edit("config.json", [](auto& json) {
    json["tie_word_embeddings"] = false;
    json["text_config"]["tie_word_embeddings"] = false;
  });
  const TempFolder folder;
  const std::string path = folder.write("a.gguf", converted(untied).bytes);
  const core::GgufReader file(path);
  ASSERT_NE(file.find_tensor("output.weight"), nullptr);
  EXPECT_FALSE(tarsier::read_config(tarsier::ModelFiles(file.path())).text.tie_word_embeddings);
  std::vector<float> row(256);
  core::dequantize_row(row, core::DType::bf16, file.data(*file.find_tensor("output.weight")).data());
  EXPECT_EQ(row, std::vector<float>(256, 0.5F));
}

TEST(ConvertVariants, dense_layers_between_layers_of_experts) {
  Checkpoint c("tiny-vl-moe");
  const std::string mlp = "model.language_model.layers.1.mlp.";
  for (const char* name : {"gate.weight", "experts.gate_up_proj", "experts.down_proj"})
    c.tensors.erase(mlp + name);
  const std::vector<float> gate(196608, 0.25F);
  c.tensors[mlp + "gate_proj.weight"] = test::stored("BF16", {768, 256}, gate);
  c.tensors[mlp + "up_proj.weight"] = test::stored("BF16", {768, 256}, gate);
  c.tensors[mlp + "down_proj.weight"] = test::stored("BF16", {256, 768}, gate);
  c.edit("config.json", [](auto& json) { json["text_config"]["mlp_only_layers"] = {1}; });
  const Converted out = converted(c);
  EXPECT_THAT(out.warnings, ::testing::IsEmpty());
  const TempFolder folder;
  const core::GgufReader file(folder.write("a.gguf", out.bytes));
  EXPECT_EQ(tarsier::read_config(tarsier::ModelFiles(file.path())).text.dense_layers, std::vector<int>{1});
  EXPECT_NE(file.find_tensor("blk.1.ffn_gate.weight"), nullptr);
  EXPECT_EQ(file.find_tensor("blk.1.ffn_gate_exps.weight"), nullptr);
  EXPECT_NE(file.find_tensor("blk.2.ffn_gate_exps.weight"), nullptr);

  c.edit("config.json", [](auto& json) {
    json["text_config"]["mlp_only_layers"] = nlohmann::json::array();
    json["text_config"]["decoder_sparse_step"] = 2;
  });
  const TempFolder sparse;
  c.write(sparse);
  const std::string text = test::error_of([&] { converted_folder(sparse.path(), "bf16"); });
  EXPECT_THAT(text, HasSubstr("layers.0.mlp.gate_proj.weight is missing"));
  EXPECT_THAT(text, HasSubstr("layers.1.mlp.gate.weight is missing"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("layers.2.mlp.gate.weight is missing")));
}

// E4M3 by its definition.
float e4m3(int bits) {
  const int exponent = (bits >> 3) & 15;
  const int mantissa = bits & 7;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return static_cast<float>(bits < 128 ? magnitude : -magnitude);
}

struct Fp8Pair {
  StoredTensor weight, scales;
  StoredTensor f32;  // what they mean
};

// shape: two or three dimensions; one scale for each block of the last two.
Fp8Pair random_fp8(const std::vector<std::int64_t>& shape, std::int64_t block_rows,
                   std::int64_t block_columns, std::mt19937& random) {
  const std::int64_t columns = shape.back();
  const std::int64_t rows = shape[shape.size() - 2];
  const std::int64_t matrices = shape.size() == 3 ? shape[0] : 1;
  const std::int64_t scale_rows = (rows + block_rows - 1) / block_rows;
  const std::int64_t scale_columns = (columns + block_columns - 1) / block_columns;
  Fp8Pair out;
  out.weight = {"F8_E4M3", shape, {}};
  std::vector<float> scales(static_cast<std::size_t>(matrices * scale_rows * scale_columns));
  for (float& s : scales) s = std::ldexp(static_cast<float>(1 + random() % 7), -12);
  std::vector<float> values;
  for (std::int64_t m = 0; m < matrices; ++m)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const int bits = static_cast<int>(random() % 2 * 128 + random() % 127);
        out.weight.bytes.push_back(static_cast<std::byte>(bits));
        const std::int64_t at = (m * scale_rows + r / block_rows) * scale_columns + c / block_columns;
        values.push_back(e4m3(bits) * scales[static_cast<std::size_t>(at)]);
      }
  std::vector<std::int64_t> scale_shape = shape;
  scale_shape[shape.size() - 2] = scale_rows;
  scale_shape.back() = scale_columns;
  out.scales = test::stored("F32", scale_shape, scales);
  out.f32 = test::stored("F32", shape, values);
  return out;
}

// Every linear layer of the text as FP8, and the same checkpoint with what those mean.
void expect_fp8_means(const Checkpoint& base, std::int64_t block_rows, std::int64_t block_columns) {
  Checkpoint fp8 = base;
  Checkpoint f32 = base;
  std::mt19937 random(5);
  int count = 0;
  for (const auto& [name, t] : base.tensors) {
    const bool linear =
        name.find(".language_model.layers.") != std::string::npos && name.find("proj") != std::string::npos;
    if (!linear) continue;
    const Fp8Pair pair = random_fp8(t.shape, block_rows, block_columns, random);
    fp8.tensors[name] = pair.weight;
    fp8.tensors[name + "_scale_inv"] = pair.scales;
    f32.tensors[name] = pair.f32;
    ++count;
  }
  EXPECT_GE(count, 24);
  fp8.edit("config.json", [&](auto& json) {
    json["quantization_config"] = {{"quant_method", "fp8"},
                                   {"weight_block_size", {block_rows, block_columns}}};
  });
  expect_same(converted(fp8, "f32"), converted(f32, "f32"));
}

TEST(ConvertVariants, fp8_with_block_scales_dense_fused_and_one_by_one) {
  expect_fp8_means(Checkpoint("tiny-vl-dense"), 128, 128);
  const Checkpoint fused("tiny-vl-moe");
  expect_fp8_means(fused, 128, 128);
  expect_fp8_means(fused, 64, 48);  // blocks that are not square, and one that is cut by the edge
  Checkpoint single = fused;
  split_experts(single);
  expect_fp8_means(single, 128, 128);
}

TEST(ConvertVariants, a_sentencepiece_model_with_tokens_of_the_configuration) {
  Checkpoint c("tiny-vl-dense");
  c.files.erase("tokenizer.json");
  c.files["tokenizer.model"] =
      test::read_bytes(std::string(TARSIER_TEST_DATA) + "/sentencepiece/tokenizer.model");
  const Converted out = converted(c);  // the vision tokens keep their ids of tokenizer_config.json
  EXPECT_THAT(out.warnings, ::testing::IsEmpty());
  const TempFolder folder;
  const core::GgufReader file(folder.write("a.gguf", out.bytes));
  EXPECT_EQ(file.text("tokenizer.ggml.model"), "llama");
  const tarsier::Config config = tarsier::read_config(tarsier::ModelFiles(file.path()));
  EXPECT_EQ(config.special.im_end, 1152);
  const tarsier::Tokenizer tokenizer(tarsier::read_tokenizer(file));
  EXPECT_EQ(tokenizer.find("<|image_pad|>"), 1162);
  const auto ids = tokenizer.encode("<|im_start|>hello", true);
  ASSERT_GT(ids.size(), 1U);
  EXPECT_EQ(ids[0], 1151);
  EXPECT_EQ(tokenizer.decode(std::span(ids).subspan(1)), "hello");
}

TEST(ConvertVariants, other_places_of_template_and_processor_settings) {
  Checkpoint c("tiny-vl-dense");
  const Converted wanted = converted(c);
  const auto text =
      nlohmann::json::parse(c.files.at("chat_template.json")).at("chat_template").get<std::string>();
  c.files.erase("chat_template.json");
  expect_same(converted(c), wanted);  // of tokenizer_config.json
  c.files["chat_template.jinja"] = text;
  c.edit("tokenizer_config.json", [](auto& json) { json.erase("chat_template"); });
  expect_same(converted(c), wanted);
  const nlohmann::json both = {
      {"image_processor", nlohmann::json::parse(c.files.at("preprocessor_config.json"))},
      {"video_processor", nlohmann::json::parse(c.files.at("video_preprocessor_config.json"))}};
  c.files["processor_config.json"] = both.dump();
  c.files.erase("preprocessor_config.json");
  c.files.erase("video_preprocessor_config.json");
  expect_same(converted(c), wanted);
  c.files["preprocessor_config.json"] = both.at("image_processor").dump();
  c.edit("preprocessor_config.json", [](auto& json) {
    json.erase("size");
    json["min_pixels"] = 4096;
    json["max_pixels"] = 20480;
  });
  c.files["video_preprocessor_config.json"] = both.at("video_processor").dump();
  c.files.erase("processor_config.json");
  expect_same(converted(c), wanted);
}

}  // namespace
