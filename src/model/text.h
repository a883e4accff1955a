// The language model: tokens (some of them rows of pictures) -> logits.
// Reads beside transformers' modeling_qwen3_vl.py, class Qwen3VLTextModel, and modeling_qwen3_vl_moe.py.
#pragma once

#include <vector>

#include "ggml-like-core/graph/plan.h"
#include "src/model/weights.h"

namespace tarsier {

struct TextPlanOptions {
  int n_tokens = 1;
  int n_logits = 1;         // logits of the last rows
  bool media = false;       // some tokens are rows of pictures
  bool every_norm = false;  // all rows to text.final_norm, not only those with logits
  bool operator==(const TextPlanOptions&) const = default;
};

// A plan that reads n_tokens behind those in the cache.
struct TextPlan {
  TextPlanOptions options;
  core::Plan plan;
  core::Value ids;                 // input i32 [n, 1]
  core::Value rope_cos, rope_sin;  // inputs [n, head_dim]
  core::Value media_rows;          // input [n, hidden]; absent without media
  core::Value media_index;         // input i32 [n, 1]: row of media_rows that takes the place of the token's
                                   // embedding, or -1
  std::vector<core::Value> deepstack;  // inputs [n, hidden] for the first layers; rows by media_index
  std::vector<core::Value> forced;  // inputs i32 [rows, top_k] for MoE layers (absent for dense ones), of the
                                    // last tokens where not of all: may stay unbound
  core::Value last_rows;            // input i32 [n_logits, 1]; absent without logits
  core::Value logits;               // output [n_logits, vocab]; absent without logits
};
TextPlan make_text_plan(const Config& config, const Weights& weights, const TextPlanOptions& options);

// DeepStack features that the text model takes: one for each of its first layers.
int deepstack_layers(const Config& config);

}  // namespace tarsier
