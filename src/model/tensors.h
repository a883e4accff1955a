// The only list of tensors. Converter, loader, quantizer, random tiny models and gguf-spec.md derive from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/model/config.h"

namespace tarsier {

// What a tensor is for; the converter's policy maps a role to a format.
enum class Role {
  norm,
  bias,
  position,  // always F32
  router,    // always F32
  embedding,
  head,
  attention,
  attention_value,
  ffn,
  ffn_down,
  expert,
  expert_down,
  vision_patch,
  vision_linear,
};

// How a tensor comes out of the HF checkpoint.
enum class Transform {
  none,
  temporal_slice,  // [d, C, T, P, P] -> the [d, C, P, P] of one temporal position
  experts_gate,    // the first half of gate_up_proj [E, hidden, 2 * inter] (or its transpose), or
                   // experts.N.gate_proj, -> [E, inter, hidden]
  experts_up,      // the second half, or experts.N.up_proj
  experts_down,    // down_proj [E, inter, hidden] (or its transpose), or experts.N.down_proj, -> [E, hidden,
                   // inter]
};

struct TensorSpec {
  std::string name;                 // in the GGUF file
  std::string hf_name;              // of the published checkpoints
  std::vector<std::int64_t> shape;  // outermost first: [out, in], [experts, out, in], [n]
  Role role;
  Transform transform = Transform::none;
  int index = 0;  // of the temporal slice
};

// In the order of execution: vision first.
std::vector<TensorSpec> tensor_specs(const Config& config);

}  // namespace tarsier
