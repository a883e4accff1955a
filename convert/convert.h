// A Hugging Face checkpoint's folder -> one GGUF file with text and vision tensors, tokenizer, chat template
// and the processor's settings. Streams: memory does not grow with the model.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "ggml-like-core/base/observer.h"

namespace tarsier {

struct ConvertOptions {
  std::string source;                         // the folder
  std::string output;                         // the file to write
  std::string type = "bf16";                  // a preset's name (policy.h): text
  std::string vision_type = "bf16";           // and vision
  bool tiles = false;                         // rows 16 together (quant/tile.h)
  std::string name;                           // general.name; empty: the folder's name
  std::string config_name = "config.json";    // in the folder
  int threads = 0;                            // 0: all cores
  const std::atomic<bool>* cancel = nullptr;  // set: stops with Error "cancelled"; nothing stays
};

struct ConvertResult {
  std::vector<std::string> warnings;  // tensors that were not used, clipped values, assumptions
  double source_bytes = 0;            // read
  double output_bytes = 0;            // of tensors, written
};

// Throws Error: one message with everything that is wrong with the source; an output that is one of the
// source's files; too little space; a tensor with numbers that are not finite. The output appears whole or
// not at all.
ConvertResult convert(const ConvertOptions& options, core::ProgressObserver* progress = nullptr);

}  // namespace tarsier
