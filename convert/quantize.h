// One of our GGUF files in other formats, by the same policy as convert. Metadata is copied.
#pragma once

#include <atomic>
#include <string>

#include "convert/convert.h"
#include "ggml-like-core/base/observer.h"

namespace tarsier {

struct QuantizeOptions {
  std::string source;                         // the file to read
  std::string output;                         // the file to write
  std::string type = "q8_0";                  // a preset's name, or "same": as the source has it
  std::string vision_type;                    // the same list; empty: "same" where type is, else "bf16"
  bool tiles = false;                         // rows 16 together (quant/tile.h)
  int threads = 0;                            // 0: all cores
  const std::atomic<bool>* cancel = nullptr;  // set: stops with Error "cancelled"; nothing stays
};

// Tensors that have their format already are copied, others go through floats: a file that was quantized
// before keeps its errors and gains new ones. Throws Error: one message with all missing and misshapen
// tensors; output and source are one file; too little space.
ConvertResult quantize(const QuantizeOptions& options, core::ProgressObserver* progress = nullptr);

}  // namespace tarsier
