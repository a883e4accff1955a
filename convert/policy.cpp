#include "convert/policy.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/formats.h"

namespace tarsier {
namespace {

using core::DType;

constexpr std::array kPresets = {
    // name, matrices, embedding and head, attn_v, sensitive down projections, general.file_type
    TypePreset{"f32", DType::f32, DType::f32, DType::f32, DType::f32, 0},
    TypePreset{"f16", DType::f16, DType::f16, DType::f16, DType::f16, 1},
    TypePreset{"bf16", DType::bf16, DType::bf16, DType::bf16, DType::bf16, 32},
    TypePreset{"q8_0", DType::q8_0, DType::q8_0, DType::q8_0, DType::q8_0, 7},
    TypePreset{"q6_k", DType::q6_K, DType::q6_K, DType::q6_K, DType::q6_K, 18},
    TypePreset{"q5_k", DType::q5_K, DType::q6_K, DType::q6_K, DType::q6_K, 17},
    TypePreset{"q4_k", DType::q4_K, DType::q6_K, DType::q6_K, DType::q6_K, 15},
    TypePreset{"iq4_xs", DType::iq4_xs, DType::q6_K, DType::q5_K, DType::q5_K, 30},
    TypePreset{"q3_k", DType::q3_K, DType::q6_K, DType::q5_K, DType::q5_K, 12},
    TypePreset{"q2_k", DType::q2_K, DType::q6_K, DType::q4_K, DType::q4_K, 10},
    TypePreset{"q5_1", DType::q5_1, DType::q8_0, DType::q5_1, DType::q5_1, 9},
    TypePreset{"q5_0", DType::q5_0, DType::q8_0, DType::q5_0, DType::q5_0, 8},
    TypePreset{"q4_1", DType::q4_1, DType::q8_0, DType::q4_1, DType::q4_1, 3},
    TypePreset{"q4_0", DType::q4_0, DType::q8_0, DType::q4_0, DType::q4_0, 2},
    TypePreset{"iq4_nl", DType::iq4_nl, DType::q8_0, DType::iq4_nl, DType::iq4_nl, 25},
    TypePreset{"mxfp4", DType::mxfp4, DType::q8_0, DType::q8_0, DType::q8_0, 38},
    TypePreset{"x4", DType::x4, DType::x5, DType::x6, DType::x5, 504},
    TypePreset{"x5", DType::x5, DType::x6, DType::x6, DType::x6, 505},
    TypePreset{"x6", DType::x6, DType::x6, DType::x6, DType::x6, 506},
    TypePreset{"x7", DType::x7, DType::x7, DType::x7, DType::x7, 507},
    TypePreset{"x8", DType::x8, DType::x8, DType::x8, DType::x8, 508},
};

// What stands in where a row is no multiple of the block, the first that fits.
constexpr std::array kFallback = {DType::q8_0, DType::bf16};

// The layer number in "blk.12.ffn_down.weight"; -1 where there is none.
int layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  int layer = -1;
  if (name.starts_with(kPrefix))
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return layer;
}

bool in_outer_eighths(int layer, int layers) {
  return layer < (layers + 7) / 8 || layer >= layers - (layers + 7) / 8;
}

DType wanted(const TensorSpec& spec, const Config& config, const TypePreset& text, const TypePreset& vision) {
  switch (spec.role) {
    case Role::norm:
    case Role::bias:
    case Role::position:
    case Role::router:
      return DType::f32;
    case Role::embedding:
    case Role::head:
      return text.embedding;
    case Role::attention_value:
      return text.value;
    case Role::ffn_down:
    case Role::expert_down:
      return in_outer_eighths(layer_of(spec.name), config.text.num_hidden_layers) ? text.sensitive
                                                                                  : text.base;
    case Role::attention:
    case Role::ffn:
    case Role::expert:
      return text.base;
    case Role::vision_patch:
    case Role::vision_linear:
      return vision.base;
  }
  core::bug("a role without a format");
}

}  // namespace

std::span<const TypePreset> type_presets() { return kPresets; }

const TypePreset& type_preset(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found =
      std::find_if(kPresets.begin(), kPresets.end(), [&](const TypePreset& p) { return p.name == lower; });
  if (found != kPresets.end()) return *found;
  std::string names;
  for (const TypePreset& p : kPresets) names += (names.empty() ? "" : ", ") + std::string(p.name);
  const auto read = core::format_by_name(name);
  if (read && !core::info(*read).writable)
    core::fail("files of type ", lower, " can be read, not written; types that can be written are ", names);
  core::fail("there is no type ", name, "; there are ", names);
}

core::DType format_for(const TensorSpec& spec, const Config& config, const TypePreset& text,
                       const TypePreset& vision) {
  const auto fits = [&](DType dtype) { return spec.shape.back() % core::info(dtype).block_len == 0; };
  const DType first = wanted(spec, config, text, vision);
  if (fits(first)) return first;
  return *std::find_if(kFallback.begin(), kFallback.end(), fits);
}

core::DType laid_out(const TensorSpec& spec, core::DType dtype, bool tiles) {
  const core::DType row = core::info(dtype).row;
  const std::size_t dims = spec.shape.size();
  if (!tiles || dims < 2 || dims > 3) return row;
  return core::tiled_format(row, spec.shape[dims - 2], spec.shape[dims - 1]).value_or(row);
}

}  // namespace tarsier
