#include "src/input/media.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/hash.h"
#include "src/input/animation_video.h"
#include "src/input/picture_folder.h"
#include "src/input/video_frames.h"

namespace tarsier {
namespace {

void add_form(core::Hash& hash, const Patches& patches) {
  for (const int n :
       {patches.grid.t, patches.grid.h, patches.grid.w, patches.resized.height, patches.resized.width})
    hash.add(static_cast<std::uint64_t>(n));
}

std::uint64_t content_hash(const Patches& patches) {
  core::Hash hash;
  add_form(hash, patches);
  hash.add(patches.values.size());
  hash.add(std::as_bytes(std::span(patches.values)));
  return hash.value();
}

std::uint64_t source_hash(const VideoInfo& source, const std::vector<int>& indices, const Patches& form) {
  core::Hash hash;
  hash.add(std::string_view("clip"));
  hash.add(source.hash);
  add_form(hash, form);
  hash.add(std::as_bytes(std::span(indices)));
  return hash.value();
}

// Limits of all frames together, with the options' of one frame.
ProcessorConfig limited(ProcessorConfig config, const ClipOptions& options, int num_frames) {
  PixelLimits& video = config.video;
  if (options.max_pixels) video.max_pixels = *options.max_pixels;
  if (options.frame_max_pixels)
    video.max_pixels = std::min(video.max_pixels, *options.frame_max_pixels * num_frames);
  if (options.frame_min_pixels)
    video.min_pixels = std::max(video.min_pixels, *options.frame_min_pixels * num_frames);
  video.min_pixels = std::min(video.min_pixels, video.max_pixels);
  return config;
}

FrameSampling sampling_of(const ProcessorConfig& config, const ClipOptions& options) {
  FrameSampling sampling{.fps = options.fps.value_or(config.video_fps),
                         .min_frames = options.min_frames.value_or(config.min_frames),
                         .max_frames = options.max_frames.value_or(config.max_frames),
                         .start = options.start.value_or(0),
                         .end = options.end};
  core::require(sampling.min_frames >= 1 && sampling.max_frames >= 1, "video: from ", sampling.min_frames,
                " to ", sampling.max_frames, " frames asked for, expected at least 1");
  // Who asks for fewer than the processor takes at least gets them, and for more.
  if (!options.min_frames) sampling.min_frames = std::min(sampling.min_frames, sampling.max_frames);
  if (!options.max_frames) sampling.max_frames = std::max(sampling.min_frames, sampling.max_frames);
  return sampling;
}

SampledFrames sampled(const ProcessorConfig& config, const VideoInfo& source, const ClipOptions& options) {
  return sample_video({.frames = source.frames, .fps = source.fps, .seconds = source.times},
                      sampling_of(config, options));
}

VideoPatcher patcher_of(const ProcessorConfig& config, const VideoInfo& source, const ClipOptions& options,
                        std::size_t num_frames) {
  const int n = static_cast<int>(num_frames);
  return {limited(config, options, n), n, source.size.height, source.size.width};
}

}  // namespace

ClipOptions ClipOptions::over(const ClipOptions& below) const {
  ClipOptions out = *this;
  const auto fill = [](auto& mine, const auto& other) {
    if (!mine) mine = other;
  };
  fill(out.fps, below.fps);
  fill(out.min_frames, below.min_frames);
  fill(out.max_frames, below.max_frames);
  fill(out.max_pixels, below.max_pixels);
  fill(out.frame_min_pixels, below.frame_min_pixels);
  fill(out.frame_max_pixels, below.frame_max_pixels);
  fill(out.start, below.start);
  fill(out.end, below.end);
  fill(out.frame_rate, below.frame_rate);
  return out;
}

Media image_media(const ProcessorConfig& config, const Image& image) {
  Media media{.patches = image_patches(config, image), .original = {image.height, image.width}};
  media.hash = content_hash(media.patches);
  return media;
}

Media clip_media(const ProcessorConfig& config, std::shared_ptr<const VideoFile> source,
                 const ClipOptions& options) {
  const VideoInfo& info = source->info();
  SampledFrames frames = sampled(config, info, options);
  const VideoPatcher patcher = patcher_of(config, info, options, frames.indices.size());
  Media media{.original = info.size};
  media.patches.grid = patcher.grid();
  media.patches.resized = patcher.resized();
  media.seconds = group_timestamps(frames.seconds, config.temporal_patch_size);
  media.hash = source_hash(info, frames.indices, media.patches);
  media.frames_indices = frames.indices;
  media.frame_seconds = std::move(frames.seconds);
  media.clip = std::make_shared<const ClipSource>(
      ClipSource{.file = std::move(source), .indices = std::move(frames.indices), .patcher = patcher});
  return media;
}

ClipForm clip_form(const ProcessorConfig& config, const VideoInfo& source, const ClipOptions& options) {
  const VideoPatcher patcher =
      patcher_of(config, source, options, sampled(config, source, options).indices.size());
  return {.frames = patcher.frames(), .grid = patcher.grid(), .resized = patcher.resized()};
}

Media clip_media(const ProcessorConfig& config, const VideoPart& part, const ClipOptions& below,
                 const ImageLoader& load) {
  const ClipOptions options = part.options.over(below);
  if (!part.file.empty())
    return clip_media(config, open_clip(part.file, options.frame_rate.value_or(kFolderFrameRate)), options);
  core::require(!part.frames.empty(), "a video has no frames");
  core::require(!part.fps || (std::isfinite(*part.fps) && *part.fps > 0), "a video has ",
                part.fps.value_or(0), " frames per second, wanted more than 0");
  const int n_frames = static_cast<int>(part.frames.size());
  const auto source = pictures_as_video(part.frames, part.fps, load);
  Media media;
  if (part.sample) {
    const int total = part.total_num_frames.value_or(n_frames);
    core::require(total == n_frames, "a video to sample from has ", total, " frames, but ", n_frames,
                  " are given");
    media = clip_media(config, source, options);
  } else {
    std::vector<int> all(part.frames.size());
    std::iota(all.begin(), all.end(), 0);
    const std::vector<int>& numbers = part.frames_indices.empty() ? all : part.frames_indices;
    core::require(numbers.size() == all.size(), "a video has ", all.size(), " frames and ", numbers.size(),
                  " indices of frames");
    const VideoPatcher patcher = patcher_of(config, source->info(), options, all.size());
    media.original = source->info().size;
    media.patches.grid = patcher.grid();
    media.patches.resized = patcher.resized();
    media.frames_indices = numbers;
    const double fps = part.fps.value_or(kAssumedVideoFps);
    media.frame_seconds = frame_timestamps(numbers, fps, 1);
    media.seconds = frame_timestamps(numbers, fps, config.temporal_patch_size);
    media.clip = std::make_shared<const ClipSource>(
        ClipSource{.file = source, .indices = std::move(all), .patcher = patcher});
  }
  // Pictures may change behind their paths: their pixels say what they are.
  media.patches = whole_patches(media);
  media.hash = content_hash(media.patches);
  media.clip = nullptr;
  return media;
}

std::shared_ptr<const VideoFile> open_clip(const std::string& path, double frame_rate) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored))
    return is_animation(path) ? open_animation(path) : open_video_file(path);
  return pictures_as_video(pictures_of_folder(path), frame_rate,
                           [](const std::string& picture) { return load_image(picture); });
}

std::size_t frame_at(const Media& clip, double seconds) {
  core::bug_if(clip.frame_seconds.empty(), "a picture has no frames");
  const auto nearer = [&](double a, double b) { return std::abs(a - seconds) < std::abs(b - seconds); };
  const auto nearest = std::min_element(clip.frame_seconds.begin(), clip.frame_seconds.end(), nearer);
  return static_cast<std::size_t>(nearest - clip.frame_seconds.begin());
}

Image frame_image(const Media& clip, std::size_t frame) {
  core::bug_if(clip.clip == nullptr, "a clip without a source has no frames to show");
  Image out;
  const int index[] = {clip.frames_indices.at(frame)};
  clip.clip->file->read(
      index,
      [&](Image image) {
        out = std::move(image);
        return true;
      },
      nullptr);
  return out;
}

Patches whole_patches(const Media& media) {
  Patches out = media.patches;
  if (media.clip == nullptr) return out;
  ClipStream stream(media.clip);
  stream.read(out.grid.t, out.values, nullptr);
  return out;
}

}  // namespace tarsier
