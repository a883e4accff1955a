#include "src/model/loaded_model.h"

#include "src/model/config_file.h"

namespace tarsier {

LoadedModel::LoadedModel(const std::string& path)
    : file(path),
      config(read_config(file)),
      weights(file, config),
      tokenizer(read_tokenizer(file)),
      template_kind(tarsier::template_kind(config.chat_template)) {}

PromptContext LoadedModel::prompt_context() const {
  const SpecialTokens& s = config.special;
  return {.tokenizer = &tokenizer,
          .processor = &config.processor,
          .kind = template_kind,
          .image_pad = s.image_pad,
          .video_pad = s.video_pad,
          .vision_start = s.vision_start,
          .vision_end = s.vision_end};
}

}  // namespace tarsier
