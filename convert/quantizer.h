// Streams tensors into a GGUF file: blocks of rows, read as floats, checked, stored in their format, by all
// cores. Memory in use is a block for each thread, whatever the size of a tensor.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ggml-like-core/base/observer.h"
#include "ggml-like-core/gguf/writer.h"

namespace tarsier {

// One tensor to write. read and drop are called by several threads at once.
struct TensorJob {
  std::size_t number = 0;  // of the writer
  // Rows [row, row + out.size() / row_length) as floats.
  std::function<void(std::span<float> out, std::int64_t row)> read;
  // The rows' bytes, of type `copied`, whose rows are those of the type to be stored; used instead of read
  // where it is set.
  std::function<std::span<const std::byte>(std::int64_t row, std::int64_t rows)> copy;
  core::DType copied = core::DType::f32;
  // These rows will not be read again.
  std::function<void(std::int64_t row, std::int64_t rows)> drop;
  double source_bytes = 0;  // for the progress
};

struct RunOptions {
  int threads = 0;                             // 0: all cores
  const std::atomic<bool>* cancel = nullptr;   // set: stops with Error "cancelled"
  core::ProgressObserver* progress = nullptr;  // step "convert", in bytes of the source
};

// Writes all tensors; writer.begin() was called, commit() is the caller's. Returns warnings: values beyond
// what a half can hold (they are clipped to +-65504). Error: a number that is not finite (tensor and row);
// cancelled; disk full.
std::vector<std::string> write_tensors(core::GgufWriter& writer, std::span<const TensorJob> jobs,
                                       const RunOptions& options);

}  // namespace tarsier
