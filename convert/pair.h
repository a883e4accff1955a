// One file with everything <-> the pair of files, text model and vision tower (mmproj), that llama.cpp reads.
#pragma once

#include <atomic>
#include <string>

#include "convert/convert.h"
#include "ggml-like-core/base/observer.h"

namespace tarsier {

struct MergeOptions {
  std::string text, mmproj;  // the pair
  std::string output;        // the file to write
  std::string name;          // general.name; empty: the text model's
  int threads = 0;
  const std::atomic<bool>* cancel = nullptr;
};

// Tensors keep their bytes. What a pair does not say (limits of pixels, settings of videos ...) is written as
// what holds then, and listed in the warnings. Throws Error: files that are no pair, or do not fit together.
ConvertResult merge_pair(const MergeOptions& options, core::ProgressObserver* progress = nullptr);

struct SplitOptions {
  std::string source;        // one file
  std::string text, mmproj;  // the files to write
  int threads = 0;
  const std::atomic<bool>* cancel = nullptr;
};

// Tensors keep their bytes, but for a patch projection in bf16, which llama.cpp wants in f32. Keys under
// tarsier.* go to the text model's file, where llama.cpp passes over them: the pair runs here as the one file
// does. Throws Error: one message with all that a pair cannot hold.
ConvertResult split_pair(const SplitOptions& options, core::ProgressObserver* progress = nullptr);

}  // namespace tarsier
