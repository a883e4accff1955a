#include "src/model/loaded_model.h"

#include "src/model/config_file.h"

namespace tarsier {

LoadedModel::LoadedModel(const std::string& path, const std::string& mmproj)
    : files(path, mmproj),
      config(read_config(files)),
      weights(files, config),
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
