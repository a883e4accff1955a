// The demo checkpoints become GGUF files: every tensor is compared with an independent reading of the source.
#include "convert/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "convert/policy.h"
#include "convert/quantize.h"
#include "ggml-like-core/quant/reference.h"
#include "src/model/config_file.h"
#include "tests/convert/checkpoint.h"

namespace {

using core::DType;
using test::Checkpoint;
using test::StoredTensor;
using test::TempFolder;

const std::string kModels[] = {"tiny-vl-dense", "tiny-vl-moe"};

std::string folder_of(const std::string& model) { return std::string(TARSIER_SOURCE) + "/models/" + model; }

// What the tensor of spec holds, by a loop over indices: [rows][row_length].
std::vector<float> expected(const Checkpoint& checkpoint, const tarsier::TensorSpec& spec) {
  const StoredTensor& t = checkpoint.tensors.at(spec.hf_name);
  const std::vector<float> all = test::floats_of(t);
  if (spec.transform == tarsier::Transform::none) return all;
  std::vector<float> out;
  const auto at = [&](std::int64_t i) { return all[static_cast<std::size_t>(i)]; };
  const auto& s = t.shape;
  if (spec.transform == tarsier::Transform::temporal_slice) {  // [d, C, T, P, P]
    for (std::int64_t dc = 0; dc < s[0] * s[1]; ++dc)
      for (std::int64_t p = 0; p < s[3] * s[4]; ++p)
        out.push_back(at((dc * s[2] + spec.index) * s[3] * s[4] + p));
    return out;
  }
  const std::int64_t first = spec.transform == tarsier::Transform::experts_up ? s[2] / 2 : 0;
  const std::int64_t rows = spec.transform == tarsier::Transform::experts_down ? s[2] : s[2] / 2;
  for (std::int64_t e = 0; e < s[0]; ++e)  // [E, in, out], out = gate then up
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t k = 0; k < s[1]; ++k) out.push_back(at((e * s[1] + k) * s[2] + first + r));
  return out;
}

// The largest error of a weight among weights of at most `most`, whatever the rest of the block: half a step
// of the coarsest grid the block could need. Scales are halves (2^-11 relative); the k formats' scales of
// groups are 6 bits (4, 5 bits: of the block's largest group) or 8 bits, which adds their own half steps.
double error_bound(DType dtype, double most) {
  switch (dtype) {
    case DType::f32:
      return 0;
    case DType::f16:
      return most * 0x1p-11 + 0x1p-25;
    case DType::bf16:
      return most * 0x1p-8;
    case DType::q8_0:
      return most / 127 * 0.5 + most * 0x1p-10;
    case DType::q4_0:
      return most / 8 * 1.0 + most * 0x1p-10;  // the side without the largest magnitude ends one step early
    case DType::q4_K:
      return 2 * most / 15 * 0.5 +
             3 * 2 * most / 63;  // + scale and minimum off by half a step each, times 15
    case DType::q5_K:
      return 2 * most / 31 * 0.5 + 3 * 2 * most / 63;
    case DType::q6_K:
      return most / 31 * 0.5 + 2 * most / 127 + most / 32;
    // A least-squares scale may leave the largest weight out by up to a step, and is off by half of one: two
    // steps; one step more where the side without the largest magnitude ends earlier.
    case DType::q4_1:
      return 2 * (2 * most / 15);
    case DType::q5_1:
      return 2 * (2 * most / 31);
    case DType::q2_K:
      return 2 * (2 * most / 3);
    case DType::q5_0:
      return 3 * (most / 16);
    case DType::q3_K:
      return 3 * (most / 4);
    case DType::iq4_nl:
    case DType::iq4_xs:
      return 2 * (most / 127 * 24);
    case DType::x4:
      return 2 * (most / 32 * 7);
    case DType::x5:
      return 3 * (most / 16);
    case DType::x6:
      return 3 * (most / 32);
    case DType::x7:
      return 3 * (most / 64) + most / 64;  // + the sub-scale's rounding
    case DType::x8:
      return 3 * (most / 128) + most / 64;  // + the sub-scale's rounding
    case DType::mxfp4:
      return most / 4;  // the largest is nearly 16 where 12 is the most
    default:
      return 0;
  }
}

void expect_tensors(const std::string& model, const std::string& path, const tarsier::TypePreset& text,
                    const tarsier::TypePreset& vision) {
  const Checkpoint checkpoint(model);
  const core::GgufReader file(path);
  const tarsier::Config config = tarsier::read_config(tarsier::ModelFiles(file.path()));
  const auto specs = tarsier::tensor_specs(config);
  ASSERT_EQ(file.tensors().size(), specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const core::GgufTensor& t = file.tensors()[i];
    ASSERT_EQ(t.name, specs[i].name);  // in the order of execution
    ASSERT_EQ(t.shape(), specs[i].shape);
    ASSERT_EQ(t.dtype, format_for(specs[i], config, text, vision)) << t.name;
    const auto wanted = expected(checkpoint, specs[i]);
    const auto length = static_cast<std::size_t>(t.row_length());
    const auto block = static_cast<std::size_t>(core::info(t.dtype).block_len);
    std::vector<float> row(length);
    for (std::size_t r = 0; r < wanted.size() / length; ++r) {
      core::dequantize_row(row, t.dtype, file.data(t).data() + r * core::row_bytes(t.dtype, t.row_length()));
      double most = 0;
      for (std::size_t k = 0; k < length; ++k) {
        if (k % block == 0) {
          most = 0;
          for (std::size_t b = k; b < k + block; ++b)
            most = std::max(most, std::abs(static_cast<double>(wanted[r * length + b])));
        }
        const double error =
            std::abs(static_cast<double>(row[k]) - static_cast<double>(wanted[r * length + k]));
        const bool exact = t.dtype == DType::f32 || t.dtype == DType::bf16;  // the source is BF16
        ASSERT_LE(error, exact ? 0 : error_bound(t.dtype, most)) << t.name << " row " << r << " column " << k;
      }
    }
  }
}

TEST(Convert, every_tensor_of_both_models_is_that_of_the_source_in_every_type) {
  const TempFolder folder;
  for (const std::string& model : kModels)
    for (const tarsier::TypePreset& type : tarsier::type_presets()) {
      SCOPED_TRACE(model + " " + std::string(type.name));
      const std::string path = folder.path("model.gguf");
      const auto result = tarsier::convert({.source = folder_of(model),
                                            .output = path,
                                            .type = std::string(type.name),
                                            .vision_type = std::string(type.name)});
      EXPECT_THAT(result.warnings, ::testing::IsEmpty());
      expect_tensors(model, path, type, type);
    }
}

TEST(Convert, transformers_5_configuration_gives_the_same_file) {
  const TempFolder folder;
  for (const std::string& model : kModels) {
    tarsier::convert({.source = folder_of(model), .output = folder.path("a.gguf")});
    tarsier::convert({.source = folder_of(model),
                      .output = folder.path("b.gguf"),
                      .config_name = "config.transformers5.json",
                      .threads = 1});
    EXPECT_TRUE(test::read_bytes(folder.path("a.gguf")) == test::read_bytes(folder.path("b.gguf"))) << model;
  }
}

TEST(Convert, the_file_says_what_the_folder_says) {
  const TempFolder folder;
  tarsier::convert({.source = folder_of("tiny-vl-moe"), .output = folder.path("a.gguf")});
  const core::GgufReader file(folder.path("a.gguf"));
  const tarsier::Config c = tarsier::read_config(tarsier::ModelFiles(file.path()));
  EXPECT_EQ(c.name, "tiny-vl-moe");
  EXPECT_EQ(c.architecture(), "qwen3vlmoe");
  EXPECT_EQ(c.text.hidden_size, 256);
  EXPECT_EQ(c.text.rope_theta, 1e5);
  EXPECT_EQ(c.text.mrope_section, (std::vector<int>{12, 10, 10}));
  EXPECT_FALSE(c.text.tie_word_embeddings);
  EXPECT_EQ(c.text.moe.num_experts, 16);
  EXPECT_EQ(c.text.moe.num_experts_per_tok, 4);
  EXPECT_EQ(c.text.moe.moe_intermediate_size, 96);
  EXPECT_EQ(c.vision.deepstack_visual_indexes, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(c.generation.eos_token_id, (std::vector<int>{1152, 1150}));
  EXPECT_EQ(c.generation.temperature, 0.7);
  EXPECT_EQ(c.generation.top_k, 20);
  EXPECT_EQ(c.special.image_pad, 1162);
  EXPECT_EQ(c.special.im_end, 1152);
  EXPECT_EQ(c.processor.image.min_pixels, 4096);
  EXPECT_EQ(c.processor.image.max_pixels, 20480);
  EXPECT_EQ(c.processor.video.max_pixels, 61440);
  EXPECT_EQ(c.processor.max_frames, 16);
  const auto json = test::read_json(folder_of("tiny-vl-moe") + "/chat_template.json");
  EXPECT_EQ(c.chat_template, json.at("chat_template").get<std::string>());
  const auto tokenizer = tarsier::read_tokenizer(file);
  EXPECT_EQ(tokenizer.tokens.size(), 1176U);
  EXPECT_EQ(tokenizer.added.size(), 26U);
  EXPECT_EQ(file.texts("tokenizer.ggml.tokens").size(), 1280U);
  EXPECT_EQ(file.texts("tokenizer.ggml.tokens")[1176], "[PAD1176]");
  EXPECT_EQ(file.integer("general.file_type"), 32);
}

TEST(Quantize, gives_the_tensor_bytes_of_a_conversion_from_the_source) {
  const TempFolder folder;
  for (const std::string& model : kModels) {
    tarsier::convert({.source = folder_of(model), .output = folder.path("bf16.gguf")});
    for (const std::string type : {"q8_0", "q4_k"}) {
      tarsier::convert({.source = folder_of(model),
                        .output = folder.path("direct.gguf"),
                        .type = type,
                        .vision_type = "q8_0"});
      tarsier::quantize({.source = folder.path("bf16.gguf"),
                         .output = folder.path("again.gguf"),
                         .type = type,
                         .vision_type = "q8_0"});
      EXPECT_TRUE(test::read_bytes(folder.path("direct.gguf")) == test::read_bytes(folder.path("again.gguf")))
          << model << " " << type;
    }
  }
}

TEST(Quantize, to_the_types_a_file_has_copies_it) {
  const TempFolder folder;
  tarsier::convert({.source = folder_of("tiny-vl-moe"), .output = folder.path("a.gguf"), .type = "q4_k"});
  tarsier::quantize({.source = folder.path("a.gguf"), .output = folder.path("b.gguf"), .type = "q4_k"});
  EXPECT_TRUE(test::read_bytes(folder.path("a.gguf")) == test::read_bytes(folder.path("b.gguf")));
}

TEST(Quantize, refuses_to_write_what_it_reads_and_files_that_lack_tensors) {
  const TempFolder folder;
  const std::string path = folder.path("a.gguf");
  tarsier::convert({.source = folder_of("tiny-vl-dense"), .output = path});
  const std::string before = test::read_bytes(path);
  EXPECT_THAT(
      test::error_of([&] { tarsier::quantize({.source = path, .output = folder.path() + "/./a.gguf"}); }),
      ::testing::HasSubstr("is read from"));
  EXPECT_TRUE(test::read_bytes(path) == before);

  const core::GgufReader whole(path);
  core::GgufWriter writer;
  for (const auto& [key, value] : whole.metadata()) writer.set(key, value);
  const std::int64_t other[] = {3};
  writer.add_tensor("output_norm.weight", DType::f32, other);
  writer.begin(folder.path("less.gguf"));
  writer.write(0, 0, std::vector<std::byte>(12));
  writer.commit();
  const std::string text = test::error_of(
      [&] { tarsier::quantize({.source = folder.path("less.gguf"), .output = folder.path("b.gguf")}); });
  EXPECT_THAT(text, ::testing::HasSubstr("tensor v.patch_embd.weight is missing"));
  EXPECT_THAT(text, ::testing::HasSubstr(" more"));
  EXPECT_FALSE(std::filesystem::exists(folder.path("b.gguf")));
}

}  // namespace
