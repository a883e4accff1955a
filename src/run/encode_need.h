// What encoding a picture takes, known before anything is done: its size in tokens, memory from the plan of
// operations, seconds from a short measurement. The largest picture that memory and time allow.
#pragma once

#include <cstdint>
#include <optional>

#include "src/input/media.h"
#include "src/input/processor.h"
#include "src/model/loaded_model.h"
#include "src/run/runner.h"

namespace tarsier {

// How fast this machine encodes with one model.
struct EncodeSpeed {
  double products = 0;   // of matrices: multiplications and additions a second
  double attention = 0;  // the same of attention
  double others = 0;     // bytes that the other operations write, a second
  double patches = 0;    // whose positions and pixels are laid out, a second
};
// Runs one block of the tower on random pixels, twice: some tenths of a second. Error: the model has no
// vision tower.
EncodeSpeed measure_encode_speed(const LoadedModel& model, Runner& runner);
// Of one run of the vision tower.
double encode_seconds(const LoadedModel& model, const EncodeSpeed& speed, std::int64_t n_patches,
                      std::int64_t n_segments);

// Free memory that a picture may take: a little is left to everything else.
std::uint64_t memory_for_pictures();

// Bytes of one run of the vision tower, beside weights, the patches that go in and the rows that are kept:
// what the plan's inputs and values and the kernels' scratch take.
std::uint64_t run_bytes(const LoadedModel& model, const Runner& runner, std::int64_t n_patches, bool still);

// Whether so much memory is enough for a run and the rows that it gives.
bool fits_memory(const LoadedModel& model, const Runner& runner, std::int64_t n_patches, bool still,
                 std::uint64_t free);
// Error where it is not: both numbers, and the most tokens that fit.
void require_memory(const LoadedModel& model, const Runner& runner, std::int64_t n_patches, bool still,
                    std::uint64_t free);

// Of a still picture.
struct PictureNeed {
  Size original{}, resized{};
  std::int64_t patches = 0, tokens = 0;
  std::uint64_t resize_bytes = 0;  // most at once while it is resized and cut into patches
  std::uint64_t patch_bytes = 0;   // of the patches
  std::uint64_t run_bytes = 0;
  std::uint64_t row_bytes = 0;  // of what the text model reads
  // Most at once of the process's own memory, weights left out.
  std::uint64_t peak() const;
};
PictureNeed picture_need(const LoadedModel& model, const Runner& runner, const ProcessorConfig& processor,
                         Size original);

// Of a clip that is encoded one temporal patch at a time, which is the least memory.
struct ClipNeed {
  Size original{};
  ClipForm form{};
  std::int64_t patches = 0, tokens = 0;
  std::uint64_t bytes = 0;  // most at once, as PictureNeed::peak
};
ClipNeed clip_need(const LoadedModel& model, const Runner& runner, const ProcessorConfig& processor,
                   const VideoInfo& source, const ClipOptions& options);

// What a picture or clip may take.
struct Allowed {
  std::uint64_t bytes = 0;
  std::optional<double> seconds;  // with speed
  EncodeSpeed speed;
  int beside = 0;  // pictures of the same kind, whose patches and rows are kept beside it
};
// The limits, max_pixels made smaller, with which a picture of this size is the largest that is allowed.
// Nothing: not even the smallest is.
std::optional<PixelLimits> fitting_limits(const LoadedModel& model, const Runner& runner,
                                          const ProcessorConfig& processor, Size original,
                                          const Allowed& allowed);
// The same of a clip: its options with ClipOptions::max_pixels made smaller.
std::optional<ClipOptions> fitting_options(const LoadedModel& model, const Runner& runner,
                                           const ProcessorConfig& processor, const VideoInfo& source,
                                           const ClipOptions& options, const Allowed& allowed);

}  // namespace tarsier
