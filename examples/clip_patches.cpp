// What a model sees of a video, and how long the processor's half of the work takes:
//   build/clip_patches VIDEO [MAX_FRAMES]
// The settings are those of the published checkpoints. Frames are decoded, resized, cut into patches and
// forgotten.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "src/input/media.h"
#include "src/input/video_frames.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s VIDEO [MAX_FRAMES]\n", argv[0]);
    return 2;
  }
  try {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const tarsier::ProcessorConfig config;
    tarsier::ClipOptions options;
    if (argc > 2) options.max_frames = std::atoi(argv[2]);
    const auto file = tarsier::open_clip(argv[1], 1);
    const tarsier::Media clip = tarsier::clip_media(config, file, options);
    std::printf("%d frames, %.3f a second, %s; %zu of them, %d x %d, first %s last %s\n", file->info().frames,
                file->info().fps.value_or(tarsier::kAssumedVideoFps), file->info().codec.c_str(),
                clip.frames_indices.size(), clip.patches.resized.width, clip.patches.resized.height,
                tarsier::timestamp_text(clip.seconds.front()).c_str(),
                tarsier::timestamp_text(clip.seconds.back()).c_str());
    const std::chrono::duration<double> opened = Clock::now() - begin;
    tarsier::ClipStream stream(clip.clip);
    double sum = 0;
    core::BigVector<float> group;
    for (int t = 0; t < clip.patches.grid.t; ++t) {
      group.clear();
      stream.read(1, group, nullptr);
      for (const float value : group) sum += value;
    }
    const std::chrono::duration<double> all = Clock::now() - begin;
    std::printf("counted in %.2f s, patches in %.2f s; mean %.6f\n", opened.count(), all.count(),
                sum / static_cast<double>(group.size()) / clip.patches.grid.t);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
