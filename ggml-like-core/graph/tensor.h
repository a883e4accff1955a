// What flows through a graph: values (activations, row-major matrices) and weights (views of a mapped file).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ggml-like-core/quant/formats.h"

namespace core {

// A weight tensor: [experts][rows][cols]; experts is 1 for a plain matrix, rows is 1 for a vector. Rows lie
// row_bytes apart. A view: the file behind data must outlive it.
struct Weight {
  std::string name;
  DType dtype = DType::f32;
  std::int64_t experts = 1;
  std::int64_t rows = 1;
  std::int64_t cols = 0;
  const std::byte* data = nullptr;

  std::size_t row_stride() const { return row_bytes(dtype, cols); }
  const std::byte* expert(std::int64_t e) const {
    return data + row_stride() * static_cast<std::size_t>(rows * e);
  }
  std::span<const std::byte> bytes() const {
    return {data, static_cast<std::size_t>(expert(experts) - data)};
  }
  // For vectors stored as F32.
  const float* floats() const { return reinterpret_cast<const float*>(data); }
};

// A handle of one value of a graph.
struct Value {
  int id = -1;
  bool present() const { return id >= 0; }
};

// What is known of a value before anything runs. Elements are 4 bytes: f32, or i32 for indexes.
struct ValueInfo {
  std::string name;
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  bool input = false;   // bound by the caller
  bool named = false;   // by the model: observers see it
  bool output = false;  // stays in the arena until the next run
  int alias_of = -1;    // shares the memory of another value (reshape)

  std::size_t bytes() const { return static_cast<std::size_t>(rows * cols) * 4; }
};

}  // namespace core
