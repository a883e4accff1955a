// Names of formats.
#include "ggml-like-core/quant/formats.h"

#include "ggml-like-core/quant/tile.h"

namespace core {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

}  // namespace

std::optional<DType> format_by_name(std::string_view name) {
  for (const FormatInfo& f : kStoredFormats)
    if (same_ignoring_case(f.name, name)) return f.dtype;
  return std::nullopt;
}

std::optional<DType> tiled_format(DType row, std::int64_t rows, std::int64_t cols) {
  if (!format_index(tiled(row)) || rows % kTileRows != 0 || cols % info(tiled(row)).block_len != 0)
    return std::nullopt;
  return tiled(row);
}

}  // namespace core
