// Functions of one row: norms, rotary embedding, activations, softmax. Included only by make_table.inl.
#pragma once

#include <cstdint>

#include "ggml-like-core/kernels/functions.inl"

namespace {

// body(i, n) for pieces of lanes elements: n == lanes but for the last.
template <class V, class Body>
[[gnu::always_inline]] inline void for_pieces(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) body(i, std::int64_t{V::lanes});
  if (i < count) body(i, count - i);
}

template <class V>
[[gnu::always_inline]] inline typename V::f32 load(const float* p, std::int64_t n) {
  return n == V::lanes ? V::load(p) : V::load_part(p, n);
}

template <class V>
[[gnu::always_inline]] inline void store(float* p, typename V::f32 v, std::int64_t n) {
  if (n == V::lanes)
    V::store(p, v);
  else
    V::store_part(p, v, n);
}

// 8 vectors from the 8 places at p, stride apart, turned: words[j] holds place j of every row.
template <class V, class T, class Load>
[[gnu::always_inline]] inline void turned_places(typename V::Words (&words)[8], const T* p,
                                                 std::int64_t stride, const Load& load) {
  typename V::Bytes rows[V::lanes];
  unroll<V::lanes>([&](auto r) { rows[r.value] = load(p + r.value * stride); });
  V::interleave(words, rows);
}

// Lanes 0..n-1 of v, the others of rest.
template <class V>
[[gnu::always_inline]] inline typename V::f32 first(typename V::f32 v, typename V::f32 rest, std::int64_t n) {
  return n == V::lanes ? v : V::first(v, rest, n);
}

template <class V>
void rms_norm(float* out, const float* x, const float* gain, std::int64_t n, float eps) {
  auto squares = V::zero();
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto v = load<V>(x + i, part);
    squares = V::fma(v, v, squares);
  });
  const auto factor = V::set(1 / __builtin_sqrtf(V::sum(squares) / static_cast<float>(n) + eps));
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    store<V>(out + i, V::mul(V::mul(load<V>(x + i, part), factor), load<V>(gain + i, part)), part);
  });
}

template <class V>
void layer_norm(float* out, const float* x, const float* gain, const float* bias, std::int64_t n, float eps) {
  auto total = V::zero();
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) { total = V::add(total, load<V>(x + i, part)); });
  const auto mean = V::set(V::sum(total) / static_cast<float>(n));
  auto squares = V::zero();
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto d = first<V>(V::sub(load<V>(x + i, part), mean), V::zero(), part);
    squares = V::fma(d, d, squares);
  });
  const auto factor = V::set(1 / __builtin_sqrtf(V::sum(squares) / static_cast<float>(n) + eps));
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto normal = V::mul(V::sub(load<V>(x + i, part), mean), factor);
    store<V>(out + i, V::fma(normal, load<V>(gain + i, part), load<V>(bias + i, part)), part);
  });
}

template <class V>
void rope(float* out, const float* x, const float* cos, const float* sin, std::int64_t n) {
  const std::int64_t half = n / 2;
  for_pieces<V>(half, [&](std::int64_t i, std::int64_t part) {
    const auto a = load<V>(x + i, part);
    const auto b = load<V>(x + half + i, part);
    const auto low = V::sub(V::mul(a, load<V>(cos + i, part)), V::mul(b, load<V>(sin + i, part)));
    const auto high =
        V::add(V::mul(b, load<V>(cos + half + i, part)), V::mul(a, load<V>(sin + half + i, part)));
    store<V>(out + i, low, part);
    store<V>(out + half + i, high, part);
  });
}

template <class V>
void add(float* out, const float* a, const float* b, std::int64_t n) {
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    store<V>(out + i, V::add(load<V>(a + i, part), load<V>(b + i, part)), part);
  });
}

template <class V>
void multiply_add(float* out, const float* x, float factor, std::int64_t n) {
  const auto f = V::set(factor);
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    store<V>(out + i, V::fma(f, load<V>(x + i, part), load<V>(out + i, part)), part);
  });
}

// x / (1 + exp(-u)), the logistic function of u times x.
template <class V>
[[gnu::always_inline]] inline typename V::f32 times_logistic(typename V::f32 x, typename V::f32 u) {
  return V::div(x, V::add(V::set(1.0F), exp<V>(V::sub(V::zero(), u))));
}

template <class V>
void silu_mul(float* out, const float* gate, const float* up, std::int64_t n) {
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto g = load<V>(gate + i, part);
    store<V>(out + i, V::mul(times_logistic<V>(g, g), load<V>(up + i, part)), part);
  });
}

// x / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 x^3); (1 + tanh(u)) / 2 is the logistic function of
// 2 u.
template <class V>
void gelu_tanh(float* out, const float* x, std::int64_t n) {
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto v = load<V>(x + i, part);
    const auto cubic = V::fma(V::mul(V::mul(v, v), V::set(0.044715F)), v, v);
    store<V>(out + i, times_logistic<V>(v, V::mul(cubic, V::set(1.5957691F))), part);  // 2 * sqrt(2 / pi)
  });
}

// x / 2 * (1 + erf(x / sqrt(2))).
template <class V>
void gelu_erf(float* out, const float* x, std::int64_t n) {
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto v = load<V>(x + i, part);
    const auto e = erf<V>(V::mul(v, V::set(0.70710678F)));
    store<V>(out + i, V::mul(V::mul(v, V::set(0.5F)), V::add(V::set(1.0F), e)), part);
  });
}

template <class V>
float largest(const float* x, std::int64_t n) {
  auto most = V::set(-__builtin_inff());
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    most = V::max(most, first<V>(load<V>(x + i, part), most, part));
  });
  return V::largest(most);
}

// out[i] = exp(x[i] - shift); returns their sum. In place is allowed.
template <class V>
float exp_and_sum(float* out, const float* x, float shift, std::int64_t n) {
  auto total = V::zero();
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    const auto e = first<V>(exp<V>(V::sub(load<V>(x + i, part), V::set(shift))), V::zero(), part);
    total = V::add(total, e);
    store<V>(out + i, e, part);
  });
  return V::sum(total);
}

template <class V>
void softmax(float* out, const float* x, std::int64_t n) {
  const auto factor = V::set(1 / exp_and_sum<V>(out, x, largest<V>(x, n), n));
  for_pieces<V>(n, [&](std::int64_t i, std::int64_t part) {
    store<V>(out + i, V::mul(load<V>(out + i, part), factor), part);
  });
}

}  // namespace
