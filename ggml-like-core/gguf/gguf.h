// What a GGUF v3 file consists of, for reader and writer. gguf-spec.md is the contract.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ggml-like-core/base/text_list.h"
#include "ggml-like-core/quant/dtype.h"

namespace core {

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::size_t kGgufDefaultAlignment = 32;

// A metadata value. Alternatives stand in the order of GGUF's type ids where one exists: see type ids in
// gguf-spec.md. Arrays of UINT8 are read as uint8, of other integers as int64, of floats as double; the
// writer stores int64 arrays as INT32 where all elements fit, uint8 arrays as UINT8, strings as STRING, bools
// as BOOL, double arrays as FLOAT32.
using GgufValue =
    std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float,
                 bool, std::string, std::uint64_t, std::int64_t, double, std::vector<std::uint8_t>,
                 std::vector<std::int64_t>, std::vector<double>, std::vector<bool>, TextList>;

struct GgufTensor {
  std::string name;
  DType dtype{};
  std::vector<std::int64_t> ne;  // GGUF's order: ne[0] is the row length
  std::uint64_t offset = 0;      // from the start of the tensor data
  std::size_t bytes = 0;

  std::int64_t row_length() const { return ne[0]; }
  std::int64_t rows() const;                // product of the other dimensions
  std::vector<std::int64_t> shape() const;  // outermost first, as HF writes it
};

}  // namespace core
