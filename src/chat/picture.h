// Pictures and clips that a person attached. The bytes of a file are taken when it is attached: what happens
// to the file afterwards changes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/image.h"
#include "src/input/media.h"
#include "src/input/processor.h"

namespace tarsier::chat {

using Bytes = std::vector<std::byte>;

struct Picture {
  std::string name;    // for people: without its folder
  std::string sha256;  // of bytes, in hexadecimal
  std::shared_ptr<const Bytes> bytes;
  int width = 0, height = 0;  // as the options show it
  ImageOptions options;       // in force when it was attached
  std::string treatment;      // for people: what was done to it, as of image.h
};

// A video file stays where it is: it is read when it is needed, and must then be the same.
struct AttachedVideo {
  std::string path;  // absolute
  std::uint64_t hash = 0;
  ClipOptions options;
  std::shared_ptr<const VideoFile> file;  // null: gone, or another by now
};

// What a person attached at once: a picture, the frames of a clip, or a video file.
struct Attachment {
  std::string name;                   // for people
  std::vector<Picture> pictures;      // of a video file: its first frame, to be shown
  bool clip = false;                  // of frames
  double fps = 0;                     // of these
  std::optional<PixelLimits> limits;  // of a picture or each frame; nothing: the checkpoint's
  std::optional<AttachedVideo> video;
};

std::string sha256(std::string_view bytes);

// Error: not a picture, for the reason that decode_image gives.
Picture make_picture(std::string name, Bytes bytes, const ImageOptions& options = {});
// The picture at path (or - or a data URI), or the video file, or the frames (picture files in the order of
// their names, numbers by value) of a folder. options: of clips; with any of them a picture's file that moves
// is a clip, too. For a folder fps is taken as the rate of its frames. Errors: cannot be read; neither
// picture nor video; a folder with fewer than two pictures.
Attachment attach_file(const std::string& path, const ClipOptions& options = {},
                       const ImageOptions& image = {});

// The video file again, where it is still the same; else file is null.
void reopen(AttachedVideo& video);

// The pixels of a picture.
Image pixels_of(const Picture& picture);

}  // namespace tarsier::chat
