#include "src/run/kv_cache.h"

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/kv_block.h"

namespace tarsier {
namespace {

core::KvHeadBytes layer_bytes(const TextConfig& c, int capacity, core::DType dtype) {
  const core::KvHeadBytes head = core::kv_head_bytes(dtype, c.head_dim, capacity);
  const auto heads = static_cast<std::size_t>(c.num_key_value_heads);
  return {heads * head.keys, heads * head.values};
}

}  // namespace

std::uint64_t KvCache::bytes(const TextConfig& config, int capacity, core::DType dtype) {
  const core::KvHeadBytes layer = layer_bytes(config, capacity, dtype);
  return static_cast<std::uint64_t>(config.num_hidden_layers) * (layer.keys + layer.values);
}

KvCache::KvCache(const TextConfig& config, int capacity, core::DType dtype)
    : capacity_(capacity),
      head_dim_(config.head_dim),
      heads_(config.num_key_value_heads),
      dtype_(dtype),
      buffer_(bytes(config, capacity, dtype)) {
  const bool known = dtype == core::DType::f32 || core::kv_codes(dtype) != nullptr;
  core::require(known, "KV cache type: found ", core::info(dtype).name,
                ", wanted F32, F16, BF16, Q8_0 or Q4_0");
  core::require(dtype != core::DType::q4_0 || config.head_dim <= core::kMostTurned,
                "KV cache type Q4_0: found heads of ", config.head_dim, " dimensions, wanted at most ",
                core::kMostTurned);
  const core::KvHeadBytes layer = layer_bytes(config, capacity, dtype);
  layers_.reserve(static_cast<std::size_t>(config.num_hidden_layers));
  for (std::byte* at = buffer_.data(); layers_.size() < layers_.capacity(); at += layer.keys + layer.values)
    layers_.push_back({.keys = at, .values = at + layer.keys});
}

std::vector<std::span<std::byte>> KvCache::used(std::size_t tokens) const {
  const core::KvHeadBytes whole = core::kv_head_bytes(dtype_, head_dim_, capacity_);
  const core::KvHeadBytes part = core::kv_head_bytes(dtype_, head_dim_, static_cast<std::int64_t>(tokens));
  const auto heads = static_cast<std::size_t>(heads_);
  std::vector<std::span<std::byte>> out;
  out.reserve(layers_.size() * heads * 2);
  for (const core::KvLayer& layer : layers_) {
    for (std::size_t h = 0; h < heads; ++h) out.emplace_back(layer.keys + h * whole.keys, part.keys);
    for (std::size_t h = 0; h < heads; ++h) out.emplace_back(layer.values + h * whole.values, part.values);
  }
  return out;
}

core::KvView KvCache::view(int past) const {
  return {.layers = layers_, .dtype = dtype_, .capacity = capacity_, .past = past};
}

}  // namespace tarsier
