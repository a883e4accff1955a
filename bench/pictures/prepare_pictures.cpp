// Times what happens to a picture before the model: decoding, and resizing into patches. prepare_pictures.py
// times the same in transformers.
//   prepare_pictures FILE [MAX_PIXELS]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "src/input/image.h"
#include "src/input/processor.h"

namespace {

constexpr int kRuns = 10;

double milliseconds(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

void run(const char* file, std::int64_t max_pixels) {
  tarsier::ProcessorConfig config;
  config.image.max_pixels = max_pixels;
  std::vector<double> totals;
  for (int k = 0; k < kRuns; ++k) {
    const auto start = std::chrono::steady_clock::now();
    const tarsier::Image image = tarsier::load_image(file);
    const auto decoded = std::chrono::steady_clock::now();
    const tarsier::Patches patches = tarsier::image_patches(config, image);
    const auto done = std::chrono::steady_clock::now();
    totals.push_back(milliseconds(start, done));
    std::printf("%d x %d -> %d x %d patches: decode %.0f ms, resize and patches %.0f ms, together %.0f ms\n",
                image.width, image.height, patches.grid.w, patches.grid.h, milliseconds(start, decoded),
                milliseconds(decoded, done), totals.back());
  }
  std::sort(totals.begin(), totals.end());
  std::printf("median %.0f ms\n", (totals[kRuns / 2 - 1] + totals[kRuns / 2]) / 2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: prepare_pictures FILE [MAX_PIXELS]\n", stderr);
    return 2;
  }
  try {
    run(argv[1], argc > 2 ? std::atoll(argv[2]) : tarsier::ProcessorConfig{}.image.max_pixels);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
