// Pictures and clips as rows of embeddings, kept by content, so that each is encoded once.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "src/input/media.h"
#include "src/model/loaded_model.h"
#include "src/run/encode_need.h"
#include "src/run/runner.h"

namespace tarsier {

// What the vision tower makes of one picture or clip.
struct MediaRows {
  std::int64_t rows = 0;  // merged tokens
  std::int64_t hidden = 0;
  std::vector<float> values;  // [1 + DeepStack features][rows][hidden]
  const float* row(int feature, std::int64_t i) const {
    return values.data() + (feature * rows + i) * hidden;
  }
};

struct MediaItem {
  const Patches* patches;
  std::uint64_t hash;                      // of content and size
  std::shared_ptr<const ClipSource> clip;  // where the values come from; null: they are in patches
};
MediaItem item_of(const Media& media);

struct RowsShape {
  std::int64_t rows, hidden, features;
  std::size_t values() const { return static_cast<std::size_t>(rows * hidden * features); }
};

// Where rows may lie when they are not in memory.
class RowStore {
 public:
  virtual ~RowStore() = default;
  virtual std::shared_ptr<const MediaRows> find(std::uint64_t hash, const RowsShape& shape) = 0;  // or null
  virtual void keep(std::uint64_t hash, const RowsShape& shape, const MediaRows& rows) = 0;
};

// What getting the rows of items took.
struct MediaCost {
  int images = 0, clips = 0;  // encoded
  int found = 0;              // in the store
  double seconds = 0;         // of encoding
  MediaCost& operator+=(const MediaCost& more);
};

// Remembers the last rows, up to a size. Not thread-safe.
class MediaEncoder {
 public:
  // store: may be null. free: bytes that may be taken, now.
  explicit MediaEncoder(const LoadedModel& model, std::unique_ptr<RowStore> store = {},
                        std::function<std::uint64_t()> free = memory_for_pictures)
      : model_(&model), store_(std::move(store)), free_(std::move(free)) {}

  // Rows of each item, in order; items already known cost nothing. Small items share a run, and parts of a
  // clip, as many as memory allows: the rows are the same. Empty when cancelled; what was encoded before that
  // is known. modality: "image" or "video", for observers; watching encodes everything anew in one run. cost:
  // what the items took is added, each time once: of an item that was encoded without, later. Error: a
  // picture, or a temporal patch of a clip, alone wants more memory than is free.
  std::vector<std::shared_ptr<const MediaRows>> encode(std::span<const MediaItem> items,
                                                       std::string_view modality, Runner& runner,
                                                       const RunControl& control, MediaCost* cost = nullptr);

 private:
  using Rows = std::shared_ptr<const MediaRows>;
  // Encodes todo in one run and puts the rows to their places in out. False: cancelled.
  bool encode_batch(std::span<const MediaItem> items, std::span<const std::size_t> todo,
                    std::string_view modality, Runner& runner, const RunControl& control,
                    const std::function<void(double)>& progress, std::vector<Rows>& out) const;
  // Of a clip, some frames at a time, which may be decoded meanwhile. Null: cancelled.
  Rows encode_clip(const MediaItem& item, std::string_view modality, Runner& runner,
                   const RunControl& control, const std::function<void(double)>& progress) const;
  Rows encode_part(const Patches& part, std::string_view modality, Runner& runner, const RunControl& control,
                   const std::function<void(double)>& progress) const;
  RowsShape shape_of(const MediaItem& item) const;
  void keep(std::uint64_t hash, Rows rows, const MediaCost& untold);

  const LoadedModel* model_;
  std::unique_ptr<RowStore> store_;
  std::function<std::uint64_t()> free_;
  struct Entry {
    std::uint64_t hash;
    Rows rows;
    MediaCost untold;
  };
  std::list<Entry> kept_;  // latest first
};

}  // namespace tarsier
