#include "src/model/text.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ggml-like-core/graph/fuse.h"

namespace tarsier {
namespace {

using core::Builder;
using core::Value;

// Qwen3VLTextAttention but for its output projection. x: [n, hidden] -> [n, heads * head_dim].
Value attention(Builder& b, const TextConfig& c, const Weights& w, int layer, const TextPlan& in, Value x) {
  const std::string p = "blk." + std::to_string(layer) + ".";
  Value q = b.mat_mul(x, w.weight(p + "attn_q"));
  Value k = b.mat_mul(x, w.weight(p + "attn_k"));
  if (c.qk_norm) {
    q = b.rms_norm(q, w.weight(p + "attn_q_norm"), c.rms_norm_eps);
    k = b.rms_norm(k, w.weight(p + "attn_k_norm"), c.rms_norm_eps);
  }
  const Value v = b.mat_mul(x, w.weight(p + "attn_v"));
  const auto rotated = [&](Value y) { return b.rope(y, in.rope_cos, in.rope_sin, c.head_dim, c.rope_pairs); };
  const core::CachedAttention op{.layer = layer,
                                 .heads = c.num_attention_heads,
                                 .kv_heads = c.num_key_value_heads,
                                 .head_dim = c.head_dim,
                                 .scale = 1.0F / std::sqrt(static_cast<float>(c.head_dim))};
  return b.cached_attention(rotated(q), rotated(k), v, op);
}

// Qwen3VLTextMLP or Qwen3VLMoeTextSparseMoeBlock. x: [n, hidden] -> [n, hidden].
Value feed_forward(Builder& b, const TextConfig& c, const Weights& w, int layer, Value forced, Value x) {
  const std::string p = "blk." + std::to_string(layer) + ".";
  if (!c.is_moe(layer))
    return b.mat_mul(b.silu_mul(b.mat_mul(x, w.weight(p + "ffn_gate")), b.mat_mul(x, w.weight(p + "ffn_up"))),
                     w.weight(p + "ffn_down"));
  const Value logits = b.name(b.mat_mul(x, w.weight(p + "ffn_gate_inp")), "router.logits");
  const Builder::Routing routing = b.top_k(logits, c.moe.num_experts_per_tok, forced);
  b.name(routing.weights, "router.weights");
  b.name(routing.ids, "router.experts");
  return b.experts(x, routing, w.weight(p + "ffn_gate_exps"), w.weight(p + "ffn_up_exps"),
                   w.weight(p + "ffn_down_exps"));
}

}  // namespace

int deepstack_layers(const Config& config) {
  return std::min(static_cast<int>(config.vision.deepstack_visual_indexes.size()),
                  config.text.num_hidden_layers);
}

TextPlan make_text_plan(const Config& config, const Weights& w, const TextPlanOptions& options) {
  const TextConfig& c = config.text;
  Builder b;
  TextPlan out;
  out.options = options;
  const Builder::Scope scope(b, "text");
  const int n = options.n_tokens;
  out.ids = b.input("ids", n, 1, core::DType::i32);
  out.rope_cos = b.name(b.input("rope_cos", n, c.head_dim), "rope_cos");
  out.rope_sin = b.name(b.input("rope_sin", n, c.head_dim), "rope_sin");
  if (options.n_logits > 0) out.last_rows = b.input("last_rows", options.n_logits, 1, core::DType::i32);
  if (options.media) {
    out.media_rows = b.input("media_rows", n, c.hidden_size);
    out.media_index = b.input("media_index", n, 1, core::DType::i32);
    for (int k = 0; k < deepstack_layers(config); ++k)
      out.deepstack.push_back(b.input("deepstack_rows." + std::to_string(k), n, c.hidden_size));
  }

  Value x = b.embed_rows(w["token_embd.weight"], out.ids);
  if (options.media) x = b.select_rows(x, out.media_rows, out.media_index);
  b.name(x, "inputs_embeds");
  // Behind the last keys and values only rows that give logits are read.
  const bool gathers = !options.every_norm && options.n_logits > 0 && options.n_logits < n &&
                       c.num_hidden_layers > static_cast<int>(out.deepstack.size());
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const Builder::Scope layer(b, "layer." + std::to_string(i));
    const std::string p = "blk." + std::to_string(i) + ".";
    const bool last = i + 1 == c.num_hidden_layers;
    out.forced.push_back(c.is_moe(i) ? b.input("forced_experts", last && gathers ? options.n_logits : n,
                                               c.moe.num_experts_per_tok, core::DType::i32)
                                     : Value{});
    Value attn = attention(b, c, w, i, out, b.rms_norm(x, w.weight(p + "attn_norm"), c.rms_norm_eps));
    if (last && options.n_logits == 0 && !options.every_norm) break;
    if (last && gathers) {
      x = b.gather_rows(x, out.last_rows);
      attn = b.gather_rows(attn, out.last_rows);
    }
    x = b.add(x, b.mat_mul(attn, w.weight(p + "attn_output")));
    x = b.add(x, feed_forward(b, c, w, i, out.forced.back(),
                              b.rms_norm(x, w.weight(p + "ffn_norm"), c.rms_norm_eps)));
    b.name(x, "out");
    if (static_cast<std::size_t>(i) < out.deepstack.size())
      x = b.name(b.add_rows(x, out.deepstack[static_cast<std::size_t>(i)], out.media_index),
                 "after_deepstack");
  }
  if (options.n_logits > 0) {
    if (!options.every_norm && !gathers) x = b.gather_rows(x, out.last_rows);
    x = b.name(b.rms_norm(x, w["output_norm.weight"], c.rms_norm_eps), "final_norm");
    if (options.every_norm) x = b.gather_rows(x, out.last_rows);
    out.logits = b.output(b.name(b.mat_mul(x, w.head()), "logits"));
  }
  out.plan = core::make_plan(core::fuse(std::move(b).build()));
  return out;
}

}  // namespace tarsier
