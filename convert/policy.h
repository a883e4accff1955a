// Which format a tensor gets: one table of presets, one rule for rows that do not fit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ggml-like-core/quant/dtype.h"
#include "src/model/tensors.h"

namespace tarsier {

// A value of --type and --vision-type.
struct TypePreset {
  std::string_view name;    // "q4_k"
  core::DType base;         // every matrix that has no row of its own here
  core::DType embedding;    // embedding and head
  core::DType value;        // attn_v
  core::DType sensitive;    // down projections in the first and the last eighth of the layers
  std::uint32_t file_type;  // general.file_type, as llama.cpp numbers it
};

std::span<const TypePreset> type_presets();

// Error: lists the names there are. Case does not matter.
const TypePreset& type_preset(std::string_view name);

// Norms, biases, positions and routers: F32, whatever the presets. Where a row is no multiple of the format's
// block: Q8_0, and where that does not fit either: BF16.
core::DType format_for(const TensorSpec& spec, const Config& config, const TypePreset& text,
                       const TypePreset& vision);

// How the rows of matrices are to lie: dtype in tiles where tiles is set and the matrix can be stored so,
// else one row after another.
core::DType laid_out(const TensorSpec& spec, core::DType dtype, bool tiles);

}  // namespace tarsier
