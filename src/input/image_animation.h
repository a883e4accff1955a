// The frames of an animated picture: GIF, APNG and WebP. Each frame is the whole canvas as it is shown then,
// with the bytes that Pillow gives for it (seek(k), convert("RGB")).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "src/input/image.h"

namespace tarsier {

// For how many milliseconds each frame is shown: one entry a frame, one of a still GIF, PNG or WebP, none of
// any other format. Reads headers only, and stops where the file is cut. As in browsers and FFmpeg a GIF's
// delay under 20 ms means 100 ms.
std::vector<int> frame_delays(std::span<const std::byte> bytes, std::string_view name);

// Called with each frame in order; false stops.
using FrameSink = std::function<bool(const Image& frame, std::size_t index)>;

// All frames, of one size, one in memory at a time. Errors: those of decode_image, at the frame that is
// broken; a format without frames. A default picture of an APNG that is not part of its animation is left
// out.
void decode_animation(std::span<const std::byte> bytes, std::string_view name, const FrameSink& sink,
                      const ImageOptions& options = {});

}  // namespace tarsier
