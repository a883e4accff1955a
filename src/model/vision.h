// The vision tower: patches -> one row for each merged token, and the DeepStack rows.
// Reads beside transformers' modeling_qwen3_vl.py, class Qwen3VLVisionModel.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ggml-like-core/graph/backend.h"
#include "src/input/processor.h"
#include "src/model/weights.h"

namespace tarsier {

// A plan for any number of pictures and frames that have n_patches and n_segments together. M = n_patches /
// merge^2.
struct VisionPlan {
  core::Plan plan;
  std::vector<core::Value>
      pixels;  // inputs, one for each temporal position: [n_patches, channels * patch * patch]
  core::Value position_index;   // input i32 [n_patches, 4]: rows of the position table, taps (h0,w0) (h0,w1)
                                // (h1,w0) (h1,w1)
  core::Value position_weight;  // input [n_patches, 4]
  core::Value rope_cos, rope_sin;  // inputs [n_patches, head_dim]
  core::Value segments;            // input i32 [n_segments + 1, 1]: first patch of each frame, then n_patches
  core::Value merger;              // output [M, out_hidden]
  std::vector<core::Value> deepstack;  // outputs [M, out_hidden], in the order in which text layers take them
};
VisionPlan make_vision_plan(const VisionConfig& config, const Weights& weights, int n_patches,
                            int n_segments);

// What the plan's inputs hold for these pictures and clips, one after another.
struct VisionInputs {
  std::vector<std::vector<float>> pixels;  // by temporal position; of still pictures alone one, for all
  std::vector<std::int32_t> position_index;
  std::vector<float> position_weight;
  std::vector<float> rope_cos, rope_sin;
  std::vector<std::int32_t> segments;
  const float* pixels_at(std::size_t time) const { return pixels[std::min(time, pixels.size() - 1)].data(); }
  int n_patches() const { return static_cast<int>(position_index.size() / 4); }
  int n_segments() const { return static_cast<int>(segments.size()) - 1; }
};
VisionInputs make_vision_inputs(const VisionConfig& config, std::span<const Patches* const> media);
// Bytes of what they hold for so many patches. still: of pictures, not of clips.
std::uint64_t vision_inputs_bytes(const VisionConfig& config, std::int64_t n_patches, bool still);
// in must outlive the bindings.
core::Bindings bind(const VisionPlan& plan, const VisionInputs& in);

}  // namespace tarsier
