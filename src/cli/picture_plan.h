// What encoding a picture will take, as text.
#pragma once

#include <string>
#include <string_view>

#include "src/run/encode_need.h"

namespace tarsier::cli {

// "1024x768", as "FLAG WxH" gives it: width and height.
Size picture_size(const std::string& flag, const std::string& text);

// "photo.jpg 4000x3000 -> 1536x1152, 1728 tokens, about 8 s, 0.60 GB". seconds: 0 where nobody knows.
std::string plan_text(std::string_view name, const PictureNeed& need, double seconds);

}  // namespace tarsier::cli
