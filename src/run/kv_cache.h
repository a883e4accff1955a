// Keys and values of a timeline.
#pragma once

#include <span>
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
  // Where the first tokens lie: of each layer its keys, head by head, then its values.
  std::vector<std::span<std::byte>> used(std::size_t tokens) const;
  static std::uint64_t bytes(const TextConfig& config, int capacity, core::DType dtype);

 private:
  int capacity_, head_dim_, heads_;
  core::DType dtype_;
  core::AlignedBuffer buffer_;
  std::vector<core::KvLayer> layers_;
};

}  // namespace tarsier
