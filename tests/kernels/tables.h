// What tests of kernels share: the tables this machine can run, rows of numbers between canaries, activations
// as doubles.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <iostream>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/cpu_features.h"
#include "ggml-like-core/kernels/activation.h"
#include "ggml-like-core/kernels/select.h"
#include "ggml-like-core/quant/formats.h"
#include "ggml-like-core/quant/reference.h"
#include "tests/format_rows.h"

namespace core {

extern const KernelTable TARSIER_EMULATED_TABLES;  // tests/CMakeLists.txt, emulated/immintrin.h

inline std::vector<const KernelTable*> emulated_tables() {
  const auto addresses = [](const auto&... table) { return std::vector<const KernelTable*>{&table...}; };
  return addresses(TARSIER_EMULATED_TABLES);
}

// The tables of this build that this machine has, and emulated ones for those that it lacks; what does not
// run is printed and counted.
inline std::vector<const KernelTable*> supported_tables() {
  std::vector<const KernelTable*> tables;
  int not_run = 0;
  for (const KernelTable* table : all_tables()) {
    const KernelTable* runnable = supported(*table) ? table : nullptr;
    for (const KernelTable* emulated : emulated_tables())
      if (runnable == nullptr && std::string_view(emulated->name) == table->name &&
          (cpu_features() & kAvx2) != 0)
        runnable = emulated;
    if (runnable != nullptr) {
      tables.push_back(runnable);
    } else {
      ++not_run;
      std::cout << "not run on this machine: " << table->name << "\n";
    }
  }
  if (not_run > 0) std::cout << not_run << " of " << all_tables().size() << " tables not run\n";
  return tables;
}

// QEMU translates every instruction: fewer shapes there, and it says so.
inline bool emulated() {
#if defined(__aarch64__)
  static const bool told = (std::cout << "emulated or ARM: smaller shapes\n", true);
  return told;
#else
  return false;
#endif
}

inline std::vector<float> random_floats(std::int64_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = normal(rng);
  return x;
}

// n floats with canaries before and after them.
class Guarded {
 public:
  explicit Guarded(std::int64_t n) : floats_(static_cast<std::size_t>(n) + 2 * kGuard, kCanary) {}
  float* data() { return floats_.data() + kGuard; }
  float operator[](std::int64_t i) const { return floats_[static_cast<std::size_t>(i) + kGuard]; }
  void expect_untouched(const char* what) const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      EXPECT_EQ(floats_[i], kCanary) << what << ": written before the output";
      EXPECT_EQ(floats_[floats_.size() - 1 - i], kCanary) << what << ": written after the output";
    }
  }
  static constexpr float kCanary = 12345.678F;

 private:
  static constexpr std::size_t kGuard = 32;
  std::vector<float> floats_;
};

// A matrix in some format, at an odd address, and its weights.
struct Weights {
  Weights(DType type, std::int64_t n_rows, std::int64_t n_columns, unsigned seed)
      : dtype(type), rows(n_rows), k(n_columns), stride(row_bytes(type, n_columns) + 3) {
    bytes.resize(static_cast<std::size_t>(rows) * stride + 1);
    values = random_floats(rows * k, seed);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::span<float> row(values.data() + r * k, static_cast<std::size_t>(k));
      some_row(at(r), dtype, row, seed + static_cast<unsigned>(r));
      dequantize_row(row, dtype, at(r));
    }
  }
  std::byte* at(std::int64_t r) { return bytes.data() + 1 + static_cast<std::size_t>(r) * stride; }
  const std::byte* data() const { return bytes.data() + 1; }

  DType dtype;
  std::int64_t rows, k;
  std::size_t stride;
  std::vector<std::byte> bytes;
  std::vector<float> values;  // [rows, k]
};

// Rows as a table's convert_activation makes them, and the numbers they stand for.
struct Activations {
  Activations(const KernelTable& table, DType dtype, std::int64_t n_tokens, std::int64_t n_columns,
              const std::vector<float>& x)
      : tokens(n_tokens), k(n_columns) {
    const MatKernels& mat = table.mat[*format_index(dtype)];
    stride = mat.activation_bytes(k);
    EXPECT_EQ(stride % 64, 0U);
    bytes = AlignedBuffer(stride * static_cast<std::size_t>(tokens));
    for (std::int64_t t = 0; t < tokens; ++t) mat.convert_activation(at(t), x.data() + t * k, k);
    values.assign(x.begin(), x.begin() + tokens * k);
    const int step = info(dtype).block_len;
    if (step == 1) return;
    const ActivationLayout layout = activation_layout(k, step, 32);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t i = 0; i < k; ++i) {
        std::int8_t q = 0;
        float scale = 0;
        std::memcpy(&q, at(t) + i, 1);
        std::memcpy(&scale, at(t) + layout.scales + static_cast<std::size_t>(i / step) * sizeof(float),
                    sizeof scale);
        values[static_cast<std::size_t>(t * k + i)] = static_cast<double>(scale) * q;
      }
  }
  std::byte* at(std::int64_t t) { return bytes.data() + static_cast<std::size_t>(t) * stride; }

  std::int64_t tokens, k;
  std::size_t stride = 0;
  AlignedBuffer bytes;
  std::vector<double> values;  // [tokens, k]
};

}  // namespace core
