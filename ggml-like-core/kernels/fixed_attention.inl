// Attention in fixed point: keys, values and queries are integers with a scale for each row, so that sums of
// products are exact and no tile shape can change a bit. Included only by make_table.inl.
//
// Scores of a block of keys, the running maximum over blocks and exponentials are f32; the exponentials,
// times the scales of the values, become integers again with a scale for each query and block.
#pragma once

#include "ggml-like-core/kernels/fixed_weights.inl"
#include "ggml-like-core/kernels/functions.inl"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/rows.inl"
#include "ggml-like-core/kernels/simd/common.h"

namespace {

// A type of codes: the pairs of a vector of lanes, widened; and how the first or second of a pair is stored.
struct Kv16 {
  static constexpr core::KvCodes codes = core::kKv16;
  template <class V>
  [[gnu::always_inline]] static typename V::Words load(const std::uint8_t* p) {
    return V::load_words(p);
  }
  static void store(std::uint8_t* pair, std::int64_t which, std::int16_t code) {
    write(pair + 2 * which, code);
  }
};
struct Kv8 {
  static constexpr core::KvCodes codes = core::kKv8;
  template <class V>
  [[gnu::always_inline]] static typename V::Words load(const std::uint8_t* p) {
    return V::widen_i8(p);
  }
  static void store(std::uint8_t* pair, std::int64_t which, std::int16_t code) {
    pair[which] = static_cast<std::uint8_t>(code);
  }
};
struct Kv4 {
  static constexpr core::KvCodes codes = core::kKv4;
  template <class V>
  [[gnu::always_inline]] static typename V::Words load(const std::uint8_t* p) {
    return V::widen_i4(p);
  }
  static void store(std::uint8_t* pair, std::int64_t which, std::int16_t code) {
    const int nibble = code + 8;
    *pair = static_cast<std::uint8_t>(which == 0 ? (*pair & 0xf0) | nibble : (*pair & 0x0f) | nibble << 4);
  }
};

// out = x times a symmetric orthogonal matrix of +-1 / sqrt(m), in blocks of m: the largest power of two that
// divides n.
inline void turn(float* out, const float* x, std::int64_t n) {
  const std::int64_t block = n & -n;
  const float factor = 1 / __builtin_sqrtf(static_cast<float>(block));
  for (std::int64_t i = 0; i < n; ++i) out[i] = x[i] * factor;
  for (std::int64_t half = 1; half < block; half *= 2)
    for (std::int64_t first = 0; first < n; first += 2 * half)
      for (std::int64_t i = first; i < first + half; ++i) {
        const float a = out[i];
        const float b = out[i + half];
        out[i] = a + b;
        out[i + half] = a - b;
      }
}

// Rounds x[n] to integers of at most `most`, use(i, code) takes each. Returns the scale: not a number where
// one of them is not finite.
template <class V, class Use>
float round_row(const float* x, std::int64_t n, std::int64_t most, const Use& use) {
  auto largest = V::zero();
  auto not_finite = V::zero();
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto v = load<V>(x + i, part);
    largest = V::max(V::abs(v), largest);
    not_finite = V::fma(v, V::zero(), not_finite);
  });
  const float scale = V::largest(largest) / static_cast<float>(most);
  const auto inverse = V::set(scale > 0 ? static_cast<float>(most) / V::largest(largest) : 0.0F);
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    std::int16_t codes[V::lanes];
    V::store_i16(codes, V::mul(load<V>(x + i, part), inverse));
    for (std::int64_t lane = 0; lane < part; ++lane) use(i + lane, codes[lane]);
  });
  return scale + V::sum(not_finite);
}

// x, or what it is turned to.
template <class Kv>
const float* turned(float* memory, const float* x, std::int64_t n) {
  if constexpr (!Kv::codes.turned) return x;
  turn(memory, x, n);
  return memory;
}

template <class V, class Kv>
float round_query(std::int16_t* out, const float* q, std::int64_t head_dim, float scale) {
  float memory[Kv::codes.turned ? core::kMostTurned : 1];
  if (head_dim % 2 == 1) out[head_dim] = 0;
  constexpr float kLog2E = 0x1.715476p+0F;  // scores are exponents of 2
  return scale * kLog2E *
         round_row<V>(turned<Kv>(memory, q, head_dim), head_dim, core::dot_limit(head_dim),
                      [&](std::int64_t d, std::int16_t code) { out[d] = code; });
}

template <class V, class Kv>
void store_key_value(void* key_block, void* value_block, std::int64_t at, const float* k, const float* v,
                     std::int64_t head_dim) {
  float memory[Kv::codes.turned ? core::kMostTurned : 1];
  constexpr std::size_t kPair = Kv::codes.pair_bytes;
  const core::KvBlockLayout layout = core::kv_block_layout(Kv::codes, head_dim);
  auto* keys = static_cast<std::uint8_t*>(key_block);
  auto* values = static_cast<std::uint8_t*>(value_block);
  const std::int64_t limit = core::dot_limit(head_dim);
  const float key_scale = round_row<V>(
      turned<Kv>(memory, k, head_dim), head_dim, limit < Kv::codes.most ? limit : Kv::codes.most,
      [&](std::int64_t d, std::int16_t code) {
        Kv::store(keys + static_cast<std::size_t>(d / 2 * core::kKvBlock + at) * kPair, d % 2, code);
      });
  const float value_scale = round_row<V>(
      turned<Kv>(memory, v, head_dim), head_dim, Kv::codes.most, [&](std::int64_t d, std::int16_t code) {
        Kv::store(values + static_cast<std::size_t>(at / 2 * layout.width + d) * kPair, at % 2, code);
      });
  // Values that are no numbers make the score none: of a weight it would not be seen.
  write(keys + layout.key_scales + static_cast<std::size_t>(at) * sizeof(float),
        key_scale + (value_scale - value_scale));
  write(values + layout.value_scales + static_cast<std::size_t>(at) * sizeof(float), value_scale);
}

// use(sum), sum[r][c][lane] = sum over pairs j of codes[j][r * lanes + lane] . x[c][j]. width: lanes of a row
// of codes.
template <class V, class Kv, int R, int C, class Use>
[[gnu::always_inline]] inline void dot_tile(const std::uint8_t* codes, std::int64_t width,
                                            const std::int16_t* x, std::int64_t x_stride, std::int64_t pairs,
                                            const Use& use) {
  constexpr std::int64_t kPair = Kv::codes.pair_bytes;
  typename V::i32 sum[R][C];
  unroll<R>([&](auto r) { unroll<C>([&](auto c) { sum[r.value][c.value] = V::set_i32(0); }); });
  for (std::int64_t j = 0; j < pairs; ++j, codes += kPair * width, x += 2) {
    typename V::Words words[R];
    unroll<R>([&](auto r) { words[r.value] = Kv::template load<V>(codes + kPair * r.value * V::lanes); });
    unroll<C>([&](auto c) {
      const std::int16_t* pair = x + c.value * x_stride;
      unroll<R>(
          [&](auto r) { sum[r.value][c.value] = V::dot2(sum[r.value][c.value], words[r.value], pair); });
    });
  }
  use(sum);
}

// scores[c][R vectors of positions] = codes of query c . keys * scale of the key * scale of the query.
template <class V, class Kv, int R, int C>
[[gnu::noinline]] void fixed_score_tile(float* scores, const std::uint8_t* keys, const float* key_scales,
                                        const std::int16_t* q, std::int64_t q_stride, const float* q_scales,
                                        std::int64_t pairs) {
  dot_tile<V, Kv, R, C>(keys, core::kKvBlock, q, q_stride, pairs, [&](const auto& sum) {
    unroll<C>([&](auto c) {
      const auto q_scale = V::set(q_scales[c.value]);
      unroll<R>([&](auto r) {
        const auto scale = V::mul(V::load(key_scales + r.value * V::lanes), q_scale);
        V::store(scores + c.value * core::kKvBlock + r.value * V::lanes,
                 V::mul(V::to_f32(sum[r.value][c.value]), scale));
      });
    });
  });
}

// sums[c][R vectors of dimensions] += weights of query c . values * scale of the weights.
template <class V, class Kv, int R, int C>
[[gnu::noinline]] void fixed_value_tile(float* sums, std::int64_t sums_stride, const std::uint8_t* values,
                                        std::int64_t width, const std::int16_t* weights,
                                        const float* weight_scales, std::int64_t pairs) {
  dot_tile<V, Kv, R, C>(values, width, weights, core::kKvBlock, pairs, [&](const auto& sum) {
    unroll<C>([&](auto c) {
      const auto scale = V::set(weight_scales[c.value]);
      unroll<R>([&](auto r) {
        float* at = sums + c.value * sums_stride + r.value * V::lanes;
        V::store(at, V::fma(V::to_f32(sum[r.value][c.value]), scale, V::load(at)));
      });
    });
  });
}

// body(Index<C>, first) for columns first .. first + C - 1, most at a time.
template <int Most, class Body>
[[gnu::always_inline]] inline void for_columns(std::int64_t first, std::int64_t count, const Body& body) {
  for (; first + Most <= count; first += Most) body(Index<Most>{}, first);
  if constexpr (Most > 1)
    if (first < count) for_columns<Most - 1>(first, count, body);
}

inline std::size_t fixed_attention_scratch_bytes() {
  return static_cast<std::size_t>(core::kFixedTile) *
         (core::kKvBlock * (sizeof(float) + sizeof(std::int16_t)) + sizeof(float));
}

template <class V, class Kv>
void attend_fixed(const core::FixedQueries& queries, const core::FixedKeys& kv, float* parts,
                  std::int64_t head_dim, void* scratch) {
  constexpr std::int64_t kPair = Kv::codes.pair_bytes;
  const core::KvBlockLayout layout = core::kv_block_layout(Kv::codes, head_dim);
  const std::int64_t part_floats = core::attention_part_floats(head_dim);
  auto* scores = static_cast<float*>(scratch);
  auto* weights = reinterpret_cast<std::int16_t*>(scores + core::kFixedTile * core::kKvBlock);
  auto* weight_scales = reinterpret_cast<float*>(weights + core::kFixedTile * core::kKvBlock);
  FixedState<V> state;
  for (std::int64_t i = 0; i < queries.count; ++i) {
    float* part = parts + i * part_floats;
    for (std::int64_t d = 0; d < layout.width; ++d) part[d] = 0;
    state.maximum[i] = -__builtin_inff();
    V::store(state.total[i], V::zero());
  }
  std::int64_t first = 0;  // query that sees this block
  for (std::int64_t begin = kv.begin; begin < kv.end; begin += core::kKvBlock) {
    while (first < queries.count && queries.n_keys[first] <= begin) ++first;
    if (first == queries.count) break;
    std::int64_t keys = queries.n_keys[queries.count - 1] - begin;  // that the last query sees
    if (keys > core::kKvBlock) keys = core::kKvBlock;
    const auto block = static_cast<std::size_t>(begin / core::kKvBlock);
    const std::uint8_t* key_block = static_cast<const std::uint8_t*>(kv.keys) + block * layout.key_bytes;
    const std::uint8_t* value_block =
        static_cast<const std::uint8_t*>(kv.values) + block * layout.value_bytes;
    const auto* key_scales = reinterpret_cast<const float*>(key_block + layout.key_scales);
    const auto* value_scales = reinterpret_cast<const float*>(value_block + layout.value_scales);

    constexpr int kRows = V::tile_rows;
    constexpr std::int64_t kStep = kRows * V::lanes;
    static_assert(core::kKvBlock % kStep == 0);
    for (std::int64_t key = 0; key < keys; key += kStep)
      for_columns<V::tile_columns>(first, queries.count, [&](auto columns, std::int64_t i) {
        fixed_score_tile<V, Kv, kRows, columns.value>(
            scores + i * core::kKvBlock + key, key_block + kPair * key, key_scales + key,
            queries.codes + i * queries.stride, queries.stride, queries.scales + i, layout.pairs);
      });
    for (std::int64_t i = first; i < queries.count;) {
      const std::int64_t seen = queries.n_keys[i] - begin < keys ? queries.n_keys[i] - begin : keys;
      if (seen == core::kKvBlock && i % V::lanes == 0 &&
          i + V::lanes <= queries.count) {  // as all behind query i
        fixed_weights_whole<V>(weights + i * core::kKvBlock, weight_scales + i, parts + i * part_floats,
                               part_floats, layout.width, scores + i * core::kKvBlock, value_scales, state,
                               i);
        i += V::lanes;
      } else {
        fixed_weights<V>(weights + i * core::kKvBlock, weight_scales + i, parts + i * part_floats,
                         layout.width, scores + i * core::kKvBlock, value_scales, seen, state, i);
        ++i;
      }
    }
    const std::int64_t pairs = (keys + 1) / 2;
    std::int64_t d = 0;
    for (; d + kStep <= layout.width && d < head_dim; d += kStep)
      for_columns<V::tile_columns>(first, queries.count, [&](auto columns, std::int64_t i) {
        fixed_value_tile<V, Kv, kRows, columns.value>(parts + i * part_floats + d, part_floats,
                                                      value_block + kPair * d, layout.width,
                                                      weights + i * core::kKvBlock, weight_scales + i, pairs);
      });
    for (; d < head_dim; d += V::lanes)
      for_columns<V::tile_columns>(first, queries.count, [&](auto columns, std::int64_t i) {
        fixed_value_tile<V, Kv, 1, columns.value>(parts + i * part_floats + d, part_floats,
                                                  value_block + kPair * d, layout.width,
                                                  weights + i * core::kKvBlock, weight_scales + i, pairs);
      });
  }
  for (std::int64_t i = 0; i < queries.count; ++i) {
    parts[i * part_floats + layout.width] = state.maximum[i];
    parts[i * part_floats + layout.width + 1] = V::sum(V::load(state.total[i]));
  }
}

// total = total and part together.
template <class V>
void fold_part(float* total, const float* part, std::int64_t head_dim) {
  const std::int64_t width = core::attention_part_floats(head_dim) - core::kPartTail;
  const float maximum = total[width] > part[width] ? total[width] : part[width];
  const auto old_factor = exp2_coarse<V>(V::set(total[width] - maximum));
  const auto new_factor = exp2_coarse<V>(V::set(part[width] - maximum));
  for (std::int64_t d = 0; d < width; d += V::lanes)
    V::store(total + d, V::fma(V::load(part + d), new_factor, V::mul(V::load(total + d), old_factor)));
  total[width + 1] = total[width + 1] * V::largest(old_factor) + part[width + 1] * V::largest(new_factor);
  total[width] = maximum;
}

template <class V, class Kv>
void finish_part(float* out, const float* part, std::int64_t head_dim) {
  float memory[Kv::codes.turned ? core::kMostTurned : 1];
  const std::int64_t width = core::attention_part_floats(head_dim) - core::kPartTail;
  const auto factor = V::set(1 / part[width + 1]);
  const float* sums = turned<Kv>(memory, part, head_dim);  // the matrix is its own inverse
  for_pieces<V>(head_dim, [&](std::int64_t d, std::int64_t n) {
    store<V>(out + d, V::mul(load<V>(sums + d, n), factor), n);
  });
}

template <class V, class Kv>
constexpr core::KvKernels kv_kernels() {
  return {.store = &store_key_value<V, Kv>,
          .round_query = &round_query<V, Kv>,
          .attend = &attend_fixed<V, Kv>,
          .finish = &finish_part<V, Kv>};
}

template <class V>
constexpr core::FixedAttention fixed_attention() {
  return {.kv16 = kv_kernels<V, Kv16>(),
          .kv8 = kv_kernels<V, Kv8>(),
          .kv4 = kv_kernels<V, Kv4>(),
          .fold = &fold_part<V>,
          .scratch_bytes = &fixed_attention_scratch_bytes};
}

}  // namespace
