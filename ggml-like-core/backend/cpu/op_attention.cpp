// Attention over the cache: causal, the heads of a group together.
#include <cstring>

#include "ggml-like-core/backend/cpu/fixed_tile.h"
#include "ggml-like-core/backend/cpu/op_context.h"
#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/quant/kv_block.h"

namespace core {
namespace {

// Rows of parts that are kept for one head of keys while a few queries are attended by many workers: with the
// two queries of a group of heads 64 parts, 32,768 positions, at a time.
constexpr std::int64_t kKeptRows = 128;

// One run: rows of queries are [token][head of the group] for each head of keys.
struct Run {
  const CachedAttention& op;
  const KvView& kv;
  const KvLayer& layer;
  const float *q, *k, *v;
  float* out;
  std::int64_t tokens;

  std::int64_t group() const { return op.heads / op.kv_heads; }
  std::int64_t rows() const { return tokens * group(); }
  std::int64_t n_keys(std::int64_t row) const { return kv.past + row / group() + 1; }
  std::int64_t place(std::int64_t kv_head, std::int64_t row) const {  // in q and out
    return (row / group() * op.heads + kv_head * group() + row % group()) * op.head_dim;
  }
  std::int64_t place_kv(std::int64_t kv_head, std::int64_t token) const {
    return (token * op.kv_heads + kv_head) * op.head_dim;
  }
  FixedTile::Blocks head(std::int64_t kv_head) const {
    const KvHeadBytes bytes = kv_head_bytes(kv.dtype, op.head_dim, kv.capacity);
    const auto n = static_cast<std::size_t>(kv_head);
    return {layer.keys + n * bytes.keys, layer.values + n * bytes.values};
  }
};

void attend_exactly(const Run& r, OpContext& c) {
  const auto row_bytes = static_cast<std::size_t>(r.op.head_dim) * sizeof(float);
  c.rows(r.tokens, [&](std::int64_t t) {
    for (std::int64_t h = 0; h < r.op.kv_heads; ++h) {
      const std::size_t at = row_bytes * static_cast<std::size_t>(h * r.kv.capacity + r.kv.past + t);
      std::memcpy(r.layer.keys + at, r.k + r.place_kv(h, t), row_bytes);
      std::memcpy(r.layer.values + at, r.v + r.place_kv(h, t), row_bytes);
    }
  });
  c.worker->barrier();

  const std::int64_t tiles = ceil_div(r.tokens, kAttentionTile);
  const std::int64_t stride = r.op.heads * r.op.head_dim;
  c.worker->chunks(r.op.heads * tiles, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t head = chunk % r.op.heads;
    const std::int64_t first = (tiles - 1 - chunk / r.op.heads) * kAttentionTile;  // the longest first
    const std::int64_t count = std::min(kAttentionTile, r.tokens - first);
    std::int64_t n_keys[kAttentionTile];
    for (std::int64_t i = 0; i < count; ++i) n_keys[i] = r.kv.past + first + i + 1;
    const std::int64_t at = first * stride + head * r.op.head_dim;
    const FixedTile::Blocks kv = r.head(head / r.group());
    c.kernels->attention({r.out + at, stride, r.q + at, stride, n_keys, count},
                         {kv.keys, row_bytes, kv.values, row_bytes}, r.op.head_dim, r.op.scale, c.each);
  });
}

void store(const Run& r, const KvKernels& kernels, OpContext& c) {
  const KvBlockLayout layout = kv_block_layout(*kv_codes(r.kv.dtype), r.op.head_dim);
  const KvHeadBytes bytes = kv_head_bytes(r.kv.dtype, r.op.head_dim, r.kv.capacity);
  const std::int64_t first = r.kv.past / 2;
  const std::int64_t last = ceil_div(r.kv.past + r.tokens, 2);
  c.rows(last - first, [&](std::int64_t pair) {  // two positions may share a byte
    for (const std::int64_t position : {2 * (first + pair), 2 * (first + pair) + 1}) {
      const std::int64_t t = position - r.kv.past;
      if (t < 0 || t >= r.tokens) continue;
      const auto block = static_cast<std::size_t>(position / kKvBlock);
      for (std::int64_t h = 0; h < r.op.kv_heads; ++h) {
        const std::int64_t from = r.place_kv(h, t);
        const auto head = static_cast<std::size_t>(h);
        kernels.store(r.layer.keys + head * bytes.keys + block * layout.key_bytes,
                      r.layer.values + head * bytes.values + block * layout.value_bytes, position % kKvBlock,
                      r.k + from, r.v + from, r.op.head_dim);
      }
    }
  });
}

// Many rows: a tile of them is one task.
void attend_tiles(const Run& r, const KvKernels& kernels, OpContext& c) {
  const FixedTile memory(r.op.head_dim, c.each);
  const std::int64_t tiles = ceil_div(r.rows(), kFixedTile);
  c.worker->chunks(r.op.kv_heads * tiles, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t kv_head = chunk % r.op.kv_heads;
    const std::int64_t first = (tiles - 1 - chunk / r.op.kv_heads) * kFixedTile;  // the longest first
    const std::int64_t count = std::min(kFixedTile, r.rows() - first);
    std::int64_t n_keys[kFixedTile];
    for (std::int64_t i = 0; i < count; ++i) n_keys[i] = r.n_keys(first + i);
    memory.attend(
        c.kernels->fixed, kernels, r.head(kv_head), n_keys, count, kAttentionPart, r.op.scale,
        [&](std::int64_t i) { return r.q + r.place(kv_head, first + i); },
        [&](std::int64_t i) { return r.out + r.place(kv_head, first + i); });
  });
}

// At most a tile of rows, as when decoding: a part of the positions is one task. The parts are kept and then
// folded in the order in which attend_tiles folds them.
void attend_parts(const Run& r, const KvKernels& kernels, OpContext& c) {
  const FixedAttention& fixed = c.kernels->fixed;
  const FixedTile memory(r.op.head_dim, c.each);
  const std::int64_t rows = r.rows();
  const std::int64_t floats = attention_part_floats(r.op.head_dim);
  const std::int64_t length = r.kv.past + r.tokens;
  const std::int64_t parts = ceil_div(length, kAttentionPart);
  const std::int64_t kept = std::max<std::int64_t>(1, kKeptRows / rows);  // at a time
  auto* const totals = reinterpret_cast<float*>(c.shared);
  float* const part_rows = totals + r.op.kv_heads * kFixedTile * floats;
  const auto part_of = [&](std::int64_t kv_head, std::int64_t part, std::int64_t row) {
    return part_rows + (kv_head * kKeptRows + part * rows + row) * floats;
  };
  std::int64_t n_keys[kFixedTile];
  for (std::int64_t i = 0; i < rows; ++i) n_keys[i] = r.n_keys(i);
  for (std::int64_t first = 0; first < parts; first += kept) {
    const std::int64_t count = std::min(kept, parts - first);
    if (first > 0) c.worker->barrier();
    c.worker->chunks(r.op.kv_heads * count, 1, [&](std::int64_t chunk, std::int64_t) {
      const std::int64_t kv_head = chunk / count;
      const std::int64_t part = chunk % count;
      memory.set_queries(kernels, rows, r.op.scale,
                         [&](std::int64_t i) { return r.q + r.place(kv_head, i); });
      memory.attend_part(kernels, r.head(kv_head), (first + part) * kAttentionPart, n_keys, rows,
                         part_of(kv_head, part, 0));
    });
    c.worker->barrier();
    c.worker->chunks(r.op.kv_heads * rows, 1, [&](std::int64_t chunk, std::int64_t) {
      const std::int64_t kv_head = chunk / rows;
      const std::int64_t row = chunk % rows;
      float* total = totals + (kv_head * kFixedTile + row) * floats;
      for (std::int64_t part = 0; part < count; ++part) {
        const float* one = part_of(kv_head, part, row);
        if (first + part == 0)
          std::copy(one, one + floats, total);
        else if (n_keys[row] > (first + part) * kAttentionPart)
          fixed.fold(total, one, r.op.head_dim);
      }
      if (first + count == parts) kernels.finish(r.out + r.place(kv_head, row), total, r.op.head_dim);
    });
  }
}

}  // namespace

// Of the type of the cache nothing is known yet: room for every one.
Workspace workspace(const CachedAttention& op, const Node& node, const PlanContext& c) {
  const bool few = c.info(node.inputs[0]).rows * (op.heads / op.kv_heads) <= kFixedTile;
  const std::int64_t kept = few ? op.kv_heads * (kFixedTile + kKeptRows) : 0;
  return {.shared = static_cast<std::size_t>(kept * attention_part_floats(op.head_dim)) * sizeof(float),
          .each = std::max(c.kernels->attention_scratch_bytes(op.head_dim),
                           FixedTile::bytes(c.kernels->fixed, op.head_dim))};
}

void run_op(const CachedAttention& op, const Node& node, OpContext& c) {
  const KvView& kv = c.bindings->kv;
  const Run run{op,
                kv,
                kv.layers[static_cast<std::size_t>(op.layer)],
                c.f32(node.inputs[0]),
                c.f32(node.inputs[1]),
                c.f32(node.inputs[2]),
                c.out(node.outputs[0]),
                c.info(node.inputs[0]).rows};
  const KvCodes* codes = kv_codes(kv.dtype);
  if (codes == nullptr) {
    attend_exactly(run, c);
    return;
  }
  const KvKernels& kernels = c.kernels->fixed.of(*codes);
  store(run, kernels, c);
  c.worker->barrier();
  if (run.rows() <= kFixedTile)
    attend_parts(run, kernels, c);
  else
    attend_tiles(run, kernels, c);
}

}  // namespace core
