// The operations: the contract between models and backends. One struct an operation; the comment gives inputs
// -> outputs with shapes. Values are [rows, cols]; n is the number of tokens or patches. Optional inputs may
// be absent (Value{}) or, where it says so, unbound.
#pragma once

#include <cstdint>
#include <variant>

#include "ggml-like-core/graph/tensor.h"

namespace core {

enum class Activation { none, gelu_tanh, gelu_erf };

// ids i32[n, 1] -> [n, hidden]: the table's rows as floats.
struct EmbedRows {
  const Weight* table;
};

// x [n, c], rows [m, c], index i32[n, 1] -> [n, c]: rows[index[i]] where index[i] >= 0, else x[i].
struct SelectRows {};

// x [n, c], rows [m, c], index i32[n, 1] -> [n, c]: x[i] + rows[index[i]] where index[i] >= 0, else x[i].
struct AddRows {};

// x [n, c], index i32[m, 1] -> [m, c]: x[index[i]].
struct GatherRows {};

// index i32[n, taps], weight f32[n, taps] -> [n, c]: sum over taps of weight * table[index], in the order of
// the taps.
struct InterpolateRows {
  const Weight* table;
};

// x [n, c] -> [n, count]: columns first .. first + count - 1.
struct SliceCols {
  std::int64_t first;
};

// a [n, c], b [n, c] -> [n, c].
struct Add {};

// gate [n, c], up [n, c] -> [n, c]: silu(gate) * up.
struct SiluMul {};

// One matrix of a MatMul.
struct MatMulPart {
  const Weight* weight = nullptr;
  const Weight* bias = nullptr;  // may be null
  Activation activation = Activation::none;
};

// How each row of x is normalised before the product: not at all, by its root mean square (gain), or as a
// layer norm (gain and bias).
struct RowNorm {
  const Weight* gain = nullptr;
  const Weight* bias = nullptr;
  float eps = 0;
};

// x [n, in], residual [n, out] (optional) -> [n, out] of each part: activation(norm(x) . weight^T + bias).
// gated: parts 0 and 1 give one output, silu(part 0) * part 1. residual is added to the only output. Models
// declare one plain part; the rest is fuse()'s.
struct MatMul {
  static constexpr int kMostParts = 3;
  MatMulPart parts[kMostParts];
  int count = 1;
  RowNorm norm;
  bool gated = false;
};

// x [n, groups * g] -> same: each group of g = gain->cols values is normalised on its own (g = cols: the
// whole row).
struct RmsNorm {
  const Weight* gain;
  float eps;
};

// x [n, c] -> [n, c].
struct LayerNorm {
  const Weight* gain;
  const Weight* bias;
  float eps;
};

// x [n, at least first + heads * head_dim], cos [n, head_dim], sin [n, head_dim] -> [n, heads * head_dim]: of
// the columns from `first` on, each head normalised (where there is a gain, fuse()'s), then rotated:
// dimensions (i, i + head_dim / 2) together, or with pairs (2i, 2i + 1), by the first half of the tables.
struct Rope {
  std::int64_t head_dim;
  bool pairs = false;
  std::int64_t first = 0;
  const Weight* gain = nullptr;
  float eps = 0;
};

// q [n, heads * head_dim], k [n, kv_heads * head_dim], v alike -> as q. Writes k and v to the cache of this
// layer behind the tokens already there; token i attends to all tokens before it and itself. In f32 where the
// cache is, else in integers as SegmentAttention.
struct CachedAttention {
  int layer;
  std::int64_t heads, kv_heads, head_dim;
  float scale;
};

// q, k, v [n, heads * head_dim], segments i32[s + 1, 1] (first row of each segment, then n) -> as q. Rows see
// their own segment only. exact: in f32; else rows of q, k and v are rounded to 12 bits and a sign first, and
// the weights of values to 13 bits of the largest one of a block.
struct SegmentAttention {
  std::int64_t heads, head_dim;
  float scale;
  bool exact;
};

// logits [n, experts], forced i32[n, k] (optional, may be unbound) -> weights [n, k], ids i32[n, k]: softmax
// over all experts, the k most probable in falling order (ties: the lower id), weights renormalised to sum 1.
// forced: these ids instead.
struct TopK {
  std::int64_t k;
};

// x [n, hidden], weights [n, k], ids i32[n, k] -> [n, hidden]: sum over slots of weight * down(silu(gate(x))
// * up(x)) of expert ids.
struct Experts {
  const Weight* gate;  // [experts, inter, hidden]
  const Weight* up;
  const Weight* down;  // [experts, hidden, inter]
};

using Op = std::variant<EmbedRows, SelectRows, AddRows, GatherRows, InterpolateRows, SliceCols, Add, SiluMul,
                        MatMul, RmsNorm, LayerNorm, Rope, CachedAttention, SegmentAttention, TopK, Experts>;

}  // namespace core
