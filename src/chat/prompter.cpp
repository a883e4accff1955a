#include "src/chat/prompter.h"

#include <algorithm>

#include "ggml-like-core/base/error.h"
#include "src/input/video_frames.h"
#include "src/model/loaded_model.h"

namespace tarsier::chat {
namespace {

constexpr std::size_t kKeptBytes = 256ULL << 20;  // patches remembered
constexpr double kRefill = 0.75;                  // of the room: what may be full after turns have left

template <class T>
std::string word(const std::optional<T>& value) {
  return (value ? core::to_text(*value) : std::string("-")) + " ";
}

// A clip's pictures may have been attached one by one, too.
std::string key_of(const Attachment& a, const PixelLimits& limits, const ClipOptions& o) {
  std::string key = a.clip || a.video ? "clip " + core::to_text(a.fps) + " " : "";
  if (a.clip || a.video)
    key += word(o.fps) + word(o.min_frames) + word(o.max_frames) + word(o.max_pixels) +
           word(o.frame_min_pixels) + word(o.frame_max_pixels) + word(o.start) + word(o.end);
  else
    key += std::to_string(limits.min_pixels) + " " + std::to_string(limits.max_pixels) + " ";
  if (a.video) return key + std::to_string(a.video->hash);
  for (const Picture& picture : a.pictures)
    key +=
        picture.sha256 + (picture.options.rotate ? " " : " as stored ") + name_of(picture.options.background);
  return key;
}

// What is read of a clip that is made of a few pictures, or of one whose file is open.
VideoPart part_of(const Attachment& a) {
  VideoPart part;
  for (std::size_t f = 0; f < a.pictures.size(); ++f) part.frames.push_back(std::to_string(f));
  part.fps = a.fps;
  part.sample = true;
  return part;
}

bool is_gone(const Attachment& attached) {
  return attached.video ? attached.video->file == nullptr
                        : std::any_of(attached.pictures.begin(), attached.pictures.end(),
                                      [](const Picture& p) { return p.bytes == nullptr; });
}

Message message_of(const Turn& turn, std::size_t index) {
  Message out{.role = turn.role == Role::user ? "user" : "assistant"};
  for (std::size_t a = 0; a < turn.attached.size(); ++a) {
    const Attachment& attached = turn.attached[a];
    if (is_gone(attached)) continue;
    // Where the prompt asks for a picture or clip, this says which: turn, attachment.
    const std::string place = std::to_string(index) + " " + std::to_string(a);
    if (attached.clip || attached.video) {
      ContentPart part{.kind = ContentPart::Kind::video};
      part.video.file = place;
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
  std::size_t turn = 0, attachment = 0;
};
Place place_of(const std::string& text) {
  Place out;
  std::size_t* const fields[] = {&out.turn, &out.attachment};
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

ClipOptions Prompter::clip_options(const Attachment& attachment) const {
  ClipOptions own = attachment.video ? attachment.video->options : ClipOptions{};
  if (attachment.limits) {
    own.frame_min_pixels = attachment.limits->min_pixels;
    own.frame_max_pixels = attachment.limits->max_pixels;
  }
  return own.over(clips_);
}

Prompter::Seen Prompter::seen(const Attachment& attachment) const {
  ProcessorConfig config = model_->config().processor;
  const int unit = config.merge_size * config.merge_size;
  const Picture& first = attachment.pictures.front();
  Grid grid;
  int frames = 0;
  if (attachment.video && attachment.video->file == nullptr) return {};
  if (attachment.clip || attachment.video) {
    const VideoInfo info = attachment.video
                               ? attachment.video->file->info()
                               : VideoInfo{.frames = static_cast<int>(attachment.pictures.size()),
                                           .fps = attachment.fps,
                                           .size = {first.height, first.width}};
    const ClipForm form = clip_form(config, info, clip_options(attachment));
    grid = form.grid;
    frames = form.frames;
  } else {
    config.image = limits(attachment);
    grid = image_grid(config, first.height, first.width);
  }
  return {.size = {grid.h * config.patch_size, grid.w * config.patch_size},
          .patches = grid.patches(),
          .tokens = static_cast<int>(grid.patches() / unit),
          .frames = frames};
}

Media Prompter::make_media(const Attachment& attachment) const {
  ProcessorConfig config = model_->config().processor;
  config.threads = threads_;
  if (attachment.video) return clip_media(config, attachment.video->file, clip_options(attachment));
  if (attachment.clip)
    return clip_media(config, part_of(attachment), clip_options(attachment), [&](const std::string& frame) {
      return pixels_of(attachment.pictures[std::stoul(frame)]);
    });
  config.image = limits(attachment);
  return image_media(config, pixels_of(attachment.pictures.front()));
}

Media Prompter::media(const Attachment& attachment) {
  const std::string key = key_of(attachment, limits(attachment), clip_options(attachment));
  const auto known = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) { return k.key == key; });
  if (known != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, known);
    return kept_.front().media;
  }
  kept_.push_front({key, make_media(attachment)});
  std::size_t bytes = 0;
  for (auto k = kept_.begin(); k != kept_.end(); ++k) {
    bytes += k->media.patches.values.size() * sizeof(float);
    if (bytes <= kKeptBytes || k == kept_.begin()) continue;
    kept_.erase(k, kept_.end());
    break;
  }
  return kept_.front().media;
}

std::vector<Prompter::Boxed> Prompter::boxed(const Attachment& attachment, const std::vector<Box>& boxes) {
  std::vector<Boxed> out;
  if (is_gone(attachment)) return out;
  if (!attachment.clip && !attachment.video) {
    out.push_back({pixels_of(attachment.pictures.front()), boxes, std::nullopt});
    return out;
  }
  const Media clip = media(attachment);
  for (const FrameBoxes& one : boxes_by_frame(clip, boxes)) {
    const auto number = static_cast<std::size_t>(one.number);
    out.push_back({attachment.clip ? pixels_of(attachment.pictures.at(number)) : frame_image(clip, one.frame),
                   one.boxes, one});
  }
  return out;
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
  const MediaMaker make{
      .image = [&](const ContentPart& part) { return media(attachment(place_of(part.image))); },
      .clip = [&](const VideoPart& part) { return media(attachment(place_of(part.file))); }};
  return build_prompt(model_->loaded().prompt_context(), conversation,
                      {.video_outer_markers = model_->config().video_outer_markers}, {}, make);
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
