#include "src/cli/published_models.h"

#include <functional>
#include <numeric>

#include "ggml-like-core/quant/formats.h"
#include "src/model/tensors.h"

namespace tarsier::cli {
namespace {

// config.json of the checkpoints Qwen/Qwen3-VL-*.
TextConfig text_config(int layers, int hidden, int intermediate, int heads, int kv_heads) {
  return {.vocab_size = 151936,
          .hidden_size = hidden,
          .intermediate_size = intermediate,
          .num_hidden_layers = layers,
          .num_attention_heads = heads,
          .num_key_value_heads = kv_heads,
          .head_dim = 128,
          .max_position_embeddings = 262144,
          .rope_theta = 5e6,
          .mrope_section = {24, 20, 20}};
}

VisionConfig vision_config(bool large, int out) {
  VisionConfig v;
  v.depth = large ? 27 : 24;
  v.hidden_size = large ? 1152 : 1024;
  v.intermediate_size = large ? 4304 : 4096;
  v.num_heads = 16;
  v.num_position_embeddings = 2304;
  v.out_hidden_size = out;
  v.deepstack_visual_indexes = large ? std::vector<int>{8, 16, 24} : std::vector<int>{5, 11, 17};
  return v;
}

PublishedModel model(const char* name, const TextConfig& text, bool large_vision, bool tied) {
  PublishedModel out{.name = name, .config = {}};
  out.config.text = text;
  out.config.text.tie_word_embeddings = tied;
  out.config.vision = vision_config(large_vision, text.hidden_size);
  return out;
}

}  // namespace

std::vector<PublishedModel> published_models() {
  TextConfig experts = text_config(48, 2048, 6144, 32, 4);
  experts.moe = {.num_experts = 128, .num_experts_per_tok = 8, .moe_intermediate_size = 768};
  return {model("2B", text_config(28, 2048, 6144, 16, 8), false, true),
          model("4B", text_config(36, 2560, 9728, 32, 8), false, true),
          model("8B", text_config(36, 4096, 12288, 32, 8), true, false),
          model("30B-A3B", experts, true, false),
          model("32B", text_config(64, 5120, 25600, 64, 8), true, false)};
}

FileSize file_size(const Config& config, const TypePreset& text) {
  const TypePreset& vision = type_preset("bf16");
  FileSize out;
  for (const TensorSpec& spec : tensor_specs(config)) {
    const core::FormatInfo& format = core::info(format_for(spec, config, text, vision));
    const std::int64_t weights =
        std::accumulate(spec.shape.begin(), spec.shape.end(), std::int64_t{1}, std::multiplies<>());
    const auto bytes = static_cast<std::uint64_t>(weights / format.block_len) * format.block_bytes;
    out.all += bytes;
    switch (spec.role) {
      case Role::vision_patch:
      case Role::vision_linear:
      case Role::position:
        break;
      case Role::expert:
      case Role::expert_down:
        out.per_token += bytes * static_cast<std::uint64_t>(config.text.moe.num_experts_per_tok) /
                         static_cast<std::uint64_t>(config.text.moe.num_experts);
        break;
      case Role::embedding:  // all of it where it is the head, too
        out.per_token += config.text.tie_word_embeddings ? bytes : 0;
        break;
      default:
        out.per_token += bytes;
    }
  }
  return out;
}

}  // namespace tarsier::cli
