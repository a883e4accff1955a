// A tile of queries of one head of keys and values, attended in fixed point: what pictures and texts share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/kernels/kernel_table.h"

namespace core {

// One worker's memory for a tile.
class FixedTile {
 public:
  static std::size_t bytes(const FixedAttention& fixed, std::int64_t head_dim) {
    return part_bytes(head_dim) * 2 + code_bytes(head_dim) + kScaleBytes + fixed.scratch_bytes();
  }
  // memory: bytes() of it, aligned to 64.
  FixedTile(std::int64_t head_dim, std::byte* memory)
      : head_dim_(head_dim),
        part_floats_(attention_part_floats(head_dim)),
        totals_(reinterpret_cast<float*>(memory)),
        parts_(reinterpret_cast<float*>(memory + part_bytes(head_dim))),
        codes_(reinterpret_cast<std::int16_t*>(memory + 2 * part_bytes(head_dim))),
        scales_(reinterpret_cast<float*>(memory + 2 * part_bytes(head_dim) + code_bytes(head_dim))),
        scratch_(memory + 2 * part_bytes(head_dim) + code_bytes(head_dim) + kScaleBytes) {}

  struct Blocks {  // of the head, from position 0 on
    const std::byte *keys, *values;
  };

  // Rounds query(i) of all i < count, kept for what follows.
  template <class Query>
  void set_queries(const KvKernels& kv, std::int64_t count, float scale, const Query& query) const {
    for (std::int64_t i = 0; i < count; ++i)
      scales_[i] = kv.round_query(codes_ + i * code_stride(head_dim_), query(i), head_dim_, scale);
  }
  // parts[i] = what query i sees of the positions of one part, which begins at `begin`.
  void attend_part(const KvKernels& kv, const Blocks& blocks, std::int64_t begin, const std::int64_t* n_keys,
                   std::int64_t count, float* parts, std::int64_t length = kAttentionPart) const {
    kv.attend({codes_, code_stride(head_dim_), scales_, n_keys, count},
              {blocks.keys, blocks.values, begin, begin + length}, parts, head_dim_, scratch_);
  }
  // out(i) = softmax(query(i) . keys * scale) . values over the first n_keys[i], which never fall, in parts
  // of `length` positions (whole blocks). A part finds its own largest score, which takes a while: only what
  // may also be shared out by parts should have many.
  template <class Query, class Out>
  void attend(const FixedAttention& fixed, const KvKernels& kv, const Blocks& blocks,
              const std::int64_t* n_keys, std::int64_t count, std::int64_t length, float scale,
              const Query& query, const Out& out) const {
    set_queries(kv, count, scale, query);
    for (std::int64_t begin = 0; begin < n_keys[count - 1]; begin += length) {
      attend_part(kv, blocks, begin, n_keys, count, begin == 0 ? totals_ : parts_, length);
      for (std::int64_t i = 0; begin > 0 && i < count; ++i)
        if (n_keys[i] > begin) fixed.fold(totals_ + i * part_floats_, parts_ + i * part_floats_, head_dim_);
    }
    for (std::int64_t i = 0; i < count; ++i) kv.finish(out(i), totals_ + i * part_floats_, head_dim_);
  }

 private:
  static constexpr std::size_t kScaleBytes = kFixedTile * sizeof(float);
  static std::int64_t code_stride(std::int64_t head_dim) { return (head_dim + 1) / 2 * 2; }
  static std::size_t code_bytes(std::int64_t head_dim) {
    return round_up(static_cast<std::size_t>(kFixedTile * code_stride(head_dim)) * sizeof(std::int16_t), 64);
  }
  static std::size_t part_bytes(std::int64_t head_dim) {
    return static_cast<std::size_t>(kFixedTile * attention_part_floats(head_dim)) * sizeof(float);
  }

  std::int64_t head_dim_, part_floats_;
  float *totals_, *parts_;
  std::int16_t* codes_;
  float* scales_;
  std::byte* scratch_;
};

}  // namespace core
