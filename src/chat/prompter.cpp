#include "src/chat/prompter.h"

#include <algorithm>

#include "ggml-like-core/base/error.h"
#include "src/input/video_frames.h"
#include "src/model/loaded_model.h"

namespace tarsier::chat {
namespace {

constexpr std::size_t kKeptBytes = 256ULL << 20;  // patches remembered
constexpr double kRefill = 0.75;                  // of the room: what may be full after turns have left

std::string key_of(const Picture& picture, const PixelLimits& limits) {
  return picture.sha256 + " " + std::to_string(limits.min_pixels) + " " + std::to_string(limits.max_pixels);
}

Message message_of(const Turn& turn, std::size_t index) {
  Message out{.role = turn.role == Role::user ? "user" : "assistant"};
  for (std::size_t a = 0; a < turn.attached.size(); ++a) {
    const Attachment& attached = turn.attached[a];
    const bool gone = std::any_of(attached.pictures.begin(), attached.pictures.end(),
                                  [](const Picture& p) { return p.bytes == nullptr; });
    if (gone) continue;
    // Where the prompt asks for a picture, this says which: turn, attachment, frame.
    const std::string place = std::to_string(index) + " " + std::to_string(a);
    if (attached.clip) {
      ContentPart part{.kind = ContentPart::Kind::video};
      for (std::size_t f = 0; f < attached.pictures.size(); ++f)
        part.video.frames.push_back(place + " " + std::to_string(f));
      part.video.fps = attached.fps;
      part.video.sample = true;
      out.content.push_back(std::move(part));
    } else {
      out.content.push_back({.kind = ContentPart::Kind::image, .image = place});
    }
  }
  out.content.push_back({.kind = ContentPart::Kind::text, .text = turn.text});
  out.reasoning_content = turn.thinking;
  return out;
}

struct Place {
  std::size_t turn = 0, attachment = 0, frame = 0;
};
Place place_of(const std::string& text) {
  Place out;
  std::size_t* const fields[] = {&out.turn, &out.attachment, &out.frame};
  std::size_t at = 0;
  for (std::size_t* field : fields) {
    if (at >= text.size()) break;
    std::size_t used = 0;
    *field = std::stoul(text.substr(at), &used);
    at += used + 1;
  }
  return out;
}

}  // namespace

PixelLimits Prompter::limits(const Attachment& attachment) const {
  return attachment.limits.value_or(model_->config().processor.image);
}

Prompter::Seen Prompter::seen(const Attachment& attachment) const {
  ProcessorConfig config = model_->config().processor;
  const int unit = config.merge_size * config.merge_size;
  const Picture& first = attachment.pictures.front();
  Grid grid;
  if (attachment.clip) {
    const auto frames = sample_frames(
        static_cast<int>(attachment.pictures.size()), attachment.fps,
        {.fps = config.video_fps, .min_frames = config.min_frames, .max_frames = config.max_frames});
    grid = video_grid(config, static_cast<int>(frames.size()), first.height, first.width);
  } else {
    config.image = limits(attachment);
    grid = image_grid(config, first.height, first.width);
  }
  return {.size = {grid.h * config.patch_size, grid.w * config.patch_size},
          .patches = grid.patches(),
          .tokens = static_cast<int>(grid.patches() / unit)};
}

Media Prompter::media(const Attachment& attachment) {
  const Picture& picture = attachment.pictures.front();
  const std::string key = key_of(picture, limits(attachment));
  const auto known = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) { return k.key == key; });
  if (known != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, known);
    return kept_.front().media;
  }
  ProcessorConfig config = model_->config().processor;
  config.image = limits(attachment);
  kept_.push_front({key, image_media(config, pixels_of(picture))});
  std::size_t bytes = 0;
  for (auto k = kept_.begin(); k != kept_.end(); ++k) {
    bytes += k->media.patches.values.size() * sizeof(float);
    if (bytes <= kKeptBytes || k == kept_.begin()) continue;
    kept_.erase(k, kept_.end());
    break;
  }
  return kept_.front().media;
}

Prompt Prompter::build(std::span<const Turn* const> path, const std::string& system, std::size_t first) {
  Conversation conversation;
  if (!system.empty())
    conversation.messages.push_back(
        {.role = "system", .content = {{.kind = ContentPart::Kind::text, .text = system}}});
  for (std::size_t i = first; i < path.size(); ++i) conversation.messages.push_back(message_of(*path[i], i));
  const auto attachment = [&](const Place& at) -> const Attachment& {
    return path[at.turn]->attached[at.attachment];
  };
  const ImageLoader frame = [&](const std::string& name) {
    const Place at = place_of(name);
    return pixels_of(attachment(at).pictures[at.frame]);
  };
  const MediaMaker make = [&](const std::string& name) { return media(attachment(place_of(name))); };
  return build_prompt(model_->loaded().prompt_context(), conversation,
                      {.video_outer_markers = model_->config().video_outer_markers}, frame, make);
}

std::vector<Media> Prompter::media_of(std::span<const Attachment> attached) {
  std::vector<Media> out;
  std::size_t bytes = 0;
  for (const Attachment& a : attached) {
    if (bytes > kKeptBytes) break;
    const Turn turn{.role = Role::user, .attached = {a}};
    const Turn* const path[] = {&turn};
    Prompt prompt = build(path, {}, 0);
    for (std::vector<Media>* list : {&prompt.images, &prompt.videos})
      for (Media& m : *list) {
        bytes += m.patches.values.size() * sizeof(float);
        out.push_back(std::move(m));
      }
  }
  return out;
}

Prompter::Result Prompter::make(const Dialogue& dialogue, const Turn* next, int room, int reserve) {
  std::vector<const Turn*> path = dialogue.path();
  if (next != nullptr) path.push_back(next);
  core::bug_if(path.empty(), "a prompt of no turns");
  const auto begins = [&](std::size_t i) { return path[i]->role == Role::user; };
  std::size_t first = 0;
  for (std::size_t i = 0; i < path.size(); ++i)
    if (first_ != 0 && path[i]->id == first_) first = i;
  Prompt prompt = build(path, dialogue.system(), first);
  const auto too_long = [&](int tokens) {
    return static_cast<std::int64_t>(prompt.ids.size()) > std::int64_t{tokens} - reserve;
  };
  if (too_long(room)) {
    const int refill = std::max(static_cast<int>(kRefill * room), reserve + 1);
    // A whole exchange leaves at a time: a question with its pictures, and what answered it.
    while (too_long(refill)) {
      std::size_t after = first + 1;
      while (after < path.size() && !begins(after)) ++after;
      if (after >= path.size()) break;
      first = after;
      prompt = build(path, dialogue.system(), first);
    }
    const std::size_t n = prompt.ids.size();
    // The last question alone may also fill what is kept free for the next ones, and the answer be shorter.
    core::require(n < static_cast<std::size_t>(room), "the question has ", n,
                  " tokens with its pictures, the context holds ", room,
                  ": make pictures smaller (/resolution low) or the context larger (--context)");
  }
  first_ = first == 0 ? 0 : path[first]->id;
  return {.prompt = std::move(prompt), .dropped = static_cast<int>(first)};
}

void append_answer(Prompt& prompt, std::span<const int> ids) {
  for (const int id : ids) {
    const int position = static_cast<int>(prompt.ids.size()) + prompt.positions.rope_delta;
    prompt.positions.t.push_back(position);
    prompt.positions.h.push_back(position);
    prompt.positions.w.push_back(position);
    prompt.ids.push_back(id);
    prompt.token_types.push_back(0);
    prompt.answer.push_back(1);
  }
}

}  // namespace tarsier::chat
