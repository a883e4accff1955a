// Attention inside segments: the patches of each picture see each other.
#include <cstring>

#include "ggml-like-core/backend/cpu/fixed_tile.h"
#include "ggml-like-core/backend/cpu/op_context.h"
#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/quant/kv_block.h"

namespace core {
namespace {

// Rows of one segment that are attended together.
struct Tile {
  std::int32_t begin, end;   // of the segment
  std::int32_t first, last;  // rows of the tile
  std::int32_t block;        // first block of the segment
};

std::int64_t tile_rows(const SegmentAttention& op) { return op.exact ? kAttentionTile : kFixedTile; }

// Where things lie in shared memory.
struct Layout {
  std::int64_t most_tiles, most_blocks;
  std::size_t key_bytes, value_bytes;  // of all heads
  std::size_t values, tiles, bytes;    // keys are at 0
};
Layout layout(const SegmentAttention& op, std::int64_t rows, std::int64_t segments) {
  Layout l{};
  l.most_tiles = rows / tile_rows(op) + segments;
  l.most_blocks = rows / kKvBlock + segments;
  if (op.exact) {
    l.key_bytes = l.value_bytes = static_cast<std::size_t>(rows * op.heads * op.head_dim) * sizeof(float);
  } else {
    const KvBlockLayout block = kv_block_layout(kKv16, op.head_dim);
    l.key_bytes = static_cast<std::size_t>(op.heads * l.most_blocks) * block.key_bytes;
    l.value_bytes = static_cast<std::size_t>(op.heads * l.most_blocks) * block.value_bytes;
  }
  l.values = round_up(l.key_bytes, 64);
  l.tiles = l.values + round_up(l.value_bytes, 64);
  l.bytes = l.tiles + static_cast<std::size_t>(l.most_tiles) * sizeof(Tile);
  return l;
}

struct Inputs {
  const float *q, *k, *v;
  float* out;
  std::int64_t rows, cols;
};

// The same in floats. Keys and values are packed by head first: rows of one head, cols apart, would share a
// few cache sets.
void attend_exactly(const SegmentAttention& op, const Inputs& in, const Layout& l, std::int64_t n_tiles,
                    OpContext& c) {
  auto* keys = reinterpret_cast<float*>(c.shared);
  auto* values = reinterpret_cast<float*>(c.shared + l.values);
  const auto* tiles = reinterpret_cast<const Tile*>(c.shared + l.tiles);
  const auto head_row = static_cast<std::size_t>(op.head_dim) * sizeof(float);
  c.rows(in.rows, [&](std::int64_t i) {
    for (std::int64_t h = 0; h < op.heads; ++h) {
      const std::int64_t from = i * in.cols + h * op.head_dim;
      const std::int64_t to = (h * in.rows + i) * op.head_dim;
      std::memcpy(keys + to, in.k + from, head_row);
      std::memcpy(values + to, in.v + from, head_row);
    }
  });
  c.worker->barrier();

  c.worker->chunks(op.heads * n_tiles, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t head = chunk / n_tiles;
    const Tile tile = tiles[chunk % n_tiles];
    std::int64_t n_keys[kAttentionTile];
    std::fill(n_keys, n_keys + kAttentionTile, tile.end - tile.begin);
    const std::int64_t at = tile.first * in.cols + head * op.head_dim;
    const std::int64_t first_key = (head * in.rows + tile.begin) * op.head_dim;
    c.kernels->attention({in.out + at, in.cols, in.q + at, in.cols, n_keys, tile.last - tile.first},
                         {keys + first_key, head_row, values + first_key, head_row}, op.head_dim, op.scale,
                         c.each);
  });
}

void attend_fixed(const SegmentAttention& op, const Inputs& in, const Layout& l, std::int64_t n_tiles,
                  OpContext& c) {
  const FixedAttention& fixed = c.kernels->fixed;
  const KvBlockLayout block = kv_block_layout(kKv16, op.head_dim);
  const auto* tiles = reinterpret_cast<const Tile*>(c.shared + l.tiles);
  const auto keys_of = [&](std::int64_t head, std::int64_t n) {
    return c.shared + static_cast<std::size_t>(head * l.most_blocks + n) * block.key_bytes;
  };
  const auto values_of = [&](std::int64_t head, std::int64_t n) {
    return c.shared + l.values + static_cast<std::size_t>(head * l.most_blocks + n) * block.value_bytes;
  };
  c.worker->chunks(n_tiles, 1, [&](std::int64_t chunk, std::int64_t) {
    const Tile tile = tiles[chunk];
    for (std::int64_t i = tile.first; i < tile.last; ++i)
      for (std::int64_t h = 0; h < op.heads; ++h) {
        const std::int64_t position = i - tile.begin;
        const std::int64_t n = tile.block + position / kKvBlock;
        const std::int64_t from = i * in.cols + h * op.head_dim;
        fixed.kv16.store(keys_of(h, n), values_of(h, n), position % kKvBlock, in.k + from, in.v + from,
                         op.head_dim);
      }
  });
  c.worker->barrier();

  const FixedTile memory(op.head_dim, c.each);
  std::int64_t n_keys[kFixedTile];
  c.worker->chunks(op.heads * n_tiles, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t head = chunk / n_tiles;
    const Tile tile = tiles[chunk % n_tiles];
    const std::int64_t count = tile.last - tile.first;
    std::fill(n_keys, n_keys + count, tile.end - tile.begin);
    const auto row = [&](auto* x, std::int64_t i) {
      return x + (tile.first + i) * in.cols + head * op.head_dim;
    };
    memory.attend(
        fixed, fixed.kv16, {keys_of(head, tile.block), values_of(head, tile.block)}, n_keys, count,
        ceil_div(n_keys[0], kKvBlock) * kKvBlock, op.scale, [&](std::int64_t i) { return row(in.q, i); },
        [&](std::int64_t i) { return row(in.out, i); });
  });
}

}  // namespace

Workspace workspace(const SegmentAttention& op, const Node& node, const PlanContext& c) {
  const std::size_t shared = layout(op, c.info(node.inputs[0]).rows, c.info(node.inputs[3]).rows - 1).bytes;
  return {.shared = shared,
          .each = op.exact ? c.kernels->attention_scratch_bytes(op.head_dim)
                           : FixedTile::bytes(c.kernels->fixed, op.head_dim)};
}

void run_op(const SegmentAttention& op, const Node& node, OpContext& c) {
  const ValueInfo& shape = c.info(node.inputs[0]);
  const std::int32_t* segments = c.i32(node.inputs[3]);
  const std::int64_t n_segments = c.info(node.inputs[3]).rows - 1;
  const Inputs in{c.f32(node.inputs[0]),
                  c.f32(node.inputs[1]),
                  c.f32(node.inputs[2]),
                  c.out(node.outputs[0]),
                  shape.rows,
                  shape.cols};
  const Layout l = layout(op, shape.rows, n_segments);
  auto* tiles = reinterpret_cast<Tile*>(c.shared + l.tiles);
  const auto step = static_cast<std::int32_t>(tile_rows(op));
  std::int64_t n_tiles = 0;
  std::int32_t block = 0;
  for (std::int64_t s = 0; s < n_segments; ++s) {
    const std::int32_t begin = segments[s];
    const std::int32_t end = segments[s + 1];
    for (std::int32_t first = begin; first < end; first += step, ++n_tiles)
      if (c.worker->index() == 0) tiles[n_tiles] = {begin, end, first, std::min(first + step, end), block};
    block += static_cast<std::int32_t>(ceil_div(end - begin, kKvBlock));
  }
  c.worker->barrier();
  if (op.exact)
    attend_exactly(op, in, l, n_tiles, c);
  else
    attend_fixed(op, in, l, n_tiles, c);
}

}  // namespace core
