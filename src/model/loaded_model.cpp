#include "src/model/loaded_model.h"

#include <span>
#include <utility>
#include <vector>

#include "ggml-like-core/base/system_memory.h"
#include "src/model/config_file.h"
#include "src/model/tensors.h"

namespace tarsier {

namespace {

// The weights in the order in which they are used. Experts that do not fit are fetched when they are chosen.
std::unique_ptr<core::ReadAhead> read_ahead(const Config& config, const Weights& weights, bool fits_memory,
                                            Fetch fetch) {
  if (fetch == Fetch::nothing) return nullptr;
  std::vector<std::span<const std::byte>> ranges;
  std::uint64_t bytes = 0;
  const auto add = [&](const core::Weight& w) {
    ranges.push_back(w.bytes());
    bytes += w.bytes().size();
  };
  for (const TensorSpec& spec : tensor_specs(config)) {
    if (is_vision_name(spec.name) && fetch != Fetch::pictures) continue;
    if (!fits_memory && (spec.role == Role::expert || spec.role == Role::expert_down)) continue;
    if (spec.role != Role::embedding && spec.role != Role::head) add(weights[spec.name]);
  }
  add(weights.head());
  if (!fits_memory && bytes > core::available_memory()) return nullptr;
  return std::make_unique<core::ReadAhead>(std::move(ranges));
}

}  // namespace

LoadedModel::LoadedModel(const std::string& path, const std::string& mmproj, Fetch fetch)
    : files(path, mmproj),
      config(read_config(files)),
      weights(files, config),
      fits_memory(weights.bytes() <= core::available_memory()),
      fetching(read_ahead(config, weights, fits_memory, fetch)),
      tokenizer(read_tokenizer(files.text())),
      template_kind(tarsier::template_kind(config.chat_template)) {}

PromptContext LoadedModel::prompt_context() const {
  PromptContext context{
      .tokenizer = &tokenizer, .kind = template_kind, .default_system = default_system(config.chat_template)};
  if (!config.vision.present) return context;
  const SpecialTokens& s = config.special;
  context.processor = &config.processor;
  context.image_pad = s.image_pad;
  context.video_pad = s.video_pad;
  context.vision_start = s.vision_start;
  context.vision_end = s.vision_end;
  return context;
}

}  // namespace tarsier
