// 8-bit antialiased bicubic resizing, bit-equal to torchvision's on a CPU (tests/oracle/resize_reference.py
// is the definition). Two passes with int16 weights, horizontal first, rounded and clipped to 0..255 between
// them.
#pragma once

#include "src/input/image.h"

namespace tarsier {

// image as height rows of width pixels. A pass is skipped where the size does not change. height, width: at
// least 1.
Image resize_bicubic(const Image& image, int height, int width);

}  // namespace tarsier
