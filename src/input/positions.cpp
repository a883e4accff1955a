#include "src/input/positions.h"

#include <algorithm>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

// The grids of one kind in the order in which their tokens come; a video's temporal patches one by one.
class Grids {
 public:
  Grids(std::span<const Grid> grids, bool split) : grids_(grids), split_(split) {}
  bool done() const { return next_ == grids_.size(); }
  Grid take() {
    Grid g = grids_[next_];
    if (split_) {
      const bool last = ++frame_ >= g.t;
      g.t = 1;
      if (!last) return g;
      frame_ = 0;
    }
    ++next_;
    return g;
  }

 private:
  std::span<const Grid> grids_;
  bool split_;
  std::size_t next_ = 0;
  int frame_ = 0;
};

}  // namespace

Positions mrope_positions(std::span<const std::int8_t> token_types, std::span<const Grid> images,
                          std::span<const Grid> videos, int merge_size) {
  core::require(merge_size > 0, "positions: merge_size is ", merge_size, ", wanted at least 1");
  Grids image_grids(images, false);
  Grids video_grids(videos, true);
  Positions out;
  out.t.reserve(token_types.size());
  out.h.reserve(token_types.size());
  out.w.reserve(token_types.size());
  const auto put = [&](int t, int h, int w) {
    out.t.push_back(t);
    out.h.push_back(h);
    out.w.push_back(w);
  };
  int next = 0;
  int largest = -1;
  for (std::size_t i = 0; i < token_types.size();) {
    const std::int8_t type = token_types[i];
    if (type == 0) {
      put(next, next, next);
      largest = std::max(largest, next++);
      ++i;
      continue;
    }
    core::require(type == 1 || type == 2, "positions: token ", i, " is of the kind ", int{type},
                  ", wanted 0, 1 or 2");
    Grids& grids = type == 1 ? image_grids : video_grids;
    const char* what = type == 1 ? "image" : "video";
    core::require(!grids.done(), "positions: more tokens of the kind ", what, " than ", what, "s have");
    const Grid grid = grids.take();
    const int rows = grid.h / merge_size;
    const int columns = grid.w / merge_size;
    const std::int64_t count = std::int64_t{grid.t} * rows * columns;
    core::require(count > 0 && grid.t > 0 && rows > 0, "positions: an ", what, " grid is ", grid.t, " x ",
                  grid.h, " x ", grid.w);
    std::int64_t run = 0;
    while (i + static_cast<std::size_t>(run) < token_types.size() && run < count &&
           token_types[i + static_cast<std::size_t>(run)] == type)
      ++run;
    core::require(run == count, "positions: ", run, " tokens of the kind ", what, ", the grid wants ", count);
    for (int t = 0; t < grid.t; ++t)
      for (int h = 0; h < rows; ++h)
        for (int w = 0; w < columns; ++w) put(next + t, next + h, next + w);
    largest = std::max(largest, next + std::max({grid.t, rows, columns}) - 1);
    next += std::max(grid.h, grid.w) / merge_size;
    i += static_cast<std::size_t>(count);
  }
  core::require(image_grids.done() && video_grids.done(),
                "positions: fewer tokens of images or videos than their grids want");
  out.rope_delta = largest + 1 - static_cast<int>(token_types.size());
  return out;
}

}  // namespace tarsier
