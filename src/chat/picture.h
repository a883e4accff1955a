// Pictures and clips that a person attached. The bytes of a file are taken when it is attached: what happens
// to the file afterwards changes nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/image.h"
#include "src/input/processor.h"

namespace tarsier::chat {

using Bytes = std::vector<std::byte>;

struct Picture {
  std::string name;    // for people: without its folder
  std::string sha256;  // of bytes, in hexadecimal
  std::shared_ptr<const Bytes> bytes;
  int width = 0, height = 0;  // as it stands upright
};

// What a person attached at once: a picture, or the frames of a clip.
struct Attachment {
  std::string name;  // for people
  std::vector<Picture> pictures;
  bool clip = false;
  double fps = 0;                     // of a clip
  std::optional<PixelLimits> limits;  // of a picture; nothing: the checkpoint's
};

std::string sha256(std::string_view bytes);

// Error: not a picture, for the reason that decode_image gives.
Picture make_picture(std::string name, Bytes bytes);
// The picture at path, or the frames (picture files in the order of their names, numbers by value) of a
// folder. fps: of the frames. Errors: cannot be read; not a picture; a folder with fewer than two pictures.
Attachment attach_file(const std::string& path, double fps = 1);

// Whether a name ends like that of a picture.
bool has_picture_name(std::string_view path);

// The pixels of a picture.
Image pixels_of(const Picture& picture);

}  // namespace tarsier::chat
