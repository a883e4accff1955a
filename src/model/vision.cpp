#include "src/model/vision.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ggml-like-core/graph/fuse.h"
#include "src/model/rope.h"

namespace tarsier {
namespace {

using core::Builder;
using core::Value;

// Qwen3VLVisionPatchMerger. x: [n_patches, hidden] -> [M, out_hidden]. The main merger normalises rows of
// width hidden, the DeepStack ones (deep) the merged rows.
Value patch_merger(Builder& b, const VisionConfig& c, const Weights& w, const std::string& norm,
                   const std::string& fc1, const std::string& fc2, bool deep, Value x) {
  const std::int64_t merged_rows = b.info(x).rows / c.spatial_merge_unit();
  if (deep) x = b.reshape(x, merged_rows, c.merged_size());
  x = b.layer_norm(x, w.weight(norm), w.bias(norm), c.layer_norm_eps);
  if (!deep) x = b.reshape(x, merged_rows, c.merged_size());
  x = b.mat_mul(x, w.weight(fc1), &w.bias(fc1), core::Activation::gelu_erf);
  return b.mat_mul(x, w.weight(fc2), &w.bias(fc2));
}

// Qwen3VLVisionBlock. x: [n_patches, hidden] -> same.
Value vision_block(Builder& b, const VisionConfig& c, const Weights& w, int block, const VisionPlan& in,
                   Value x) {
  const std::string p = "v.blk." + std::to_string(block) + ".";
  const std::int64_t d = c.hidden_size;
  const Value h = b.layer_norm(x, w.weight(p + "ln1"), w.bias(p + "ln1"), c.layer_norm_eps);
  const Value qkv = b.mat_mul(h, w.weight(p + "attn_qkv"), &w.bias(p + "attn_qkv"));
  const Value q = b.rope(b.slice_cols(qkv, 0, d), in.rope_cos, in.rope_sin, c.head_dim());
  const Value k = b.rope(b.slice_cols(qkv, d, d), in.rope_cos, in.rope_sin, c.head_dim());
  const Value v = b.slice_cols(qkv, 2 * d, d);
  const float scale = 1.0F / std::sqrt(static_cast<float>(c.head_dim()));
  const bool exact = w.weight(p + "attn_qkv").dtype == core::DType::f32;
  const Value attn = b.segment_attention(
      q, k, v, in.segments, {.heads = c.num_heads, .head_dim = c.head_dim(), .scale = scale, .exact = exact});
  x = b.add(x, b.mat_mul(attn, w.weight(p + "attn_out"), &w.bias(p + "attn_out")));
  const Value m = b.layer_norm(x, w.weight(p + "ln2"), w.bias(p + "ln2"), c.layer_norm_eps);
  const Value up = b.mat_mul(m, w.weight(p + "ffn_up"), &w.bias(p + "ffn_up"), core::Activation::gelu_tanh);
  return b.add(x, b.mat_mul(up, w.weight(p + "ffn_down"), &w.bias(p + "ffn_down")));
}

// Where one coordinate of a grid of `size` patches lies between the `side` positions of the learned table:
// corners aligned, bilinear, in f32 and in the order of operations of
// transformers.vision_utils._interpolation_axis_taps_weights.
struct AxisTaps {
  std::int32_t tap[2];
  float weight[2];

  AxisTaps(int index, int size, int side) {
    const float source =
        static_cast<float>(index) * static_cast<float>(side - 1) / static_cast<float>(std::max(size - 1, 1));
    const float floor = std::floor(source);
    for (int i = 0; i < 2; ++i) {
      tap[i] = std::min(static_cast<std::int32_t>(floor) + i, side - 1);
      weight[i] = 1.0F - std::abs(source - floor - static_cast<float>(i));
    }
  }
};

}  // namespace

VisionPlan make_vision_plan(const VisionConfig& c, const Weights& w, int n_patches, int n_segments) {
  Builder b;
  VisionPlan out;
  const Builder::Scope scope(b, "vision");
  for (int t = 0; t < c.temporal_patch_size; ++t)
    out.pixels.push_back(b.input("pixels." + std::to_string(t), n_patches, c.patch_values()));
  out.position_index = b.input("position_index", n_patches, 4, core::DType::i32);
  out.position_weight = b.input("position_weight", n_patches, 4);
  out.rope_cos = b.name(b.input("rope_cos", n_patches, c.head_dim()), "rope_cos");
  out.rope_sin = b.name(b.input("rope_sin", n_patches, c.head_dim()), "rope_sin");
  out.segments = b.input("segments", n_segments + 1, 1, core::DType::i32);

  // The Conv3d over whole patches is one product for each temporal position.
  Value x = b.mat_mul(out.pixels[0], w["v.patch_embd.weight"], &w["v.patch_embd.bias"]);
  for (int t = 1; t < c.temporal_patch_size; ++t)
    x = b.add(
        x, b.mat_mul(out.pixels[static_cast<std::size_t>(t)], w["v.patch_embd.weight." + std::to_string(t)]));
  b.name(x, "patch_embed");
  const Value position = b.name(
      b.interpolate_rows(w["v.position_embd.weight"], out.position_index, out.position_weight), "pos_embed");
  x = b.name(b.add(x, position), "block_input");

  for (int n = 0; n < c.depth; ++n) {
    x = b.name(vision_block(b, c, w, n, out, x), "block." + std::to_string(n));
    for (std::size_t k = 0; k < c.deepstack_visual_indexes.size(); ++k) {
      if (c.deepstack_visual_indexes[k] != n) continue;
      const std::string p = "v.deepstack." + std::to_string(n) + ".";
      // The list's order names the mergers; text layers take the features in the order of the blocks.
      const Value feature = patch_merger(b, c, w, p + "norm", p + "fc1", p + "fc2", true, x);
      out.deepstack.push_back(b.output(b.name(feature, "deepstack." + std::to_string(k))));
    }
  }
  out.merger = b.output(b.name(patch_merger(b, c, w, "v.post_ln", "mm.0", "mm.2", false, x), "merger"));
  out.plan = core::make_plan(core::fuse(std::move(b).build()));
  return out;
}

VisionInputs make_vision_inputs(const VisionConfig& c, std::span<const Patches* const> media) {
  VisionInputs in;
  const std::vector<float> inv_freq = rope_frequencies(c.rope_theta, c.head_dim() / 2);
  const int side = c.position_side();
  const int merge = c.spatial_merge_size;
  const auto half_patch = static_cast<std::size_t>(c.patch_size) * static_cast<std::size_t>(c.patch_size);
  const auto temporal = static_cast<std::size_t>(c.temporal_patch_size);
  const bool still = std::all_of(media.begin(), media.end(), [](const Patches* m) { return m->still; });
  in.pixels.resize(still ? 1 : temporal);
  std::size_t n = 0;
  for (const Patches* m : media) n += static_cast<std::size_t>(m->grid.patches());
  // Room once: what grows step by step takes up to three times its size.
  for (auto& half : in.pixels) half.reserve(n * static_cast<std::size_t>(c.patch_values()));
  in.position_index.reserve(4 * n);
  in.position_weight.reserve(4 * n);
  in.rope_cos.reserve(n * static_cast<std::size_t>(c.head_dim()));
  in.rope_sin.reserve(n * static_cast<std::size_t>(c.head_dim()));
  in.segments.push_back(0);
  for (const Patches* m : media) {
    const Grid g = m->grid;
    // values: [patch][channel][time][row][column] -> by time, [patch][channel][row][column]
    for (std::size_t at = 0, time = 0; at < m->values.size();
         at += half_patch, time = (time + 1) % temporal) {
      if (time >= in.pixels.size()) continue;
      const auto begin = m->values.begin() + static_cast<std::ptrdiff_t>(at);
      in.pixels[time].insert(in.pixels[time].end(), begin, begin + static_cast<std::ptrdiff_t>(half_patch));
    }
    for (int t = 0; t < g.t; ++t) {
      for (int i = 0; i < g.h * g.w;
           ++i) {  // merge-block order: block row, block column, row in block, column in block
        const int in_col = i % merge;
        const int in_row = i / merge % merge;
        const int block_col = i / (merge * merge) % (g.w / merge);
        const int block_row = i / (merge * merge * (g.w / merge));
        const int row = block_row * merge + in_row;
        const int col = block_col * merge + in_col;
        const AxisTaps h(row, g.h, side);
        const AxisTaps w(col, g.w, side);
        for (const int i_h : {0, 1}) {
          for (const int i_w : {0, 1}) {
            in.position_index.push_back(h.tap[i_h] * side + w.tap[i_w]);
            in.position_weight.push_back(h.weight[i_h] * w.weight[i_w]);
          }
        }
        for (int twice = 0; twice < 2; ++twice) {
          for (const int at : {row, col}) {
            for (const float f : inv_freq) {
              in.rope_cos.push_back(std::cos(static_cast<float>(at) * f));
              in.rope_sin.push_back(std::sin(static_cast<float>(at) * f));
            }
          }
        }
      }
      in.segments.push_back(in.segments.back() + g.h * g.w);
    }
  }
  return in;
}

std::uint64_t vision_inputs_bytes(const VisionConfig& c, std::int64_t n_patches, bool still) {
  const std::int64_t pixels = std::int64_t{c.patch_values()} * (still ? 1 : c.temporal_patch_size);
  const std::int64_t positions =
      8 + std::int64_t{2} * c.head_dim();  // rows and weights of the table; cos and sin
  return static_cast<std::uint64_t>(n_patches * (pixels + positions)) * sizeof(float);
}

core::Bindings bind(const VisionPlan& plan, const VisionInputs& in) {
  core::Bindings bindings;
  for (std::size_t t = 0; t < plan.pixels.size(); ++t) bindings.bind(plan.pixels[t], in.pixels_at(t));
  bindings.bind(plan.position_index, in.position_index.data());
  bindings.bind(plan.position_weight, in.position_weight.data());
  bindings.bind(plan.rope_cos, in.rope_cos.data());
  bindings.bind(plan.rope_sin, in.rope_sin.data());
  bindings.bind(plan.segments, in.segments.data());
  return bindings;
}

}  // namespace tarsier
