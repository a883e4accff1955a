// Pictures and clips as the vision tower reads them: patches, and what makes two of them the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/input/clip.h"
#include "src/input/image.h"
#include "src/input/processor.h"

namespace tarsier {

// One picture or one whole clip.
struct Media {
  Patches patches;                         // of a clip with a source: its form, without values
  std::uint64_t hash = 0;                  // of pixels and size, or of the source: equal hash, equal content
  Size original{};                         // before the resize
  std::vector<int> frames_indices;         // of a clip: the frames used, by their number in the source
  std::vector<double> frame_seconds;       // of a clip: when each of these is shown
  std::vector<double> seconds;             // of a clip: the time stamp of each temporal patch
  std::shared_ptr<const ClipSource> clip;  // where the values come from; null: they are in patches
};

// Which frames of a clip are seen, and how large. What is not given is as the model's processor says, or as
// in another ClipOptions below this one.
struct ClipOptions {
  std::optional<double> fps;                                       // frames to take of each second
  std::optional<int> min_frames, max_frames;                       // frames to take in all
  std::optional<std::int64_t> max_pixels;                          // of all frames together, after the resize
  std::optional<std::int64_t> frame_min_pixels, frame_max_pixels;  // of each frame
  std::optional<double> start, end;                                // seconds: only this part
  std::optional<double> frame_rate;                                // of a folder of pictures, as a source
  bool operator==(const ClipOptions&) const = default;

  ClipOptions over(const ClipOptions& below) const;
};

// A clip: a video file or a folder of pictures, or a list of pictures.
struct VideoPart {
  std::string file;                 // path; empty: frames
  std::vector<std::string> frames;  // paths
  std::optional<double> fps;        // of the source that frames are
  bool sample = false;  // frames are the whole source and are to be sampled; else they are used as they are
  std::vector<int> frames_indices;      // without sampling: their numbers in the source; empty: 0, 1, 2 ...
  std::optional<int> total_num_frames;  // of the source; default: the number of frames
  ClipOptions options;
};

using ImageLoader = std::function<Image(const std::string& path)>;  // load_image, unless a test has its own

Media image_media(const ProcessorConfig& config, const Image& image);

// A list of pictures is read at once, a few at a time. Of a video file only what tells its frames apart is
// read, its frames when its patches are. below: what the part's own options do not say. Errors: those of
// loader, open_clip and processor.
Media clip_media(const ProcessorConfig& config, const VideoPart& part, const ClipOptions& below,
                 const ImageLoader& load);
// The same of a source that is open.
Media clip_media(const ProcessorConfig& config, std::shared_ptr<const VideoFile> source,
                 const ClipOptions& options);

// What an open source gives with these options, without reading it.
struct ClipForm {
  int frames;  // that are looked at
  Grid grid;
  Size resized;
};
ClipForm clip_form(const ProcessorConfig& config, const VideoInfo& source, const ClipOptions& options);

// A video file, an animated picture, or the pictures of a folder at so many a second. Errors: as
// open_video_file; a folder with fewer than two pictures.
std::shared_ptr<const VideoFile> open_clip(const std::string& path, double frame_rate);

// Which of a clip's frames is shown nearest to this moment: its place in frames_indices.
std::size_t frame_at(const Media& clip, double seconds);
// That frame, upright, from the clip's source, which must be there. Errors: as VideoFile::read.
Image frame_image(const Media& clip, std::size_t frame);

// The patches with their values, from memory or from the clip. Errors: as ClipStream.
Patches whole_patches(const Media& media);

}  // namespace tarsier
