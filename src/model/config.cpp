#include "src/model/config.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

// Limits that keep every product of sizes far inside 64 bits; published models are at most a sixteenth of
// them.
constexpr int kMaxWidth = 1 << 20;
constexpr int kMaxLayers = 1024;
constexpr int kMaxHeads = 1 << 12;
constexpr int kMaxExperts = 1 << 14;
constexpr int kMaxVocabulary = 1 << 24;

// Collects one sentence for each impossible number.
struct Problems {
  std::vector<std::string> list;

  void unless(bool ok, std::string text) {
    if (!ok) list.push_back(std::move(text));
  }
  // Whether x lies in [least, most].
  bool range(std::string_view name, std::int64_t x, std::int64_t least, std::int64_t most) {
    const bool ok = x >= least && x <= most;
    unless(ok, std::string(name) + " is " + core::to_text(x) + ", wanted " + core::to_text(least) + " to " +
                   core::to_text(most));
    return ok;
  }
  bool positive(std::string_view name, double x) {
    const bool ok = std::isfinite(x) && x > 0;
    unless(ok, std::string(name) + " is " + core::to_text(x) + ", wanted a positive number");
    return ok;
  }
  // Whether every element is in [0, end) and none stands twice.
  void distinct_below(std::string_view name, const std::vector<int>& ids, int end) {
    std::vector<int> sorted = ids;
    std::sort(sorted.begin(), sorted.end());
    for (const int id : sorted) range(std::string(name) + "[]", id, 0, std::int64_t{end} - 1);
    unless(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(),
           std::string(name) + " holds a number twice");
  }
};

void check_text(Problems& p, const TextConfig& t, bool sees) {
  p.range("vocab_size", t.vocab_size, 1, kMaxVocabulary);
  p.range("text hidden_size", t.hidden_size, 1, kMaxWidth);
  const bool layers = p.range("num_hidden_layers", t.num_hidden_layers, 1, kMaxLayers);
  const bool heads = p.range("num_attention_heads", t.num_attention_heads, 1, kMaxHeads);
  if (p.range("num_key_value_heads", t.num_key_value_heads, 1, kMaxHeads) && heads)
    p.unless(t.num_attention_heads % t.num_key_value_heads == 0,
             core::to_text(t.num_attention_heads) + " heads cannot share " +
                 core::to_text(t.num_key_value_heads) + " key-value heads evenly");
  if (p.range("head_dim", t.head_dim, 2, kMaxHeads)) {
    p.unless(t.head_dim % 2 == 0, "head_dim is " + core::to_text(t.head_dim) + ", wanted an even number");
    // transformers cuts off what does not fit head_dim, so the counts need not add up to anything.
    const bool fits =
        t.mrope_section.size() == 3 && std::all_of(t.mrope_section.begin(), t.mrope_section.end(),
                                                   [](int n) { return n >= 0 && n <= kMaxHeads; });
    const std::vector<std::int64_t> section(t.mrope_section.begin(), t.mrope_section.end());
    p.unless(fits || (!sees && t.mrope_section.empty()),
             "mrope_section is " + core::to_text(section) + ", wanted three counts");
  }
  p.range("max_position_embeddings", t.max_position_embeddings, 1, 1 << 30);
  p.positive("rms_norm_eps", static_cast<double>(t.rms_norm_eps));
  p.positive("rope_theta", t.rope_theta);
  if (p.range("num_experts", t.moe.num_experts, 0, kMaxExperts) && t.moe.num_experts > 0) {
    p.range("num_experts_per_tok", t.moe.num_experts_per_tok, 1, t.moe.num_experts);
    p.range("moe_intermediate_size", t.moe.moe_intermediate_size, 1, kMaxWidth);
  }
  p.distinct_below("dense_layers", t.dense_layers, t.num_hidden_layers);
  bool any_dense = false;
  for (int n = 0; layers && n < t.num_hidden_layers; ++n) any_dense = any_dense || !t.is_moe(n);
  p.range("text intermediate_size", t.intermediate_size, any_dense ? 1 : 0, kMaxWidth);
}

void check_vision(Problems& p, const VisionConfig& v, int text_hidden_size) {
  p.range("vision depth", v.depth, 1, kMaxLayers);
  const bool hidden = p.range("vision hidden_size", v.hidden_size, 1, kMaxWidth);
  p.range("vision intermediate_size", v.intermediate_size, 1, kMaxWidth);
  if (p.range("vision num_heads", v.num_heads, 1, kMaxHeads) && hidden)
    p.unless(v.hidden_size % v.num_heads == 0 && v.head_dim() % 4 == 0,
             "a vision hidden_size of " + core::to_text(v.hidden_size) + " cannot be split into " +
                 core::to_text(v.num_heads) + " heads of a multiple of four");
  p.range("in_channels", v.in_channels, 3, 3);
  p.range("patch_size", v.patch_size, 1, 256);
  p.range("temporal_patch_size", v.temporal_patch_size, 1, 16);
  p.range("spatial_merge_size", v.spatial_merge_size, 1, 8);
  p.range("num_position_embeddings", v.num_position_embeddings, 1, kMaxVocabulary);
  p.unless(v.out_hidden_size == text_hidden_size, "out_hidden_size is " + core::to_text(v.out_hidden_size) +
                                                      ", wanted the text's hidden_size, " +
                                                      core::to_text(text_hidden_size));
  p.distinct_below("deepstack_visual_indexes", v.deepstack_visual_indexes, v.depth);
  p.positive("vision layer_norm_eps", static_cast<double>(v.layer_norm_eps));
  p.positive("vision rope_theta", v.rope_theta);
}

void check_processor(Problems& p, const ProcessorConfig& c, const VisionConfig& v) {
  const auto same = [&](std::string_view name, int found, int wanted) {
    p.unless(found == wanted, "the processor's " + std::string(name) + " is " + core::to_text(found) +
                                  ", the vision tower's " + core::to_text(wanted));
  };
  same("patch_size", c.patch_size, v.patch_size);
  same("temporal_patch_size", c.temporal_patch_size, v.temporal_patch_size);
  same("merge_size", c.merge_size, v.spatial_merge_size);
  constexpr std::int64_t kMaxPixels = std::int64_t{1} << 40;
  for (const PixelLimits& limits : {c.image, c.video})
    if (p.range("min_pixels", limits.min_pixels, 0, kMaxPixels))
      p.range("max_pixels", limits.max_pixels, std::max<std::int64_t>(limits.min_pixels, 1), kMaxPixels);
  for (const float x : c.mean) p.unless(std::isfinite(x), "image_mean holds a number that is not finite");
  for (const float x : c.std) p.positive("image_std[]", static_cast<double>(x));
  p.positive("rescale_factor", c.rescale_factor);
  p.positive("video fps", c.video_fps);
  if (p.range("min_frames", c.min_frames, 1, 1 << 20))
    p.range("max_frames", c.max_frames, c.min_frames, 1 << 20);
  p.range("max_video_tokens", c.max_video_tokens, 1, 1 << 20);
}

void check_media_tokens(Problems& p, const Config& c) {
  const std::int64_t last = std::int64_t{c.text.vocab_size} - 1;
  p.range("image_token_id", c.special.image_pad, 0, last);
  p.range("video_token_id", c.special.video_pad, 0, last);
  p.range("vision_start_token_id", c.special.vision_start, 0, last);
  p.range("vision_end_token_id", c.special.vision_end, 0, last);
}

void check_tokens(Problems& p, const Config& c) {
  const std::int64_t last = std::int64_t{c.text.vocab_size} - 1;
  p.range("the id of <|im_start|>", c.special.im_start, -1, last);
  p.range("the id of <|im_end|>", c.special.im_end, -1, last);
  for (const int id : c.generation.eos_token_id) p.range("eos_token_id", id, 0, last);
}

void check_generation(Problems& p, const GenerationConfig& g) {
  const auto between = [&](std::string_view name, double x, double least, double most) {
    p.unless(std::isfinite(x) && x >= least && x <= most, std::string(name) + " is " + core::to_text(x) +
                                                              ", wanted " + core::to_text(least) + " to " +
                                                              core::to_text(most));
  };
  between("temperature", g.temperature, 0, 1000);
  between("top_p", g.top_p, 0, 1);
  between("min_p", g.min_p, 0, 1);
  p.range("top_k", g.top_k, 0, kMaxVocabulary);
  p.positive("repetition_penalty", g.repetition_penalty);
}

}  // namespace

const Architecture& architecture_named(std::string_view name, const std::string& where) {
  const auto found = std::find_if(kArchitectures.begin(), kArchitectures.end(),
                                  [&](const Architecture& a) { return a.name == name; });
  if (found != kArchitectures.end()) return *found;
  std::string names;
  for (const Architecture& a : kArchitectures) names += (names.empty() ? "" : ", ") + std::string(a.name);
  core::fail(where, ": is of architecture ", name, ", wanted one of ", names);
}

std::string Config::architecture() const {
  const auto found =
      std::find_if(kArchitectures.begin(), kArchitectures.end(), [this](const Architecture& a) {
        return a.experts == (text.moe.num_experts > 0) && a.mrope == !text.mrope_section.empty() &&
               a.qk_norm == text.qk_norm && a.rope_pairs == text.rope_pairs;
      });
  core::bug_if(found == kArchitectures.end(), "a configuration of no architecture");
  return std::string(found->name);
}

bool TextConfig::is_moe(int layer) const {
  return moe.num_experts > 0 &&
         std::find(dense_layers.begin(), dense_layers.end(), layer) == dense_layers.end();
}

int VisionConfig::position_side() const {
  return static_cast<int>(std::sqrt(static_cast<double>(num_position_embeddings)));
}

void check(const Config& config, const std::string& where) {
  Problems p;
  check_text(p, config.text, config.vision.present);
  if (config.vision.present) {
    check_vision(p, config.vision, config.text.hidden_size);
    check_processor(p, config.processor, config.vision);
    check_media_tokens(p, config);
  }
  check_tokens(p, config);
  check_generation(p, config.generation);
  if (p.list.empty()) return;
  std::string text;
  for (const std::string& line : p.list) text += "\n  " + line;
  core::fail(where, ": no model of this family can be so:", text);
}

}  // namespace tarsier
