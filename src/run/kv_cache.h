// Keys and values of a timeline.
#pragma once

#include <span>
#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/graph/backend.h"
#include "ggml-like-core/kernels/kernel_table.h"
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
  // A head's key at a position as numbers [head_dim]. table: whose kernels wrote it.
  void read_key(const core::KernelTable& table, int layer, int head, int position, float* out) const;
  // Moves the tokens [from, from + count) to [to, to + count), to < from. Each key is rotated by the angles
  // cos, sin [count * head_dim] on the way and rounded again; values keep their bits.
  void move(const core::KernelTable& table, int from, int to, int count, std::span<const float> cos,
            std::span<const float> sin);
  static std::uint64_t bytes(const TextConfig& config, int capacity, core::DType dtype);

 private:
  int capacity_, head_dim_, heads_;
  bool rope_pairs_;
  core::DType dtype_;
  core::AlignedBuffer buffer_;
  std::vector<core::KvLayer> layers_;
};

}  // namespace tarsier
