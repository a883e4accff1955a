// Attention: over the cache (causal, grouped heads) and inside segments.
#include <cstring>

#include "ggml-like-core/backend/cpu/op_context.h"
#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

std::size_t element_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

// One head's row as the cache stores it. dtype: f32, f16 or bf16.
void store_row(std::byte* out, DType dtype, const float* x, std::int64_t n) {
  if (dtype == DType::f32) {
    std::memcpy(out, x, static_cast<std::size_t>(n) * sizeof(float));
    return;
  }
  auto* half = reinterpret_cast<std::uint16_t*>(out);
  for (std::int64_t i = 0; i < n; ++i) half[i] = dtype == DType::f16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]);
}

}  // namespace

Workspace workspace(const CachedAttention& op, const Node&, const PlanContext& c) {
  return {.shared = 0, .each = c.kernels->attention_scratch_bytes(op.head_dim)};
}

void run_op(const CachedAttention& op, const Node& node, OpContext& c) {
  const KvView& kv = c.bindings->kv;
  const KvLayer& layer = kv.layers[static_cast<std::size_t>(op.layer)];
  const std::int64_t n = c.info(node.inputs[0]).rows;
  const std::int64_t q_cols = op.heads * op.head_dim;
  const std::int64_t kv_cols = op.kv_heads * op.head_dim;
  const std::size_t row = static_cast<std::size_t>(op.head_dim) * element_bytes(kv.dtype);
  const std::size_t head_bytes = row * static_cast<std::size_t>(kv.capacity);

  const float* k = c.f32(node.inputs[1]);
  const float* v = c.f32(node.inputs[2]);
  c.rows(n, [&](std::int64_t t) {
    for (std::int64_t h = 0; h < op.kv_heads; ++h) {
      const std::size_t at =
          head_bytes * static_cast<std::size_t>(h) + row * static_cast<std::size_t>(kv.past + t);
      store_row(layer.keys + at, kv.dtype, k + t * kv_cols + h * op.head_dim, op.head_dim);
      store_row(layer.values + at, kv.dtype, v + t * kv_cols + h * op.head_dim, op.head_dim);
    }
  });
  c.worker->barrier();

  const float* q = c.f32(node.inputs[0]);
  float* out = c.out(node.outputs[0]);
  const std::int64_t group = op.heads / op.kv_heads;
  const auto attend = [&](AttentionQueries queries, std::int64_t kv_head) {
    const std::size_t head = head_bytes * static_cast<std::size_t>(kv_head);
    c.kernels->attention(queries, {layer.keys + head, row, layer.values + head, row}, kv.dtype, op.head_dim,
                         op.scale, c.each);
  };
  if (n == 1) {  // the heads of a group read the same keys: together
    std::int64_t n_keys[kAttentionTile];
    std::fill(n_keys, n_keys + kAttentionTile, kv.past + 1);
    const std::int64_t tiles = ceil_div(group, kAttentionTile);
    c.worker->chunks(op.kv_heads * tiles, 1, [&](std::int64_t chunk, std::int64_t) {
      const std::int64_t kv_head = chunk / tiles;
      const std::int64_t first = kv_head * group + chunk % tiles * kAttentionTile;
      const std::int64_t count = std::min(kAttentionTile, (kv_head + 1) * group - first);
      attend({out + first * op.head_dim, op.head_dim, q + first * op.head_dim, op.head_dim, n_keys, count},
             kv_head);
    });
    return;
  }
  const std::int64_t tiles = ceil_div(n, kAttentionTile);
  c.worker->chunks(op.heads * tiles, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t head = chunk % op.heads;
    const std::int64_t first = (tiles - 1 - chunk / op.heads) * kAttentionTile;  // the longest first
    const std::int64_t count = std::min(kAttentionTile, n - first);
    std::int64_t n_keys[kAttentionTile];
    for (std::int64_t i = 0; i < count; ++i) n_keys[i] = kv.past + first + i + 1;
    const std::int64_t at = first * q_cols + head * op.head_dim;
    attend({out + at, q_cols, q + at, q_cols, n_keys, count}, head / group);
  });
}

// Keys and values are packed by head first: rows of one head, q_cols apart, would share a few cache sets.
Workspace workspace(const SegmentAttention& op, const Node& node, const PlanContext& c) {
  const ValueInfo& q = c.info(node.inputs[0]);
  const std::int64_t segments = c.info(node.inputs[3]).rows - 1;
  const auto tiles = static_cast<std::size_t>(q.rows / kAttentionTile + segments + 1);
  return {.shared = 2 * round_up(q.bytes(), 64) + tiles * 2 * sizeof(std::int32_t),
          .each = c.kernels->attention_scratch_bytes(op.head_dim)};
}

void run_op(const SegmentAttention& op, const Node& node, OpContext& c) {
  const ValueInfo& shape = c.info(node.inputs[0]);
  const std::int64_t n = shape.rows;
  const float* q = c.f32(node.inputs[0]);
  const float* k = c.f32(node.inputs[1]);
  const float* v = c.f32(node.inputs[2]);
  const std::int32_t* segments = c.i32(node.inputs[3]);
  const std::int64_t n_segments = c.info(node.inputs[3]).rows - 1;
  float* out = c.out(node.outputs[0]);

  auto* keys = reinterpret_cast<float*>(c.shared);
  auto* values = reinterpret_cast<float*>(c.shared + round_up(shape.bytes(), 64));
  struct Tile {
    std::int32_t segment, first;
  };
  auto* tiles = reinterpret_cast<Tile*>(c.shared + 2 * round_up(shape.bytes(), 64));
  std::int64_t n_tiles = 0;
  for (std::int32_t s = 0; s < n_segments; ++s)
    for (std::int32_t first = segments[s]; first < segments[s + 1];
         first += static_cast<std::int32_t>(kAttentionTile), ++n_tiles)
      if (c.worker->index() == 0) tiles[n_tiles] = {s, first};
  const auto head_row = static_cast<std::size_t>(op.head_dim) * sizeof(float);
  c.rows(n, [&](std::int64_t i) {
    for (std::int64_t h = 0; h < op.heads; ++h) {
      const std::int64_t from = i * shape.cols + h * op.head_dim;
      const std::int64_t to = (h * n + i) * op.head_dim;
      std::memcpy(keys + to, k + from, head_row);
      std::memcpy(values + to, v + from, head_row);
    }
  });
  c.worker->barrier();

  c.worker->chunks(op.heads * n_tiles, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t head = chunk / n_tiles;
    const Tile tile = tiles[chunk % n_tiles];
    const std::int64_t begin = segments[tile.segment];
    const std::int64_t end = segments[tile.segment + 1];
    std::int64_t n_keys[kAttentionTile];
    std::fill(n_keys, n_keys + kAttentionTile, end - begin);
    const std::int64_t at = tile.first * shape.cols + head * op.head_dim;
    const std::int64_t first_key = (head * n + begin) * op.head_dim;
    c.kernels->attention(
        {out + at, shape.cols, q + at, shape.cols, n_keys, std::min(kAttentionTile, end - tile.first)},
        {keys + first_key, head_row, values + first_key, head_row}, DType::f32, op.head_dim, op.scale,
        c.each);
  });
}

}  // namespace core
