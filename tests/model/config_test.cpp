// Configurations that no model can have are refused with every reason at once.
#include "src/model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/model/some_config.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::Config;
using test::some_config;
using ::testing::HasSubstr;

std::string refusal(const Config& c) {
  return test::error_of([&] { tarsier::check(c, "model.gguf"); });
}

TEST(ConfigCheck, a_possible_configuration_passes) {
  EXPECT_EQ(refusal(some_config(false)), "");
  EXPECT_EQ(refusal(some_config(true)), "");
}

TEST(ConfigCheck, every_impossible_number_is_refused) {
  const std::vector<std::pair<std::function<void(Config&)>, std::string>> cases = {
      {[](Config& c) { c.text.vocab_size = 0; }, "vocab_size is 0"},
      {[](Config& c) { c.text.hidden_size = -1; }, "text hidden_size is -1"},
      {[](Config& c) { c.text.hidden_size = std::numeric_limits<int>::max(); }, "text hidden_size"},
      {[](Config& c) { c.text.num_hidden_layers = 0; }, "num_hidden_layers is 0"},
      {[](Config& c) { c.text.num_hidden_layers = 1 << 30; }, "num_hidden_layers"},
      {[](Config& c) { c.text.num_attention_heads = 0; }, "num_attention_heads is 0"},
      {[](Config& c) { c.text.num_key_value_heads = 3; }, "4 heads cannot share 3"},
      {[](Config& c) { c.text.num_key_value_heads = 0; }, "num_key_value_heads is 0"},
      {[](Config& c) { c.text.head_dim = 7; }, "head_dim is 7, wanted an even number"},
      {[](Config& c) { c.text.head_dim = 0; }, "head_dim is 0"},
      {[](Config& c) { c.text.intermediate_size = 0; }, "text intermediate_size is 0"},
      {[](Config& c) { c.text.max_position_embeddings = 0; }, "max_position_embeddings is 0"},
      {[](Config& c) { c.text.rms_norm_eps = 0; }, "rms_norm_eps is 0"},
      {[](Config& c) { c.text.rope_theta = std::nan(""); }, "rope_theta is"},
      {[](Config& c) { c.text.mrope_section = {}; }, "mrope_section is []"},
      {[](Config& c) {
         c.text.mrope_section = {6, -1, -1};
       },
       "mrope_section is [6, -1, -1]"},
      {[](Config& c) { c.text.moe.num_experts = -1; }, "num_experts is -1"},
      {[](Config& c) {
         c.text.moe = {4, 5, 16};
       },
       "num_experts_per_tok is 5, wanted 1 to 4"},
      {[](Config& c) {
         c.text.moe = {4, 2, 0};
       },
       "moe_intermediate_size is 0"},
      {[](Config& c) { c.text.dense_layers = {3}; }, "dense_layers[] is 3, wanted 0 to 2"},
      {[](Config& c) {
         c.text.dense_layers = {1, 1};
       },
       "dense_layers holds a number twice"},
      {[](Config& c) { c.vision.depth = 0; }, "vision depth is 0"},
      {[](Config& c) { c.vision.hidden_size = 0; }, "vision hidden_size is 0"},
      {[](Config& c) { c.vision.num_heads = 3; }, "cannot be split into 3 heads"},
      {[](Config& c) { c.vision.num_heads = 0; }, "vision num_heads is 0"},
      {[](Config& c) { c.vision.intermediate_size = -5; }, "vision intermediate_size is -5"},
      {[](Config& c) { c.vision.in_channels = 4; }, "in_channels is 4"},
      {[](Config& c) { c.vision.patch_size = 0; }, "patch_size is 0"},
      {[](Config& c) { c.vision.temporal_patch_size = 0; }, "temporal_patch_size is 0"},
      {[](Config& c) { c.vision.spatial_merge_size = 0; }, "spatial_merge_size is 0"},
      {[](Config& c) { c.vision.num_position_embeddings = 0; }, "num_position_embeddings is 0"},
      {[](Config& c) { c.vision.out_hidden_size = 31; }, "out_hidden_size is 31"},
      {[](Config& c) { c.vision.deepstack_visual_indexes = {3}; }, "deepstack_visual_indexes[] is 3"},
      {[](Config& c) {
         c.vision.deepstack_visual_indexes = {1, 1};
       },
       "holds a number twice"},
      {[](Config& c) { c.processor.patch_size = 14; }, "the processor's patch_size is 14"},
      {[](Config& c) { c.processor.merge_size = 1; }, "the processor's merge_size is 1"},
      {[](Config& c) {
         c.processor.image = {100, 99};
       },
       "max_pixels is 99"},
      {[](Config& c) {
         c.processor.video = {-1, 99};
       },
       "min_pixels is -1"},
      {[](Config& c) { c.processor.std[1] = 0; }, "image_std[] is 0"},
      {[](Config& c) { c.processor.mean[1] = std::nanf(""); }, "image_mean"},
      {[](Config& c) { c.processor.rescale_factor = 0; }, "rescale_factor is 0"},
      {[](Config& c) { c.processor.video_fps = -1; }, "video fps is -1"},
      {[](Config& c) { c.processor.min_frames = 11; }, "max_frames is 10, wanted 11"},
      {[](Config& c) { c.processor.max_video_tokens = 0; }, "max_video_tokens is 0"},
      {[](Config& c) { c.special.image_pad = -1; }, "image_token_id is -1"},
      {[](Config& c) { c.special.vision_end = 40; }, "vision_end_token_id is 40, wanted 0 to 39"},
      {[](Config& c) { c.special.im_end = 40; }, "the id of <|im_end|> is 40"},
      {[](Config& c) { c.generation.eos_token_id = {40}; }, "eos_token_id is 40"},
      {[](Config& c) { c.generation.temperature = std::nan(""); }, "temperature is"},
      {[](Config& c) { c.generation.top_p = 1.5; }, "top_p is 1.5"},
      {[](Config& c) { c.generation.top_k = -1; }, "top_k is -1"},
      {[](Config& c) { c.generation.repetition_penalty = 0; }, "repetition_penalty is 0"},
  };
  for (const auto& [change, says] : cases) {
    Config c = some_config();
    change(c);
    EXPECT_THAT(refusal(c), HasSubstr(says));
    EXPECT_THAT(refusal(c), HasSubstr("model.gguf"));
  }
}

TEST(ConfigCheck, all_reasons_stand_in_one_message) {
  Config c = some_config();
  c.text.vocab_size = 0;
  c.vision.depth = 0;
  c.generation.top_p = -1;
  EXPECT_THAT(refusal(c),
              ::testing::AllOf(HasSubstr("vocab_size"), HasSubstr("vision depth"), HasSubstr("top_p is -1")));
}

TEST(ConfigCheck, layers_are_of_experts_but_for_the_dense_ones) {
  const Config moe = some_config(true);
  EXPECT_TRUE(moe.text.is_moe(0));
  EXPECT_FALSE(moe.text.is_moe(1));
  EXPECT_FALSE(some_config(false).text.is_moe(0));
  EXPECT_EQ(moe.architecture(), "qwen3vlmoe");
  EXPECT_EQ(some_config(false).architecture(), "qwen3vl");
}

}  // namespace
