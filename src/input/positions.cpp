// HF: modeling_qwen3_vl.py, Qwen3VLModel.get_rope_index and get_vision_position_ids.
#include "src/input/positions.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

// Grids in order, one temporal patch of a video at a time: time stamps stand between them.
class Frames {
 public:
  Frames(std::span<const Grid> grids, bool split, std::string_view what)
      : grids_(grids), split_(split), what_(what) {}

  Grid next() {
    core::require(item_ < grids_.size(), "positions: more runs of ", what_, " tokens than the ",
                  grids_.size(), " grids have frames");
    Grid grid = grids_[item_];
    if (split_ && ++frame_ < grid.t) {
      grid.t = 1;
      return grid;
    }
    if (split_) grid.t = 1;
    frame_ = 0;
    ++item_;
    return grid;
  }
  void require_all_used() const {
    core::require(item_ == grids_.size(), "positions: ", grids_.size(), " grids of ", what_,
                  "s, runs of tokens for only ", item_);
  }

 private:
  std::span<const Grid> grids_;
  bool split_;
  std::string_view what_;
  std::size_t item_ = 0;
  int frame_ = 0;
};

void check_grids(std::span<const Grid> grids, int merge_size) {
  for (const Grid& g : grids)
    core::require(g.t > 0 && g.h > 0 && g.w > 0 && g.h % merge_size == 0 && g.w % merge_size == 0,
                  "positions: a grid of ", g.t, " x ", g.h, " x ", g.w,
                  " patches, wanted sides that are positive multiples of ", merge_size);
}

}  // namespace

Positions mrope_positions(std::span<const std::int8_t> token_types, std::span<const Grid> images,
                          std::span<const Grid> videos, int merge_size) {
  core::require(merge_size > 0, "positions: merge_size is ", merge_size, ", wanted at least 1");
  core::require(token_types.size() <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
                "positions: ", token_types.size(), " tokens are too many");
  check_grids(images, merge_size);
  check_grids(videos, merge_size);
  Frames frames[] = {{images, false, "image"}, {videos, true, "video"}};

  Positions out;
  for (auto* axis : {&out.t, &out.h, &out.w}) axis->reserve(token_types.size());
  const auto add = [&](int t, int h, int w) {
    out.t.push_back(t);
    out.h.push_back(h);
    out.w.push_back(w);
  };
  int next = 0;   // position of the next token of text
  int last = -1;  // the largest position so far
  for (std::size_t begin = 0; begin < token_types.size();) {
    const std::int8_t type = token_types[begin];
    core::require(type >= 0 && type <= 2, "positions: token type ", int{type}, ", wanted 0, 1 or 2");
    const auto end = static_cast<std::size_t>(
        std::find_if(token_types.begin() + static_cast<std::ptrdiff_t>(begin), token_types.end(),
                     [&](std::int8_t other) { return other != type; }) -
        token_types.begin());
    if (type == 0) {
      for (; begin < end; ++begin, ++next) add(next, next, next);
      last = std::max(last, next - 1);
      continue;
    }
    const Grid grid = frames[type - 1].next();
    const int rows = grid.h / merge_size;
    const int columns = grid.w / merge_size;
    const std::int64_t wanted = std::int64_t{grid.t} * rows * columns;
    core::require(static_cast<std::int64_t>(end - begin) == wanted, "positions: a run of ", end - begin,
                  " picture tokens, the grid wants ", wanted);
    for (int t = 0; t < grid.t; ++t)
      for (int h = 0; h < rows; ++h)
        for (int w = 0; w < columns; ++w) add(next + t, next + h, next + w);
    last = std::max(last, next + std::max({grid.t, rows, columns}) - 1);
    next += std::max(rows, columns);
    begin = end;
  }
  for (const Frames& f : frames) f.require_all_used();
  out.rope_delta = last + 1 - static_cast<int>(token_types.size());
  return out;
}

}  // namespace tarsier
