// What every vector type and kernel uses: reads at any address, loops unrolled at compile time.
// Everything below simd/ and in *.inl is in unnamed namespaces: see kernel_table.h and the test
// isa_objects_are_leaf.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {

// The T at p, which needs no alignment.
template <class T>
[[gnu::always_inline]] inline T read(const void* p) {
  T value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

template <class T>
[[gnu::always_inline]] inline void write(void* p, T value) {
  __builtin_memcpy(p, &value, sizeof value);
}

template <int I>
struct Index {
  static constexpr int value = I;
};

// body(Index<0>), ..., body(Index<N - 1>).
template <int N, int I = 0, class Body>
[[gnu::always_inline]] inline void unroll(const Body& body) {
  if constexpr (I < N) {
    body(Index<I>{});
    unroll<N, I + 1>(body);
  }
}

}  // namespace
