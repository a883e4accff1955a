// Animated pictures as clips, without FFmpeg's libraries.
#pragma once

#include <memory>
#include <string>

#include "src/input/video_file.h"

namespace tarsier {

// Whether the file at path is one that open_animation is to read: an animated WebP, which FFmpeg does not,
// and where this program has no FFmpeg, a GIF or PNG, too.
bool is_animation(const std::string& path);

// Errors: cannot be read; no animation.
std::shared_ptr<const VideoFile> open_animation(const std::string& path);

}  // namespace tarsier
