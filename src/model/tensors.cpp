#include "src/model/tensors.h"

namespace tarsier {
namespace {

using Shape = std::vector<std::int64_t>;

struct Rows {
  std::vector<TensorSpec> specs;

  void add(std::string name, std::string hf_name, Shape shape, Role role) {
    specs.push_back(
        {.name = std::move(name), .hf_name = std::move(hf_name), .shape = std::move(shape), .role = role});
  }
  // A linear layer with bias of the vision tower.
  void linear(const std::string& name, const std::string& hf_name, std::int64_t out, std::int64_t in) {
    add(name + ".weight", hf_name + ".weight", {out, in}, Role::vision_linear);
    add(name + ".bias", hf_name + ".bias", {out}, Role::bias);
  }
  void layer_norm(const std::string& name, const std::string& hf_name, std::int64_t n) {
    add(name + ".weight", hf_name + ".weight", {n}, Role::norm);
    add(name + ".bias", hf_name + ".bias", {n}, Role::bias);
  }
};

void add_vision(Rows& rows, const VisionConfig& v) {
  const std::string hf = "model.visual.";
  const std::int64_t d = v.hidden_size;
  for (int t = 0; t < v.temporal_patch_size; ++t)
    rows.specs.push_back({.name = "v.patch_embd.weight" + (t == 0 ? "" : "." + std::to_string(t)),
                          .hf_name = hf + "patch_embed.proj.weight",
                          .shape = {d, v.in_channels, v.patch_size, v.patch_size},
                          .role = Role::vision_patch,
                          .transform = Transform::temporal_slice,
                          .index = t});
  rows.add("v.patch_embd.bias", hf + "patch_embed.proj.bias", {d}, Role::bias);
  rows.add("v.position_embd.weight", hf + "pos_embed.weight", {v.num_position_embeddings, d}, Role::position);
  for (int n = 0; n < v.depth; ++n) {
    const std::string b = "v.blk." + std::to_string(n) + ".";
    const std::string q = hf + "blocks." + std::to_string(n) + ".";
    rows.layer_norm(b + "ln1", q + "norm1", d);
    rows.linear(b + "attn_qkv", q + "attn.qkv", 3 * d, d);
    rows.linear(b + "attn_out", q + "attn.proj", d, d);
    rows.layer_norm(b + "ln2", q + "norm2", d);
    rows.linear(b + "ffn_up", q + "mlp.linear_fc1", v.intermediate_size, d);
    rows.linear(b + "ffn_down", q + "mlp.linear_fc2", d, v.intermediate_size);
    for (std::size_t k = 0; k < v.deepstack_visual_indexes.size(); ++k) {
      if (v.deepstack_visual_indexes[k] != n) continue;
      const std::string ds = "v.deepstack." + std::to_string(n) + ".";
      const std::string dq = hf + "deepstack_merger_list." + std::to_string(k) + ".";
      rows.layer_norm(ds + "norm", dq + "norm", v.merged_size());
      rows.linear(ds + "fc1", dq + "linear_fc1", v.merged_size(), v.merged_size());
      rows.linear(ds + "fc2", dq + "linear_fc2", v.out_hidden_size, v.merged_size());
    }
  }
  rows.layer_norm("v.post_ln", hf + "merger.norm", d);
  rows.linear("mm.0", hf + "merger.linear_fc1", v.merged_size(), v.merged_size());
  rows.linear("mm.2", hf + "merger.linear_fc2", v.out_hidden_size, v.merged_size());
}

void add_text(Rows& rows, const TextConfig& c) {
  const std::string hf = "model.language_model.";
  const std::int64_t h = c.hidden_size;
  const std::int64_t q_size = static_cast<std::int64_t>(c.num_attention_heads) * c.head_dim;
  const std::int64_t kv_size = static_cast<std::int64_t>(c.num_key_value_heads) * c.head_dim;
  rows.add("token_embd.weight", hf + "embed_tokens.weight", {c.vocab_size, h}, Role::embedding);
  if (c.rope_factors) rows.add("rope_freqs.weight", "", {c.head_dim / 2}, Role::norm);
  for (int n = 0; n < c.num_hidden_layers; ++n) {
    const std::string b = "blk." + std::to_string(n) + ".";
    const std::string q = hf + "layers." + std::to_string(n) + ".";
    rows.add(b + "attn_norm.weight", q + "input_layernorm.weight", {h}, Role::norm);
    rows.add(b + "attn_q.weight", q + "self_attn.q_proj.weight", {q_size, h}, Role::attention);
    rows.add(b + "attn_k.weight", q + "self_attn.k_proj.weight", {kv_size, h}, Role::attention);
    rows.add(b + "attn_v.weight", q + "self_attn.v_proj.weight", {kv_size, h}, Role::attention_value);
    if (c.qk_norm) {
      rows.add(b + "attn_q_norm.weight", q + "self_attn.q_norm.weight", {c.head_dim}, Role::norm);
      rows.add(b + "attn_k_norm.weight", q + "self_attn.k_norm.weight", {c.head_dim}, Role::norm);
    }
    rows.add(b + "attn_output.weight", q + "self_attn.o_proj.weight", {h, q_size}, Role::attention);
    rows.add(b + "ffn_norm.weight", q + "post_attention_layernorm.weight", {h}, Role::norm);
    if (c.is_moe(n)) {
      const std::int64_t e = c.moe.num_experts;
      const std::int64_t m = c.moe.moe_intermediate_size;
      rows.add(b + "ffn_gate_inp.weight", q + "mlp.gate.weight", {e, h}, Role::router);
      rows.specs.push_back({b + "ffn_gate_exps.weight",
                            q + "mlp.experts.gate_up_proj",
                            {e, m, h},
                            Role::expert,
                            Transform::experts_gate});
      rows.specs.push_back({b + "ffn_up_exps.weight",
                            q + "mlp.experts.gate_up_proj",
                            {e, m, h},
                            Role::expert,
                            Transform::experts_up});
      rows.specs.push_back({b + "ffn_down_exps.weight",
                            q + "mlp.experts.down_proj",
                            {e, h, m},
                            Role::expert_down,
                            Transform::experts_down});
    } else {
      const std::int64_t m = c.intermediate_size;
      rows.add(b + "ffn_gate.weight", q + "mlp.gate_proj.weight", {m, h}, Role::ffn);
      rows.add(b + "ffn_up.weight", q + "mlp.up_proj.weight", {m, h}, Role::ffn);
      rows.add(b + "ffn_down.weight", q + "mlp.down_proj.weight", {h, m}, Role::ffn_down);
    }
  }
  rows.add("output_norm.weight", hf + "norm.weight", {h}, Role::norm);
  if (!c.tie_word_embeddings) rows.add("output.weight", "lm_head.weight", {c.vocab_size, h}, Role::head);
}

}  // namespace

std::vector<TensorSpec> tensor_specs(const Config& config) {
  Rows rows;
  if (config.vision.present) add_vision(rows, config.vision);
  add_text(rows, config.text);
  return std::move(rows.specs);
}

}  // namespace tarsier
