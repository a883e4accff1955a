// A dialogue -> the prompt that the model reads. Pictures are decoded and resized once; when the context is
// full, the oldest whole turns stay out.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/chat/boxes.h"
#include "src/chat/dialogue.h"
#include "src/engine.h"

namespace tarsier::chat {

class Prompter {
 public:
  // clips: what attachments do not say themselves. threads: that prepare pictures; 0: all cores.
  explicit Prompter(std::shared_ptr<const Model> model, ClipOptions clips = {}, int threads = 0)
      : model_(std::move(model)), clips_(clips), threads_(threads) {}

  struct Result {
    Prompt prompt;
    int dropped = 0;  // turns at the beginning that stay out
  };
  // Of the dialogue up to its head and the question next (null: the head is the question), ready for the
  // answer. room: tokens for prompt and
  // answer together. reserve: of these for the answer. Once turns stay out, they do so until more has to go:
  // enough leave at once for several questions. Error: the last question alone is too long (found, wanted).
  Result make(const Dialogue& dialogue, const Turn* next, int room, int reserve);

  // What the model will read of these, so that it can be encoded before the question is there: the first
  // ones, as many as may be remembered at once.
  std::vector<Media> media_of(std::span<const Attachment> attached);

  // Of a picture or clip of this size.
  struct Seen {
    Size size{};  // what the model sees
    std::int64_t patches = 0;
    int tokens = 0;
    int frames = 0;  // of a clip, that are looked at
  };
  Seen seen(const Attachment& attachment) const;
  // What boxes are drawn on: the picture, or each frame of a clip that is nearest to a time of theirs.
  // Nothing: it is gone.
  struct Boxed {
    Image image;
    std::vector<Box> boxes;
    std::optional<FrameBoxes> frame;  // of a clip
  };
  std::vector<Boxed> boxed(const Attachment& attachment, const std::vector<Box>& boxes);
  PixelLimits limits(const Attachment& attachment) const;
  bool reads_pictures() const { return model_->config().vision.present; }
  bool opens_thinking() const { return model_->loaded().template_kind == TemplateKind::thinking; }

 private:
  Prompt build(std::span<const Turn* const> path, const std::string& system, std::size_t first);
  Media media(const Attachment& attachment);
  Media make_media(const Attachment& attachment) const;
  ClipOptions clip_options(const Attachment& attachment) const;

  std::shared_ptr<const Model> model_;
  ClipOptions clips_;
  int threads_;
  int first_ = 0;  // the turn that the model's conversation begins with, 0: the first
  struct Kept {
    std::string key;  // what, and how it is seen
    Media media;
  };
  std::list<Kept> kept_;  // latest first
};

// prompt with an answer that has begun: ids are text.
void append_answer(Prompt& prompt, std::span<const int> ids);

}  // namespace tarsier::chat
