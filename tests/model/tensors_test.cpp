// The list of tensors against what the demo checkpoints and the published shapes hold.
#include "src/model/tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/model/some_config.h"

namespace {

using tarsier::Role;
using tarsier::tensor_specs;
using tarsier::TensorSpec;

std::int64_t parameters(const std::vector<TensorSpec>& specs) {
  std::int64_t sum = 0;
  for (const TensorSpec& s : specs) {
    std::int64_t n = 1;
    for (const std::int64_t d : s.shape) n *= d;
    sum += n;
  }
  return sum;
}

TEST(Tensors, every_name_stands_once_and_fits_into_a_gguf_file) {
  for (const bool moe : {false, true}) {
    std::set<std::string> names;
    for (const TensorSpec& s : tensor_specs(test::some_config(moe))) {
      EXPECT_TRUE(names.insert(s.name).second) << s.name;
      EXPECT_LE(s.name.size(), 64U);
      EXPECT_FALSE(s.shape.empty());
    }
  }
}

TEST(Tensors, number_of_parameters_is_that_of_the_published_shapes) {
  // Qwen3-VL-2B: 2,127,532,032 parameters (total_parameters of a checkpoint of its shape).
  tarsier::Config c;
  c.text = {.vocab_size = 151936,
            .hidden_size = 2048,
            .intermediate_size = 6144,
            .num_hidden_layers = 28,
            .num_attention_heads = 16,
            .num_key_value_heads = 8,
            .head_dim = 128,
            .tie_word_embeddings = true};
  c.vision.depth = 24;
  c.vision.hidden_size = 1024;
  c.vision.intermediate_size = 4096;
  c.vision.num_heads = 16;
  c.vision.num_position_embeddings = 2304;
  c.vision.out_hidden_size = 2048;
  c.vision.deepstack_visual_indexes = {5, 11, 17};
  EXPECT_EQ(parameters(tensor_specs(c)), 2127532032);
  EXPECT_EQ(tensor_specs(c).size(), 626U);  // 625 of the checkpoint, one of them in two halves
}

TEST(Tensors, experts_stand_where_a_layer_has_them) {
  const auto specs = tensor_specs(test::some_config(true));
  const auto find = [&](const std::string& name) -> const TensorSpec* {
    for (const TensorSpec& s : specs)
      if (s.name == name) return &s;
    return nullptr;
  };
  ASSERT_NE(find("blk.0.ffn_gate_exps.weight"), nullptr);
  EXPECT_EQ(find("blk.0.ffn_gate_exps.weight")->shape, (std::vector<std::int64_t>{4, 16, 32}));
  EXPECT_EQ(find("blk.0.ffn_down_exps.weight")->shape, (std::vector<std::int64_t>{4, 32, 16}));
  EXPECT_EQ(find("blk.0.ffn_gate_inp.weight")->role, Role::router);
  EXPECT_EQ(find("blk.0.ffn_gate.weight"), nullptr);
  EXPECT_EQ(find("blk.1.ffn_gate_exps.weight"), nullptr);
  EXPECT_EQ(find("blk.1.ffn_gate.weight")->shape, (std::vector<std::int64_t>{48, 32}));
  EXPECT_EQ(find("output.weight"), nullptr);  // tied
}

TEST(Tensors, deepstack_is_named_by_vision_block_and_stored_by_order) {
  // Feature 0 comes from block 2, feature 1 from block 0.
  std::map<std::string, std::string> stored;
  for (const TensorSpec& s : tensor_specs(test::some_config())) {
    if (s.name.starts_with("v.deepstack.") && s.name.ends_with("fc1.weight")) stored[s.name] = s.hf_name;
  }
  const std::string hf = "model.visual.deepstack_merger_list.";
  const std::map<std::string, std::string> wanted = {
      {"v.deepstack.2.fc1.weight", hf + "0.linear_fc1.weight"},
      {"v.deepstack.0.fc1.weight", hf + "1.linear_fc1.weight"}};
  EXPECT_EQ(stored, wanted);
}

}  // namespace
