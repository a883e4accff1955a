// What is known about each format, derived from the list in blocks.h: names, sizes, from a DType to a type.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/blocks.h"
#include "ggml-like-core/quant/dtype.h"

namespace core {

template <class Q>
concept QuantFormat = requires {
  typename Q::Block;
  { Q::dtype } -> std::convertible_to<DType>;
  { Q::name } -> std::convertible_to<std::string_view>;
  { Q::block_len } -> std::convertible_to<int>;
};

// Formats without the mark read_only have a quantizer (reference.cpp); the others are read from files only.
template <class Q>
concept WritableFormat = QuantFormat<Q> && !requires {
  Q::read_only;
};

struct FormatInfo {
  DType dtype;
  std::string_view name;
  int block_len;
  std::size_t block_bytes;
  bool writable;
  DType row;      // the format of one row: dtype itself, unless rows are tiled
  bool is_float;  // rows of floats, each for itself: no codes
  bool is_tiled() const { return row != dtype; }
  bool is_own() const { return static_cast<std::uint32_t>(row) >= kFirstOwnId; }  // rows that only we read
  double bits_per_weight() const { return 8.0 * static_cast<double>(block_bytes) / block_len; }
};

inline constexpr int kStoredCount = AllFormats::count + TiledFormats::count;
// Whatever a file may hold: AllFormats, then TiledFormats.
constexpr std::array<FormatInfo, kStoredCount> kStoredFormats = [] {
  std::array<FormatInfo, kStoredCount> rows{};
  int i = 0;
  AllFormats::for_each([&]<class Q>() {
    rows[i++] = {Q::dtype,          Q::name,  Q::block_len,     sizeof(typename Q::Block),
                 WritableFormat<Q>, Q::dtype, Q::block_len == 1};
  });
  TiledFormats::for_each([&]<class Q>() {
    rows[i++] = {Q::dtype,
                 Q::name,
                 Q::block_len,
                 sizeof(typename Q::Block),
                 WritableFormat<typename Q::Row>,
                 Q::Row::dtype,
                 Q::Row::block_len == 1};
  });
  return rows;
}();
// Those whose rows lie one after another.
inline constexpr std::span<const FormatInfo, AllFormats::count> kFormats =
    std::span(kStoredFormats).first<AllFormats::count>();

// The place of dtype in kStoredFormats (and so in every kernel table); nothing for other types.
constexpr std::optional<int> format_index(DType dtype) {
  for (int i = 0; i < kStoredCount; ++i)
    if (kStoredFormats[i].dtype == dtype) return i;
  return std::nullopt;
}
// dtype must be in kStoredFormats.
inline const FormatInfo& info(DType dtype) {
  const auto i = format_index(dtype);
  bug_if(!i, "not a weight format");
  return kStoredFormats[static_cast<std::size_t>(*i)];
}
// The format of such rows 16 together, where there is one, `rows` is a multiple of 16 and `cols` of its
// blocks.
std::optional<DType> tiled_format(DType row, std::int64_t rows, std::int64_t cols);
// "q4_k", "Q4_K": case does not matter.
std::optional<DType> format_by_name(std::string_view name);

// Bytes of a row of n weights; n must be a multiple of the block length.
inline std::size_t row_bytes(DType dtype, std::int64_t n) {
  const FormatInfo& f = info(dtype);
  bug_if(n % f.block_len != 0, "row length must be a multiple of the block");
  return static_cast<std::size_t>(n / f.block_len) * f.block_bytes;
}

// Run time -> compile time: calls f.template operator()<Q>() for the row format of this dtype, which must be
// in kStoredFormats.
template <class F>
void visit(DType dtype, F&& f) {
  const DType row = info(dtype).row;
  AllFormats::for_each([&]<class Q>() {
    if (Q::dtype == row) f.template operator()<Q>();
  });
}

}  // namespace core
