#include "src/run/kv_cache.h"

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

std::uint64_t layer_bytes(const TextConfig& c, int capacity, core::DType dtype) {  // of keys, and of values
  return core::row_bytes(dtype, c.head_dim) * static_cast<std::uint64_t>(c.num_key_value_heads) *
         static_cast<std::uint64_t>(capacity);
}

}  // namespace

std::uint64_t KvCache::bytes(const TextConfig& config, int capacity, core::DType dtype) {
  return 2 * layer_bytes(config, capacity, dtype) * static_cast<std::uint64_t>(config.num_hidden_layers);
}

KvCache::KvCache(const TextConfig& config, int capacity, core::DType dtype)
    : capacity_(capacity), dtype_(dtype), buffer_(bytes(config, capacity, dtype)) {
  const bool known = dtype == core::DType::f32 || dtype == core::DType::f16 || dtype == core::DType::bf16;
  core::require(known, "KV cache type: found ", core::info(dtype).name, ", wanted F32, F16 or BF16");
  const std::uint64_t each = layer_bytes(config, capacity, dtype);
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    std::byte* const keys = buffer_.data() + 2 * each * static_cast<std::uint64_t>(i);
    layers_.push_back({.keys = keys, .values = keys + each});
  }
}

core::KvView KvCache::view(int past) const {
  return {.layers = layers_, .dtype = dtype_, .capacity = capacity_, .past = past};
}

}  // namespace tarsier
