// softmax(q . k * scale) . v over the keys of one KV head, one pass with a running maximum (Milakov and
// Gimelshein 2018). Included only by make_table.inl.
//
// Keys come in blocks of kKeys from position 0 on. A block of keys is transposed once to [head_dim][kKeys]
// floats and serves all queries: keys stand in lanes, every score is summed along head_dim in order, whatever
// the tile.
#pragma once

#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/rows.inl"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

constexpr int kKeys = 64;  // 64 keys x 128 x f32 = 32 KiB: in L2, and in L1 for heads of 64

constexpr std::int64_t padded(std::int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

inline std::size_t attention_scratch_bytes(std::int64_t head_dim) {
  const std::int64_t floats =
      head_dim * kKeys + core::kAttentionTile * kKeys + core::kAttentionTile * padded(head_dim);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

struct AttentionScratch {
  float* keys;    // [head_dim][kKeys]
  float* scores;  // [active query][kKeys], then their exponentials
  float* sums;    // [query][padded head_dim], weighted by exp(score - maximum so far)
};

// keys[d][key] = the key at p + key * stride, for count keys; the columns up to the next whole vector are 0.
template <class V>
void transpose_keys(float* keys, const std::uint8_t* p, std::size_t stride, std::int64_t count,
                    std::int64_t head_dim) {
  for (std::int64_t key = 0; key < count; key += V::lanes)
    for (std::int64_t d = 0; d < head_dim; d += V::lanes) {
      const std::int64_t n = head_dim - d < V::lanes ? head_dim - d : V::lanes;
      typename V::f32 square[V::lanes];
      unroll<V::lanes>([&](auto i) {
        if (key + i.value < count) {
          const std::uint8_t* at = p + static_cast<std::size_t>(key + i.value) * stride +
                                   static_cast<std::size_t>(d) * sizeof(float);
          square[i.value] = n == V::lanes ? V::load(at) : V::load_part(at, n);
        } else {
          square[i.value] = V::zero();
        }
      });
      V::transpose(square);
      unroll<V::lanes>([&](auto i) {
        if (i.value < n) V::store(keys + (d + i.value) * kKeys + key, square[i.value]);
      });
    }
}

// scores[c][R vectors of keys] = q[c] . keys * scale.
template <class V, int R, int C>
[[gnu::noinline]] void score_tile(float* scores, const float* const* q, const float* keys,
                                  std::int64_t head_dim, float scale) {
  typename V::f32 sum[R][C];
  unroll<R>([&](auto r) { unroll<C>([&](auto c) { sum[r.value][c.value] = V::zero(); }); });
  for (std::int64_t d = 0; d < head_dim; ++d) {
    typename V::f32 key[R];
    unroll<R>([&](auto r) { key[r.value] = V::load(keys + d * kKeys + r.value * V::lanes); });
    unroll<C>([&](auto c) {
      const auto v = V::set(q[c.value][d]);
      unroll<R>([&](auto r) { sum[r.value][c.value] = V::fma(key[r.value], v, sum[r.value][c.value]); });
    });
  }
  unroll<R>([&](auto r) {
    unroll<C>([&](auto c) {
      V::store(scores + c.value * kKeys + r.value * V::lanes, V::mul(sum[r.value][c.value], V::set(scale)));
    });
  });
}

template <class V, int C>
void score_columns(const AttentionScratch& s, const float* const* q, std::int64_t first, std::int64_t count,
                   std::int64_t keys, std::int64_t head_dim, float scale) {
  if (count == C) {
    constexpr int kStep = V::tile_rows * V::lanes;
    static_assert(kKeys % kStep == 0);
    for (std::int64_t key = 0; key < keys; key += kStep)
      score_tile<V, V::tile_rows, C>(s.scores + first * kKeys + key, q + first, s.keys + key, head_dim,
                                     scale);
  } else if constexpr (C > 1) {
    score_columns<V, C - 1>(s, q, first, count, keys, head_dim, scale);
  }
}

// sums[c][R vectors from d on] += exponentials[c] . values; the last vector may be a part of n lanes.
template <class V, int R, int C>
[[gnu::noinline]] void value_tile(float* const* sums, const float* exponentials, const std::uint8_t* values,
                                  std::size_t stride, std::int64_t keys, std::int64_t n) {
  constexpr std::size_t kVector = V::lanes * sizeof(float);
  typename V::f32 sum[R][C];
  unroll<R>([&](auto r) {
    unroll<C>([&](auto c) { sum[r.value][c.value] = V::load(sums[c.value] + r.value * V::lanes); });
  });
  for (std::int64_t key = 0; key < keys; ++key, values += stride) {
    typename V::f32 value[R];
    if (R > 1 || n == V::lanes)
      unroll<R>([&](auto r) { value[r.value] = V::load(values + r.value * kVector); });
    else
      value[0] = V::load_part(values, n);
    unroll<C>([&](auto c) {
      const auto e = V::set(exponentials[c.value * kKeys + key]);
      unroll<R>([&](auto r) { sum[r.value][c.value] = V::fma(e, value[r.value], sum[r.value][c.value]); });
    });
  }
  unroll<R>([&](auto r) {
    unroll<C>([&](auto c) { V::store(sums[c.value] + r.value * V::lanes, sum[r.value][c.value]); });
  });
}

template <class V, int C>
void value_columns(const AttentionScratch& s, const std::int64_t* active, std::int64_t first,
                   std::int64_t count, const std::uint8_t* values, std::size_t stride, std::int64_t keys,
                   std::int64_t head_dim) {
  if (count == C) {
    float* sums[C];
    for (int c = 0; c < C; ++c) sums[c] = s.sums + active[first + c] * padded(head_dim);
    const auto advance = [&](std::int64_t n) {
      for (int c = 0; c < C; ++c) sums[c] += n;
    };
    constexpr int kStep = V::tile_rows * V::lanes;
    const float* exponentials = s.scores + first * kKeys;
    std::int64_t d = 0;
    for (; d + kStep <= head_dim; d += kStep, advance(kStep))
      value_tile<V, V::tile_rows, C>(sums, exponentials, values + static_cast<std::size_t>(d) * sizeof(float),
                                     stride, keys, V::lanes);
    for (; d < head_dim; d += V::lanes, advance(V::lanes))
      value_tile<V, 1, C>(sums, exponentials, values + static_cast<std::size_t>(d) * sizeof(float), stride,
                          keys, head_dim - d < V::lanes ? head_dim - d : V::lanes);
  } else if constexpr (C > 1) {
    value_columns<V, C - 1>(s, active, first, count, values, stride, keys, head_dim);
  }
}

template <class V>
void attention(const core::AttentionQueries& queries, const core::KeyValueView& kv, std::int64_t head_dim,
               float scale, void* scratch) {
  auto* floats = static_cast<float*>(scratch);
  const AttentionScratch s{floats, floats + head_dim * kKeys,
                           floats + head_dim * kKeys + core::kAttentionTile * kKeys};
  const std::int64_t width = padded(head_dim);
  float maximum[core::kAttentionTile];
  float total[core::kAttentionTile];
  std::int64_t last_key = 0;
  for (std::int64_t i = 0; i < queries.count; ++i) {
    maximum[i] = -__builtin_inff();
    total[i] = 0;
    for (std::int64_t d = 0; d < width; ++d) s.sums[i * width + d] = 0;
    if (queries.n_keys[i] > last_key) last_key = queries.n_keys[i];
  }
  for (std::int64_t begin = 0; begin < last_key; begin += kKeys) {
    const std::int64_t keys = last_key - begin < kKeys ? last_key - begin : kKeys;
    std::int64_t active[core::kAttentionTile];  // the queries that see this block
    const float* q[core::kAttentionTile];
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < queries.count; ++i)
      if (queries.n_keys[i] > begin) {
        active[count] = i;
        q[count++] = queries.q + i * queries.q_stride;
      }
    transpose_keys<V>(
        s.keys, static_cast<const std::uint8_t*>(kv.keys) + static_cast<std::size_t>(begin) * kv.key_stride,
        kv.key_stride, keys, head_dim);
    for (std::int64_t a = 0; a < count; a += V::tile_columns)
      score_columns<V, V::tile_columns>(s, q, a, count - a < V::tile_columns ? count - a : V::tile_columns,
                                        keys, head_dim, scale);
    for (std::int64_t a = 0; a < count; ++a) {
      const std::int64_t i = active[a];
      const std::int64_t seen = queries.n_keys[i] - begin < keys ? queries.n_keys[i] - begin : keys;
      float* scores = s.scores + a * kKeys;
      const float block_maximum = largest<V>(scores, seen);
      if (block_maximum > maximum[i]) {
        // What was summed so far counts less by exp(old - new); before the first block there is nothing.
        const auto factor = begin == 0 ? V::zero() : exp<V>(V::set(maximum[i] - block_maximum));
        maximum[i] = block_maximum;
        total[i] *= V::largest(factor);
        float* sums = s.sums + i * width;
        for (std::int64_t d = 0; d < width; d += V::lanes)
          V::store(sums + d, V::mul(V::load(sums + d), factor));
      }
      total[i] += exp_and_sum<V>(scores, scores, maximum[i], seen);
      for (std::int64_t key = seen; key < keys; ++key) scores[key] = 0;
    }
    const std::uint8_t* values =
        static_cast<const std::uint8_t*>(kv.values) + static_cast<std::size_t>(begin) * kv.value_stride;
    for (std::int64_t a = 0; a < count; a += V::tile_columns)
      value_columns<V, V::tile_columns>(s, active, a,
                                        count - a < V::tile_columns ? count - a : V::tile_columns, values,
                                        kv.value_stride, keys, head_dim);
  }
  for (std::int64_t i = 0; i < queries.count; ++i) {
    const auto factor = V::set(1 / total[i]);
    const float* sums = s.sums + i * width;
    float* out = queries.out + i * queries.out_stride;
    for_pieces<V>(head_dim, [&](std::int64_t d, std::int64_t n) {
      store<V>(out + d, V::mul(V::load(sums + d), factor), n);
    });
  }
}

}  // namespace
