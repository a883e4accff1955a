#include "src/input/prompt.h"

#include <cstring>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/input/video_frames.h"

namespace tarsier {
namespace {

constexpr std::string_view kImagePad = "<|image_pad|>";
constexpr std::string_view kVideoPad = "<|video_pad|>";
constexpr std::string_view kVisionStart = "<|vision_start|>";
constexpr std::string_view kVisionEnd = "<|vision_end|>";

// A 64-bit hash of bytes and numbers, well mixed; not for use against an adversary.
class ContentHash {
 public:
  void add(std::uint64_t x) {
    state_ = (state_ ^ x) * 0x9E3779B97F4A7C15U;
    state_ ^= state_ >> 32;
  }
  void add(std::span<const std::uint8_t> bytes) {
    add(bytes.size());
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, 8);
      add(word);
    }
    std::uint64_t rest = 0;
    if (i < bytes.size()) std::memcpy(&rest, bytes.data() + i, bytes.size() - i);
    add(rest);
  }
  void add(const Image& image) {
    add(static_cast<std::uint64_t>(image.width));
    add(static_cast<std::uint64_t>(image.height));
    add(image.rgb);
  }
  std::uint64_t value() const { return state_ ^ state_ >> 29; }

 private:
  std::uint64_t state_ = 0x243F6A8885A308D3U;  // digits of pi
};

Media image_media(const PromptContext& context, const std::string& path, const ImageLoader& load) {
  const Image image = load(path);
  ContentHash hash;
  hash.add(image);
  return {.patches = image_patches(*context.processor, image),
          .hash = hash.value(),
          .original = {image.height, image.width}};
}

// The clip's frames by their place in video.frames, and their numbers in the source.
struct ChosenFrames {
  std::vector<int> places, numbers;
};

ChosenFrames choose_frames(const ProcessorConfig& config, const VideoPart& video) {
  const auto given = static_cast<int>(video.frames.size());
  ChosenFrames out;
  if (video.sample) {
    const int total = video.total_num_frames.value_or(given);
    core::require(total == given, "a video with sample has ", given, " frames and total_num_frames ", total,
                  ", wanted all frames of the source");
    out.numbers = sample_frames(
        total, video.fps,
        {.fps = config.video_fps, .min_frames = config.min_frames, .max_frames = config.max_frames});
    out.places = out.numbers;
    return out;
  }
  for (int i = 0; i < given; ++i) out.places.push_back(i);
  out.numbers = video.frames_indices.empty() ? out.places : video.frames_indices;
  core::require(out.numbers.size() == out.places.size(), "a video has ", given, " frames and ",
                out.numbers.size(), " frames_indices");
  return out;
}

Media video_media(const PromptContext& context, const VideoPart& video, const ImageLoader& load) {
  core::require(!video.frames.empty(), "a video has no frames");
  ChosenFrames chosen = choose_frames(*context.processor, video);
  std::vector<Image> frames;
  ContentHash hash;
  hash.add(std::uint64_t{chosen.places.size()});
  for (const int place : chosen.places) {
    const std::string& path = video.frames[static_cast<std::size_t>(place)];
    frames.push_back(load(path));
    const Image& frame = frames.back();
    core::require(frame.width == frames[0].width && frame.height == frames[0].height, path, ": is ",
                  frame.width, " x ", frame.height, ", the video's first frame is ", frames[0].width, " x ",
                  frames[0].height);
    hash.add(frame);
  }
  return {.patches = video_patches(*context.processor, frames),
          .hash = hash.value(),
          .original = {frames[0].height, frames[0].width},
          .frames_indices = std::move(chosen.numbers)};
}

// "<0.2 seconds><|vision_start|><|video_pad|><|vision_end|>" for each temporal patch, with one pad each.
std::string video_text(const PromptContext& context, const Media& clip, std::optional<double> fps) {
  std::string out;
  for (const double seconds : frame_timestamps(clip.frames_indices, fps.value_or(kAssumedVideoFps),
                                               context.processor->temporal_patch_size))
    out.append(timestamp_text(seconds)).append(kVisionStart).append(kVideoPad).append(kVisionEnd);
  return out;
}

// Loads what the conversation shows, and writes the clips' time stamps into the pieces.
void load_media(const PromptContext& context, const Conversation& conversation, const ImageLoader& load,
                bool outer_markers, std::vector<TemplatePiece>& pieces, Prompt& out) {
  std::vector<std::string> clips;  // texts
  for (const Message& message : conversation.messages)
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::image) out.images.push_back(image_media(context, part.image, load));
      if (part.kind != ContentPart::Kind::video) continue;
      out.videos.push_back(video_media(context, part.video, load));
      clips.push_back(video_text(context, out.videos.back(), part.video.fps));
    }
  std::size_t next = 0;
  for (TemplatePiece& p : pieces) {
    if (!p.control || p.text.find(kVideoPad) == std::string::npos) continue;
    core::bug_if(next == clips.size(), "the template shows more clips than the conversation");
    p.text = outer_markers ? std::string(kVisionStart) + clips[next] + std::string(kVisionEnd) : clips[next];
    ++next;
  }
}

std::vector<Grid> grids_of(const std::vector<Media>& media) {
  std::vector<Grid> out;
  for (const Media& m : media) out.push_back(m.patches.grid);
  return out;
}

// How often each pad stands for a row of a picture, in order: once an image, once a temporal patch of a clip.
std::vector<std::int64_t> rows_of_pads(const std::vector<Media>& media, int merge_size, bool video) {
  std::vector<std::int64_t> out;
  for (const Media& m : media) {
    const Grid g = m.patches.grid;
    const std::int64_t frame = std::int64_t{g.h / merge_size} * (g.w / merge_size);
    if (video)
      out.insert(out.end(), static_cast<std::size_t>(g.t), frame);
    else
      out.push_back(g.t * frame);
  }
  return out;
}

// Repeats each pad as often as its picture has rows; sets ids, token_types, answer and positions.
void expand(const PromptContext& context, const std::vector<int>& ids,
            const std::vector<std::uint8_t>& answer, Prompt& out) {
  const int merge_size = context.processor->merge_size;
  const auto image_rows = rows_of_pads(out.images, merge_size, false);
  const auto video_rows = rows_of_pads(out.videos, merge_size, true);
  std::size_t images = 0;
  std::size_t videos = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const bool image = ids[i] == context.image_pad;
    const bool video = ids[i] == context.video_pad;
    std::int64_t count = 1;
    if (image) {
      if (images < image_rows.size()) count = image_rows[images];
      ++images;
    } else if (video) {
      if (videos < video_rows.size()) count = video_rows[videos];
      ++videos;
    }
    const auto n = static_cast<std::size_t>(count);
    out.ids.insert(out.ids.end(), n, ids[i]);
    out.token_types.insert(out.token_types.end(), n, static_cast<std::int8_t>(image ? 1 : video ? 2 : 0));
    out.answer.insert(out.answer.end(), n, answer[i]);
  }
  core::require(images == image_rows.size(), "the text has ", images, " marks ", kImagePad, " for ",
                image_rows.size(), " images");
  core::require(videos == video_rows.size(), "the text has ", videos, " marks ", kVideoPad, " for ",
                video_rows.size(), " temporal patches of videos");
  out.positions = mrope_positions(out.token_types, grids_of(out.images), grids_of(out.videos), merge_size);
}

}  // namespace

Prompt build_prompt(const PromptContext& context, const Conversation& conversation,
                    const PromptOptions& options, const ImageLoader& load) {
  std::vector<TemplatePiece> pieces = render(conversation, context.kind);
  Prompt out;
  out.text = to_text(pieces);
  load_media(context, conversation, load, options.video_outer_markers, pieces, out);
  std::vector<TextPart> parts;
  parts.reserve(pieces.size());
  for (const TemplatePiece& p : pieces)
    parts.push_back({p.text, p.control || options.special_tokens_in_text});
  const EncodedParts encoded = context.tokenizer->encode(parts);
  std::vector<std::uint8_t> answer;
  answer.reserve(encoded.ids.size());
  for (const int part : encoded.part) {
    const int message = pieces[static_cast<std::size_t>(part)].message;
    const bool own =
        message >= 0 && conversation.messages[static_cast<std::size_t>(message)].role == "assistant";
    answer.push_back(own ? 1 : 0);
  }
  expand(context, encoded.ids, answer, out);
  return out;
}

Prompt build_raw_prompt(const PromptContext& context, std::string_view text,
                        std::span<const std::string> image_paths, const ImageLoader& load) {
  Prompt out;
  out.text = text;
  for (const std::string& path : image_paths) out.images.push_back(image_media(context, path, load));
  const std::vector<int> ids = context.tokenizer->encode(text, true);
  expand(context, ids, std::vector<std::uint8_t>(ids.size(), 0), out);
  return out;
}

}  // namespace tarsier
