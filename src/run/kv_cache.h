// Keys and values of a timeline.
#pragma once

#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/graph/backend.h"
#include "src/model/config.h"

namespace tarsier {

// Pages cost memory once they are written. Not thread-safe.
class KvCache {
 public:
  KvCache(const TextConfig& config, int capacity, core::DType dtype);
  core::KvView view(int past) const;
  int capacity() const { return capacity_; }
  static std::uint64_t bytes(const TextConfig& config, int capacity, core::DType dtype);

 private:
  int capacity_;
  core::DType dtype_;
  core::AlignedBuffer buffer_;
  std::vector<core::KvLayer> layers_;
};

}  // namespace tarsier
