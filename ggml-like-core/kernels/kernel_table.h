// The kernels of one instruction set: one row of function pointers. Every pointer is set in every row.
//
// Plain (blocks.h says why). Kernels know no graph and no threads: pointers, counts and strides, checked
// above them (backend/cpu/op_*.cpp). A result never depends on how many rows or tokens one call covers: each
// output element is summed in the same order by every tile shape.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml-like-core/quant/blocks.h"
#include "ggml-like-core/quant/kv_block.h"

namespace core {

// Kernels of one weight format. k (row length) is a multiple of the format's block length.
struct MatKernels {
  // out[i] = weight i of row `row` of the matrix w.
  void (*dequantize_row)(float* out, const void* w, std::size_t w_stride, std::int64_t row, std::int64_t k);
  // Brings one activation row x[k] into the form mat_mul wants: f32 unchanged for F32, 16-bit integers with
  // scales for F16 and BF16 (f32 where the table has no use for them), int8 with scales and sums for
  // quantized weights. out: activation_bytes(k) bytes, aligned to 64.
  void (*convert_activation)(void* out, const float* x, std::int64_t k);
  std::size_t (*activation_bytes)(std::int64_t k);  // a multiple of 64
  // out[t * out_stride + r] = sum_i w[r][i] * x[t][i] for r < rows, t < tokens.
  // w: rows of row_bytes(format, k), w_stride bytes apart; tiles (quant/tile.h) of 16 rows each, of which w
  // is the first one, and w_stride is row_bytes. x: converted rows, x_stride bytes apart. w needs no
  // alignment.
  void (*mat_mul)(float* out, std::int64_t out_stride, const void* w, std::size_t w_stride, std::int64_t rows,
                  const void* x, std::size_t x_stride, std::int64_t tokens, std::int64_t k);
};

// Keys and values of one head: [position][head_dim] floats, strides in bytes.
struct KeyValueView {
  const void* keys;
  std::size_t key_stride;
  const void* values;
  std::size_t value_stride;
};

// Queries that attend to the same keys. q and out: [n_queries] rows, strides in floats.
// n_keys[i]: query i sees keys 0 .. n_keys[i] - 1 (n_keys[i] >= 1, non-decreasing is not required).
struct AttentionQueries {
  float* out;
  std::int64_t out_stride;
  const float* q;
  std::int64_t q_stride;
  const std::int64_t* n_keys;
  std::int64_t count;
};

// Queries in fixed point that attend to the same keys: codes [count][stride] of 16-bit integers, 2 *
// KvBlockLayout::pairs of them set; score = code . key * scale of the query * scale of the key, an exponent
// of
// 2. n_keys: as in AttentionQueries, but never falling.
struct FixedQueries {
  const std::int16_t* codes;
  std::int64_t stride;
  const float* scales;
  const std::int64_t* n_keys;
  std::int64_t count;  // at most kFixedTile
};

// Blocks of one head from position 0 on, and a range of positions to attend to: begin is a multiple of
// kKvBlock.
struct FixedKeys {
  const void* keys;  // aligned to 64
  const void* values;
  std::int64_t begin, end;
};

inline constexpr std::int64_t kFixedTile = 48;  // most queries of one call
inline constexpr std::int64_t kAttentionPart =
    512;  // positions of a part: of a fixed length, see FixedAttention

// A query's sums over a range of positions: [width] sums of values, the largest score, the sum of
// exponentials.
inline constexpr std::int64_t kPartTail = 16;  // floats behind the sums
constexpr std::int64_t attention_part_floats(std::int64_t head_dim) {
  return kv_block_layout(kKv16, head_dim).width + kPartTail;
}

// Of one type of codes. Rows of heads of more than kMostTurned dimensions are not turned: not for kv4.
struct KvKernels {
  // Rounds a row of keys and one of values into place `at` of their blocks.
  void (*store)(void* key_block, void* value_block, std::int64_t at, const float* k, const float* v,
                std::int64_t head_dim);
  // out: 2 * KvBlockLayout::pairs codes of q * scale; returns their scale.
  float (*round_query)(std::int16_t* out, const float* q, std::int64_t head_dim, float scale);
  // parts[i] = sums of query i over the positions [begin, end) that it sees. scratch: scratch_bytes(),
  // aligned to 64.
  void (*attend)(const FixedQueries& queries, const FixedKeys& kv, float* parts, std::int64_t head_dim,
                 void* scratch);
  void (*finish)(float* out, const float* total, std::int64_t head_dim);
};

// Attention over integers (kv_block.h). The sums of a query are made in parts, over ranges of positions that
// the caller fixes, and folded in order: a result depends on the ranges, not on who did them.
struct FixedAttention {
  KvKernels kv16, kv8, kv4;
  void (*fold)(float* total, const float* part, std::int64_t head_dim);  // total += part; both saw a position
  std::size_t (*scratch_bytes)();

  const KvKernels& of(const KvCodes& codes) const {
    return codes.pair_bytes == kKv16.pair_bytes ? kv16 : codes.pair_bytes == kKv8.pair_bytes ? kv8 : kv4;
  }
};

struct KernelTable {
  const char* name;
  std::uint32_t
      required;  // CpuFeature bits. Data, not code: this row is compiled with the flags it asks about.

  MatKernels mat[AllFormats::count + TiledFormats::count];  // by format_index

  // out[i] = x[i] / sqrt(mean(x^2) + eps) * gain[i].
  void (*rms_norm)(float* out, const float* x, const float* gain, std::int64_t n, float eps);
  // out[i] = (x[i] - mean) / sqrt(variance + eps) * gain[i] + bias[i].
  void (*layer_norm)(float* out, const float* x, const float* gain, const float* bias, std::int64_t n,
                     float eps);
  // Pairs (i, i + n/2): out[i] = x[i] * cos[i] - x[i + n/2] * sin[i]; out[i + n/2] = x[i + n/2] * cos[i +
  // n/2] + x[i] * sin[i + n/2]. In place is allowed (out == x). n: head_dim, even.
  void (*rope)(float* out, const float* x, const float* cos, const float* sin, std::int64_t n);
  void (*add)(float* out, const float* a, const float* b, std::int64_t n);         // a + b
  void (*multiply_add)(float* out, const float* x, float factor, std::int64_t n);  // out += factor * x
  void (*silu_mul)(float* out, const float* gate, const float* up,
                   std::int64_t n);                               // gate / (1 + exp(-gate)) * up
  void (*gelu_tanh)(float* out, const float* x, std::int64_t n);  // the tanh form
  void (*gelu_erf)(float* out, const float* x, std::int64_t n);   // the exact form
  void (*softmax)(float* out, const float* x, std::int64_t n);    // over all n
  // softmax(q . k * scale) . v with a running maximum over blocks of keys that begin at multiples of a fixed
  // length, so that the result for a query does not depend on its neighbours. scratch:
  // attention_scratch_bytes(), aligned to 64, one per thread.
  void (*attention)(const AttentionQueries& queries, const KeyValueView& kv, std::int64_t head_dim,
                    float scale, void* scratch);
  // For queries.count <= kAttentionTile and any head_dim.
  std::size_t (*attention_scratch_bytes)(std::int64_t head_dim);
  FixedAttention fixed;

  // What this instruction set can do, for measurements. Products in registers, for so many rounds; the number
  // of multiplications and additions done.
  double (*peak_f32)(std::int64_t rounds);
  double (*peak_16_bit)(std::int64_t rounds);
  double (*peak_int8)(std::int64_t rounds);
  // The sum of x[n], read at once. n: a multiple of 128.
  float (*read_all)(const float* x, std::int64_t n);
};

inline constexpr std::int64_t kAttentionTile = 32;  // most queries of one attention call

// The rows, each defined by isa/<name>.cpp where the build has it. Ask select.h for them.
extern const KernelTable kernels_scalar;
extern const KernelTable kernels_avx2;
extern const KernelTable kernels_avx2_vnni;
extern const KernelTable kernels_avx512;
extern const KernelTable kernels_avx512_vnni;
extern const KernelTable kernels_neon;
extern const KernelTable kernels_neon_i8mm;

}  // namespace core
