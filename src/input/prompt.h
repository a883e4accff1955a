// What a model reads: ids, kinds and positions of tokens, and the patches of pictures and clips. Needs no
// weights.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/chat_template.h"
#include "src/input/conversation.h"
#include "src/input/media.h"
#include "src/input/positions.h"
#include "src/input/processor.h"
#include "src/input/tokenizer.h"

namespace tarsier {

struct Prompt {
  std::vector<int> ids;
  std::vector<std::int8_t>
      token_types;  // 0 text, 1 image, 2 video: 1 and 2 only for the pads that rows of pictures replace
  Positions positions;
  std::vector<Media> images,
      videos;  // in order of appearance; their rows fill the pads of their kind in order
  std::vector<std::uint8_t>
      answer;        // by token: 1 for the words of assistant's turns and their closing <|im_end|>
  std::string text;  // before pads were expanded
};

struct PromptOptions {
  bool video_outer_markers = false;  // keep <|vision_start|> <|vision_end|> around a whole clip (transformers
                                     // 5), not only its frames (4.57)
  bool special_tokens_in_text =
      false;          // special tokens spelled out in messages become control tokens, as in HF
  ClipOptions clips;  // of clips that do not say it themselves
};

// What making a prompt needs of a model.
struct PromptContext {
  const Tokenizer* tokenizer;
  const ProcessorConfig* processor = nullptr;  // of a model that reads pictures
  TemplateKind kind = TemplateKind::instruct;
  std::string default_system;  // of a conversation that has no system message; empty: none
  int image_pad = -1, video_pad = -1, vision_start = -1, vision_end = -1;  // token ids
};

// What becomes of pictures and clips; who asks the same again may keep it.
struct MediaMaker {
  std::function<Media(const ContentPart& part)> image;  // empty: image_media of what load gives
  std::function<Media(const VideoPart& part)> clip;     // empty: clip_media
};

// Errors: those of loader, processor and template; pictures for a model that reads text only.
Prompt build_prompt(
    const PromptContext& context, const Conversation& conversation, const PromptOptions& options = {},
    const ImageLoader& load = [](const std::string& path) { return load_image(path); },
    const MediaMaker& make = {});
// text as it is behind the tokenizer's bos, special tokens parsed, with one <|image_pad|> for each picture.
// Error: marks and pictures do not match (both numbers).
Prompt build_raw_prompt(
    const PromptContext& context, std::string_view text, std::span<const std::string> image_paths,
    const ImageLoader& load = [](const std::string& path) { return load_image(path); },
    const MediaMaker& make = {});

}  // namespace tarsier
