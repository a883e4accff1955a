#include "src/run/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/kv_block.h"

namespace tarsier {
namespace {

core::KvHeadBytes layer_bytes(const TextConfig& c, int capacity, core::DType dtype) {
  const core::KvHeadBytes head = core::kv_head_bytes(dtype, c.head_dim, capacity);
  const auto heads = static_cast<std::size_t>(c.num_key_value_heads);
  return {heads * head.keys, heads * head.values};
}

// The first or second code of a pair.
int code_at(const core::KvCodes& codes, const std::byte* pair, std::int64_t which) {
  if (codes.pair_bytes == core::kKv16.pair_bytes) {
    std::int16_t code = 0;
    std::memcpy(&code, pair + 2 * which, sizeof code);
    return code;
  }
  if (codes.pair_bytes == core::kKv8.pair_bytes) return static_cast<std::int8_t>(pair[which]);
  return (static_cast<int>(*pair) >> (4 * which) & 15) - 8;
}
void set_code(const core::KvCodes& codes, std::byte* pair, std::int64_t which, int code) {
  if (codes.pair_bytes == core::kKv16.pair_bytes) {
    const auto narrow = static_cast<std::int16_t>(code);
    std::memcpy(pair + 2 * which, &narrow, sizeof narrow);
  } else if (codes.pair_bytes == core::kKv8.pair_bytes) {
    pair[which] = static_cast<std::byte>(code);
  } else {
    const int other = static_cast<int>(*pair) & (which == 0 ? 0xf0 : 0x0f);
    *pair = static_cast<std::byte>(other | (code + 8) << (4 * which));
  }
}

// Rows of codes of one head (kv_block.h).
struct CodedHead {
  const core::KvCodes& codes;
  const core::KvKernels& kernels;
  std::int64_t head_dim;
  core::KvBlockLayout layout;
  std::byte* keys;
  std::byte* values;

  std::byte* key_block(int position) const {
    return keys + static_cast<std::size_t>(position / core::kKvBlock) * layout.key_bytes;
  }
  std::byte* value_block(int position) const {
    return values + static_cast<std::size_t>(position / core::kKvBlock) * layout.value_bytes;
  }
  // memory: attention_part_floats.
  void read_key(int position, float* memory, float* out) const {
    const std::byte* block = key_block(position);
    const auto at = static_cast<std::size_t>(position % core::kKvBlock);
    float scale = 0;
    std::memcpy(&scale, block + layout.key_scales + at * sizeof scale, sizeof scale);
    for (std::int64_t d = 0; d < head_dim; ++d) {
      const std::size_t pair = static_cast<std::size_t>(d / 2 * core::kKvBlock) + at;
      memory[d] = scale * static_cast<float>(code_at(codes, block + pair * codes.pair_bytes, d % 2));
    }
    memory[layout.width + 1] = 1;  // as of a sum over one position: turned back and divided by it
    kernels.finish(out, memory, head_dim);
  }
  void move_value(int from, int to) const {
    const std::byte* source = value_block(from);
    std::byte* target = value_block(to);
    const auto scale_at = [&](int position) {
      return layout.value_scales + static_cast<std::size_t>(position % core::kKvBlock) * sizeof(float);
    };
    std::memcpy(target + scale_at(to), source + scale_at(from), sizeof(float));
    const auto row = [&](int position) {
      return static_cast<std::size_t>(position % core::kKvBlock / 2 * layout.width) * codes.pair_bytes;
    };
    for (std::int64_t d = 0; d < head_dim; ++d) {
      const std::size_t pair = static_cast<std::size_t>(d) * codes.pair_bytes;
      set_code(codes, target + row(to) + pair, to % 2, code_at(codes, source + row(from) + pair, from % 2));
    }
  }
};

}  // namespace

std::uint64_t KvCache::bytes(const TextConfig& config, int capacity, core::DType dtype) {
  const core::KvHeadBytes layer = layer_bytes(config, capacity, dtype);
  return static_cast<std::uint64_t>(config.num_hidden_layers) * (layer.keys + layer.values);
}

KvCache::KvCache(const TextConfig& config, int capacity, core::DType dtype)
    : capacity_(capacity),
      head_dim_(config.head_dim),
      heads_(config.num_key_value_heads),
      rope_pairs_(config.rope_pairs),
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

void KvCache::read_key(const core::KernelTable& table, int layer, int head, int position, float* out) const {
  const core::KvHeadBytes bytes = core::kv_head_bytes(dtype_, head_dim_, capacity_);
  const core::KvLayer& at = layers_[static_cast<std::size_t>(layer)];
  std::byte* keys = at.keys + static_cast<std::size_t>(head) * bytes.keys;
  const core::KvCodes* codes = core::kv_codes(dtype_);
  if (codes == nullptr) {
    const std::size_t row = static_cast<std::size_t>(head_dim_) * sizeof(float);
    std::memcpy(out, keys + static_cast<std::size_t>(position) * row, row);
    return;
  }
  std::vector<float> memory(static_cast<std::size_t>(core::attention_part_floats(head_dim_)));
  CodedHead{*codes, table.fixed.of(*codes), head_dim_, core::kv_block_layout(*codes, head_dim_), keys,
            nullptr}
      .read_key(position, memory.data(), out);
}

void KvCache::move(const core::KernelTable& table, int from, int to, int count, std::span<const float> cos,
                   std::span<const float> sin) {
  core::bug_if(to >= from || from + count > capacity_, "tokens of a cache move to where they are not");
  const core::KvHeadBytes bytes = core::kv_head_bytes(dtype_, head_dim_, capacity_);
  const core::KvCodes* codes = core::kv_codes(dtype_);
  const auto dim = static_cast<std::size_t>(head_dim_);
  std::vector<float> memory(static_cast<std::size_t>(core::attention_part_floats(head_dim_)));
  std::vector<float> key(dim);
  std::vector<float> rotated(dim);
  std::vector<float> nothing(dim);
  // A place of values for store(), which writes both.
  core::AlignedBuffer unused(codes == nullptr ? 64 : core::kv_block_layout(*codes, head_dim_).value_bytes);
  const auto rotate = [&](int i) {
    const float* c = cos.data() + static_cast<std::size_t>(i) * dim;
    const float* s = sin.data() + static_cast<std::size_t>(i) * dim;
    for (std::size_t f = 0; f < dim / 2; ++f) {
      const std::size_t a = rope_pairs_ ? 2 * f : f;
      const std::size_t b = rope_pairs_ ? 2 * f + 1 : f + dim / 2;
      rotated[a] = key[a] * c[f] - key[b] * s[f];
      rotated[b] = key[b] * c[f] + key[a] * s[f];
    }
  };
  for (const core::KvLayer& layer : layers_)
    for (std::size_t h = 0; h < static_cast<std::size_t>(heads_); ++h) {
      std::byte* const keys = layer.keys + h * bytes.keys;
      std::byte* const values = layer.values + h * bytes.values;
      if (codes == nullptr) {
        const std::size_t row = dim * sizeof(float);
        const auto place = [&](int position) { return static_cast<std::size_t>(position) * row; };
        for (int i = 0; i < count; ++i) {
          std::memcpy(key.data(), keys + place(from + i), row);
          rotate(i);
          std::memcpy(keys + place(to + i), rotated.data(), row);
        }
        std::memmove(values + place(to), values + place(from), static_cast<std::size_t>(count) * row);
        continue;
      }
      const CodedHead head{
          *codes, table.fixed.of(*codes), head_dim_, core::kv_block_layout(*codes, head_dim_), keys, values};
      for (int i = 0; i < count; ++i) {
        head.read_key(from + i, memory.data(), key.data());
        rotate(i);
        head.kernels.store(head.key_block(to + i), unused.data(), (to + i) % core::kKvBlock, rotated.data(),
                           nothing.data(), head_dim_);
        head.move_value(from + i, to + i);
      }
    }
}

core::KvView KvCache::view(int past) const {
  return {.layers = layers_, .dtype = dtype_, .capacity = capacity_, .past = past};
}

}  // namespace tarsier
