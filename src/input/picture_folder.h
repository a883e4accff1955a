// Pictures as the frames of a clip.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/input/media.h"
#include "src/input/video_file.h"

namespace tarsier {

constexpr double kFolderFrameRate = 1;  // of a folder's pictures, unless somebody says another

// Whether a name ends like that of a picture, or of a video file.
bool has_picture_name(std::string_view path);
bool has_video_name(std::string_view path);

// The paths of a folder's pictures, by their names, numbers in them by value. Error: fewer than two.
std::vector<std::string> pictures_of_folder(const std::string& folder);

// One frame each, all of the first one's size. frame_rate: of them. The first is loaded at once.
std::shared_ptr<const VideoFile> pictures_as_video(std::vector<std::string> paths,
                                                   std::optional<double> frame_rate, ImageLoader load);

}  // namespace tarsier
