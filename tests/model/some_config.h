// A small configuration that passes check(), for tests to change.
#pragma once

#include "src/model/config.h"

namespace test {

inline tarsier::Config some_config(bool moe = false) {
  tarsier::Config c;
  c.name = "some";
  c.text = {.vocab_size = 40,
            .hidden_size = 32,
            .intermediate_size = 48,
            .num_hidden_layers = 3,
            .num_attention_heads = 4,
            .num_key_value_heads = 2,
            .head_dim = 8,
            .max_position_embeddings = 100,
            .rms_norm_eps = 1e-5F,
            .rope_theta = 12345.678,
            .mrope_section = {2, 1, 1},
            .tie_word_embeddings = true};
  if (moe) {
    c.text.moe = {.num_experts = 4, .num_experts_per_tok = 2, .moe_intermediate_size = 16};
    c.text.dense_layers = {1};
  }
  c.vision.depth = 3;
  c.vision.hidden_size = 16;
  c.vision.intermediate_size = 24;
  c.vision.num_heads = 2;
  c.vision.num_position_embeddings = 16;
  c.vision.out_hidden_size = 32;
  c.vision.deepstack_visual_indexes = {2, 0};
  c.special = {
      .image_pad = 30, .video_pad = 31, .vision_start = 32, .vision_end = 33, .im_start = 34, .im_end = 35};
  c.generation = {.do_sample = true,
                  .temperature = 0.7,
                  .top_k = 20,
                  .top_p = 0.8,
                  .min_p = 0.05,
                  .repetition_penalty = 1.05,
                  .eos_token_id = {35, 36}};
  c.processor.image = {1024, 4096};
  c.processor.video = {2048, std::int64_t{1} << 33};
  c.processor.mean = {0.1F, 0.2F, 0.3F};
  c.processor.std = {0.4F, 0.5F, 0.6F};
  c.processor.video_fps = 1.5;
  c.processor.min_frames = 2;
  c.processor.max_frames = 10;
  c.processor.cap_pixels_per_frame = true;
  c.processor.max_video_tokens = 99;
  c.processor.do_resize = false;
  c.video_outer_markers = true;
  c.chat_template = "{{ messages }}";
  return c;
}

}  // namespace test
