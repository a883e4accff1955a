// Conversation -> template -> pads -> tokens. The text between two control tokens is encoded in one piece, as
// HF does, whoever wrote its parts: merges cross from the template's words into a person's.
#include "src/input/prompt.h"

#include <algorithm>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/input/video_frames.h"

namespace tarsier {
namespace {

constexpr std::string_view kImagePad = "<|image_pad|>";
constexpr std::string_view kVideoPad = "<|video_pad|>";
constexpr std::string_view kVisionStart = "<|vision_start|>";
constexpr std::string_view kVisionEnd = "<|vision_end|>";

const ProcessorConfig& processor_of(const PromptContext& context) {
  core::require(context.processor != nullptr,
                "this model reads text only: it has no vision tower for pictures or videos");
  return *context.processor;
}

Media read_image(const PromptContext& context, const ContentPart& part, const ImageLoader& load,
                 const MediaMaker& make) {
  ProcessorConfig config = processor_of(context);
  if (make.image) return make.image(part);
  config.image = part.pixels.over(config.image);
  return image_media(config, load(part.image));
}

Media read_clip(const PromptContext& context, const VideoPart& part, const PromptOptions& options,
                const ImageLoader& load, const MediaMaker& make) {
  const ProcessorConfig& config = processor_of(context);
  return make.clip ? make.clip(part) : clip_media(config, part, options.clips, load);
}

std::string repeated(std::string_view text, std::int64_t n) {
  std::string out;
  out.reserve(text.size() * static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) out += text;
  return out;
}

// HF: Qwen3VLProcessor.replace_image_token and replace_video_token.
std::string image_text(const Grid& grid, std::int64_t merge) {
  return repeated(kImagePad, grid.patches() / (merge * merge));
}
std::string video_text(const Media& clip, std::int64_t merge) {
  Grid frame = clip.patches.grid;
  const int n_frames = std::exchange(frame.t, 1);
  core::bug_if(clip.seconds.size() != static_cast<std::size_t>(n_frames), "time stamps do not fit the grid");
  std::string out;
  for (const double seconds : clip.seconds) {
    out += timestamp_text(seconds);
    out += kVisionStart;
    out += repeated(kVideoPad, frame.patches() / (merge * merge));
    out += kVisionEnd;
  }
  return out;
}

// The placeholders in text become what stands for the pictures and clips. Only control text holds any.
class Expansion {
 public:
  Expansion(std::span<const std::string> images, std::span<const std::string> videos, bool outer_markers)
      : images_(images), videos_(videos), outer_markers_(outer_markers) {}

  std::string expand(std::string_view text) {
    std::string out;
    for (std::size_t at = 0;;) {
      const std::size_t image = text.find(kImagePad, at);
      const std::size_t video = text.find(kVideoPad, at);
      const std::size_t found = std::min(image, video);
      if (found == std::string_view::npos) {
        out += text.substr(at);
        return out;
      }
      out += text.substr(at, found - at);
      at = found + (image < video ? kImagePad.size() : kVideoPad.size());
      if (image < video) {
        if (n_images_ < images_.size()) out += images_[n_images_];
        ++n_images_;
        continue;
      }
      if (!outer_markers_ && out.ends_with(kVisionStart) && text.substr(at).starts_with(kVisionEnd)) {
        out.resize(out.size() - kVisionStart.size());
        at += kVisionEnd.size();
      }
      if (n_videos_ < videos_.size()) out += videos_[n_videos_];
      ++n_videos_;
    }
  }
  void require_all_used() const {
    core::require(n_images_ == images_.size(), "the prompt has ", n_images_, " ", kImagePad, " marks for ",
                  images_.size(), " pictures");
    core::require(n_videos_ == videos_.size(), "the prompt has ", n_videos_, " ", kVideoPad, " marks for ",
                  videos_.size(), " videos");
  }

 private:
  std::span<const std::string> images_, videos_;
  bool outer_markers_;
  std::size_t n_images_ = 0, n_videos_ = 0;
};

// Gathers text and gives it to the tokenizer in the stretches that HF would.
class Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, bool parse_special, Prompt& out)
      : tokenizer_(&tokenizer), parse_special_(parse_special), out_(&out) {
    for (const AddedToken& token : tokenizer.data().added)
      if (!token.text.empty()) added_.push_back(&token);
    // Of two that begin alike the longer is meant.
    std::stable_sort(added_.begin(), added_.end(), [](const AddedToken* a, const AddedToken* b) {
      return a->text.size() > b->text.size();
    });
  }

  void add(std::string_view text, bool control, bool answer) {
    if (!control || parse_special_) {
      add_text(text, answer);
      return;
    }
    std::size_t begin = 0;  // of what is no control token
    for (std::size_t at = 0; at < text.size();) {
      const auto token = std::find_if(added_.begin(), added_.end(), [&](const AddedToken* t) {
        return text.substr(at).starts_with(t->text);
      });
      if (token == added_.end()) {
        ++at;
        continue;
      }
      add_text(text.substr(begin, at - begin), answer);
      flush();
      out_->ids.push_back((*token)->id);
      out_->answer.push_back(answer ? 1 : 0);
      at += (*token)->text.size();
      begin = at;
    }
    add_text(text.substr(begin), answer);
  }

  void flush() {
    if (stretch_.empty()) return;
    const std::vector<int> ids = tokenizer_->encode(stretch_, parse_special_);
    out_->ids.insert(out_->ids.end(), ids.begin(), ids.end());
    mark_answers(ids);
    stretch_.clear();
    spans_.clear();
  }

 private:
  struct Span {
    std::size_t bytes;
    bool answer;
  };

  void add_text(std::string_view text, bool answer) {
    if (text.empty()) return;
    if (spans_.empty() || spans_.back().answer != answer) spans_.push_back({0, answer});
    spans_.back().bytes += text.size();
    stretch_ += text;
  }
  std::size_t length(std::span<const int> ids) const {
    std::size_t n = 0;
    for (const int id : ids) n += tokenizer_->token_bytes(id).size();
    return n;
  }
  // A token belongs to the answer if any byte of it does.
  void mark_answers(std::span<const int> ids) {
    if (length(ids) != stretch_.size()) measure_as_encoded();
    std::size_t at = 0;     // in the stretch
    std::size_t begin = 0;  // of the span
    std::vector<Span>::const_iterator span = spans_.begin();
    for (const int id : ids) {
      const std::size_t end = at + tokenizer_->token_bytes(id).size();
      bool answer = span->answer;
      while (span + 1 != spans_.end() && begin + span->bytes < end) {
        begin += span->bytes;
        ++span;
        answer = (answer && begin > at) || span->answer;
      }
      out_->answer.push_back(answer ? 1 : 0);
      at = end;
    }
  }
  // Normalisation changed the text: the spans' lengths are those of their tokens.
  void measure_as_encoded() {
    std::size_t at = 0;
    for (Span& span : spans_) {
      const std::size_t bytes = span.bytes;
      span.bytes = length(tokenizer_->encode(std::string_view(stretch_).substr(at, bytes), parse_special_));
      at += bytes;
    }
  }

  const Tokenizer* tokenizer_;
  bool parse_special_;
  Prompt* out_;
  std::vector<const AddedToken*> added_;
  std::string stretch_;
  std::vector<Span> spans_;
};

void encode(Prompt& out, const PromptContext& context, std::span<const TemplatePiece> pieces,
            std::span<const std::string> images, std::span<const std::string> videos,
            const PromptOptions& options) {
  Expansion expansion(images, videos, options.video_outer_markers);
  Encoder encoder(*context.tokenizer, options.special_tokens_in_text, out);
  for (const TemplatePiece& piece : pieces) {
    const bool answer = piece.message >= 0;
    if (piece.control || options.special_tokens_in_text)
      encoder.add(expansion.expand(piece.text), true, answer);
    else
      encoder.add(piece.text, false, answer);
  }
  expansion.require_all_used();
  encoder.flush();
}

// Kinds and positions of the tokens.
void lay_out(Prompt& out, const PromptContext& context) {
  out.token_types.assign(out.ids.size(), 0);
  const int merge = context.processor != nullptr ? context.processor->merge_size : 1;
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    if (out.ids[i] == context.image_pad) out.token_types[i] = 1;
    if (out.ids[i] == context.video_pad) out.token_types[i] = 2;
  }
  std::vector<Grid> images, videos;
  for (const Media& media : out.images) images.push_back(media.patches.grid);
  for (const Media& media : out.videos) videos.push_back(media.patches.grid);
  out.positions = mrope_positions(out.token_types, images, videos, merge);
}

Conversation with_system(Conversation conversation, const PromptContext& context) {
  std::vector<Message>& messages = conversation.messages;
  if (context.default_system.empty() || messages.empty() || messages[0].role == "system") return conversation;
  const ContentPart words{.kind = ContentPart::Kind::text, .text = context.default_system};
  messages.insert(messages.begin(), Message{.role = "system", .content = {words}});
  return conversation;
}

}  // namespace

Prompt build_prompt(const PromptContext& context, const Conversation& conversation,
                    const PromptOptions& options, const ImageLoader& load, const MediaMaker& make) {
  const std::vector<TemplatePiece> pieces = render(with_system(conversation, context), context.kind);
  Prompt out;
  out.text = to_text(pieces);
  std::vector<std::string> images, videos;  // what stands for them in the text
  for (const Message& message : conversation.messages)
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::image) {
        out.images.push_back(read_image(context, part, load, make));
        images.push_back(image_text(out.images.back().patches.grid, context.processor->merge_size));
      } else if (part.kind == ContentPart::Kind::video) {
        out.videos.push_back(read_clip(context, part.video, options, load, make));
        videos.push_back(video_text(out.videos.back(), context.processor->merge_size));
      }
    }
  encode(out, context, pieces, images, videos, options);
  lay_out(out, context);
  return out;
}

Prompt build_raw_prompt(const PromptContext& context, std::string_view text,
                        std::span<const std::string> image_paths, const ImageLoader& load,
                        const MediaMaker& make) {
  Prompt out;
  out.text = text;
  std::vector<std::string> images;
  for (const std::string& path : image_paths) {
    const ContentPart part{.kind = ContentPart::Kind::image, .image = path};
    out.images.push_back(read_image(context, part, load, make));
    images.push_back(image_text(out.images.back().patches.grid, context.processor->merge_size));
  }
  const int bos = context.tokenizer->data().bos;
  if (bos >= 0 && !text.starts_with(context.tokenizer->token_bytes(bos))) {
    out.ids.push_back(bos);
    out.answer.push_back(0);
  }
  const TemplatePiece piece{out.text, true};
  encode(out, context, {&piece, 1}, images, {}, {.special_tokens_in_text = true});
  lay_out(out, context);
  return out;
}

}  // namespace tarsier
