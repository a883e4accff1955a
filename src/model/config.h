// What a Qwen3-VL model is made of. Fields are declared once, in config_fields: GGUF metadata, config.json
// and printing derive from it. Names are those of transformers' Qwen3VLTextConfig and Qwen3VLVisionConfig.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/processor.h"

namespace tarsier {

// The text models that files name, and all that they differ in.
struct Architecture {
  std::string_view name;  // general.architecture
  bool experts;           // layers of experts
  bool mrope;             // positions of three numbers: such a model can read pictures
  bool qk_norm;           // an RMS norm over each head of queries and keys
  bool rope_pairs;        // rotates dimensions (2i, 2i + 1) together, not (i, i + head_dim / 2)
};
inline constexpr std::array kArchitectures = {
    Architecture{"qwen3vl", false, true, true, false}, Architecture{"qwen3vlmoe", true, true, true, false},
    Architecture{"qwen3", false, false, true, false},  Architecture{"qwen3moe", true, false, true, false},
    Architecture{"llama", false, false, false, true},
};
// Error: where names no such model; the names there are.
const Architecture& architecture_named(std::string_view name, const std::string& where);

struct MoeConfig {
  int num_experts = 0;  // 0: a dense model
  int num_experts_per_tok = 0;
  int moe_intermediate_size = 0;
};

struct TextConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;
  int head_dim = 0;
  int max_position_embeddings = 0;
  float rms_norm_eps = 1e-6F;
  double rope_theta = 0;
  std::vector<int> mrope_section;  // [t, h, w] in frequencies; the first number is never used. Empty:
                                   // positions are one number
  bool qk_norm = true;             // as in Architecture
  bool rope_pairs = false;         // as in Architecture
  bool rope_factors = false;       // rope_freqs.weight divides the frequencies
  bool tie_word_embeddings = false;
  MoeConfig moe;
  std::vector<int>
      dense_layers;  // layers of a MoE model that have a plain MLP (mlp_only_layers, decoder_sparse_step)

  bool is_moe(int layer) const;
};

struct VisionConfig {
  bool present = true;  // false: a model that reads text only; nothing else here counts then
  int depth = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_heads = 0;
  int in_channels = 3;
  int patch_size = 16;
  int temporal_patch_size = 2;
  int spatial_merge_size = 2;
  int num_position_embeddings = 0;
  int out_hidden_size = 0;
  std::vector<int>
      deepstack_visual_indexes;  // vision blocks; text layers 0, 1, ... take their features in the
                                 // order of the blocks, the place in this list says which merger
  float layer_norm_eps = 1e-6F;  // fixed in transformers
  double rope_theta = 10000.0;   // fixed in transformers

  int head_dim() const { return hidden_size / num_heads; }
  // Of the square grid of positions: the root of num_position_embeddings, rounded down.
  int position_side() const;
  int spatial_merge_unit() const { return spatial_merge_size * spatial_merge_size; }  // patches of a token
  int merged_size() const { return hidden_size * spatial_merge_unit(); }
  int patch_values() const { return in_channels * patch_size * patch_size; }  // of one of the temporal halves
};

// Sampling defaults of the checkpoint's generation_config.json.
struct GenerationConfig {
  bool do_sample = false;
  double temperature = 1.0;
  int top_k = 0;
  double top_p = 1.0;
  double min_p = 0.0;
  double repetition_penalty = 1.0;
  std::vector<int> eos_token_id;
};

struct SpecialTokens {
  int image_pad = -1, video_pad = -1, vision_start = -1, vision_end = -1, im_start = -1, im_end = -1;
};

struct Config {
  TextConfig text;
  VisionConfig vision;
  GenerationConfig generation;
  SpecialTokens special;
  ProcessorConfig processor;
  bool video_outer_markers = false;
  std::string name;           // of the checkpoint, for people
  std::string chat_template;  // as the checkpoint has it

  // The one that text fits.
  std::string architecture() const;
};

// Calls visit(gguf_key, config_json_path, field) for every field that a file holds one to one; those of the
// vision tower (is_vision_key) only where there is one. "{arch}" in a key stands for the architecture;
// config_json_path is "" for what config.json does not say under one name. Visitor: overloads for int&,
// float&, double&, bool&, std::vector<int>&.
template <class AConfig, class Visit>
void config_fields(AConfig& c, Visit&& visit) {
  auto& t = c.text;
  visit("{arch}.vocab_size", "text_config.vocab_size", t.vocab_size);
  visit("{arch}.context_length", "text_config.max_position_embeddings", t.max_position_embeddings);
  visit("{arch}.embedding_length", "text_config.hidden_size", t.hidden_size);
  visit("{arch}.block_count", "text_config.num_hidden_layers", t.num_hidden_layers);
  visit("{arch}.feed_forward_length", "text_config.intermediate_size", t.intermediate_size);
  visit("{arch}.attention.head_count", "text_config.num_attention_heads", t.num_attention_heads);
  visit("{arch}.attention.head_count_kv", "text_config.num_key_value_heads", t.num_key_value_heads);
  visit("{arch}.attention.key_length", "text_config.head_dim", t.head_dim);
  visit("{arch}.attention.layer_norm_rms_epsilon", "text_config.rms_norm_eps", t.rms_norm_eps);
  visit("{arch}.rope.freq_base", "", t.rope_theta);  // rope_theta or rope_parameters.rope_theta
  visit("tarsier.rope.mrope_section", "",
        t.mrope_section);  // also {arch}.rope.dimension_sections, padded to four
  visit("tarsier.tie_word_embeddings", "", t.tie_word_embeddings);  // in text_config or above it
  visit("{arch}.expert_count", "", t.moe.num_experts);              // num_experts or num_local_experts
  visit("{arch}.expert_used_count", "", t.moe.num_experts_per_tok);
  visit("{arch}.expert_feed_forward_length", "", t.moe.moe_intermediate_size);
  visit("tarsier.dense_layers", "", t.dense_layers);
  auto& v = c.vision;
  visit("clip.vision.block_count", "vision_config.depth", v.depth);
  visit("clip.vision.embedding_length", "vision_config.hidden_size", v.hidden_size);
  visit("clip.vision.feed_forward_length", "vision_config.intermediate_size", v.intermediate_size);
  visit("clip.vision.attention.head_count", "vision_config.num_heads", v.num_heads);
  visit("clip.vision.attention.layer_norm_epsilon", "", v.layer_norm_eps);
  visit("clip.vision.patch_size", "vision_config.patch_size", v.patch_size);
  visit("clip.vision.spatial_merge_size", "vision_config.spatial_merge_size", v.spatial_merge_size);
  visit("clip.vision.projection_dim", "vision_config.out_hidden_size", v.out_hidden_size);
  visit("tarsier.vision.in_channels", "vision_config.in_channels", v.in_channels);
  visit("tarsier.vision.temporal_patch_size", "vision_config.temporal_patch_size", v.temporal_patch_size);
  visit("tarsier.vision.num_position_embeddings", "vision_config.num_position_embeddings",
        v.num_position_embeddings);
  visit("tarsier.vision.deepstack_layers", "vision_config.deepstack_visual_indexes",
        v.deepstack_visual_indexes);
  auto& s = c.special;
  visit("tarsier.token.image_pad", "image_token_id", s.image_pad);
  visit("tarsier.token.video_pad", "video_token_id", s.video_pad);
  visit("tarsier.token.vision_start", "vision_start_token_id", s.vision_start);
  visit("tarsier.token.vision_end", "vision_end_token_id", s.vision_end);
  visit("tarsier.token.im_start", "", s.im_start);
  visit("tarsier.token.im_end", "", s.im_end);
  auto& g = c.generation;
  visit("tarsier.generation.do_sample", "", g.do_sample);
  visit("tarsier.generation.temperature", "", g.temperature);
  visit("tarsier.generation.top_k", "", g.top_k);
  visit("tarsier.generation.top_p", "", g.top_p);
  visit("tarsier.generation.min_p", "", g.min_p);
  visit("tarsier.generation.repetition_penalty", "", g.repetition_penalty);
  visit("tarsier.generation.eos_token_ids", "", g.eos_token_id);
  visit("tarsier.video.outer_markers", "", c.video_outer_markers);
}

// Throws Error listing every number that no model of this family can have (zero sizes, heads that do not
// divide, sections that do not fit head_dim, DeepStack blocks out of range ...). where: the file, for the
// message.
void check(const Config& config, const std::string& where);

}  // namespace tarsier
