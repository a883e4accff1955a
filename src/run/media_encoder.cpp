#include "src/run/media_encoder.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "src/model/vision.h"

namespace tarsier {
namespace {

constexpr std::int64_t kBatchPatches =
    4096;  // items are put together up to this: enough to keep every core busy
constexpr std::string_view kVideo = "video";      // the modality
constexpr std::size_t kKeptBytes = 512ULL << 20;  // embeddings remembered

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

MediaCost& MediaCost::operator+=(const MediaCost& more) {
  images += more.images;
  clips += more.clips;
  found += more.found;
  seconds += more.seconds;
  return *this;
}

std::vector<std::shared_ptr<const MediaRows>> MediaEncoder::encode(std::span<const MediaItem> items,
                                                                   std::string_view modality, Runner& runner,
                                                                   const RunControl& control,
                                                                   MediaCost* cost) {
  // What is left to be told later.
  const auto tell = [&](const MediaCost& now) {
    if (cost == nullptr) return now;
    *cost += now;
    return MediaCost{};
  };
  std::vector<Rows> out(items.size());
  std::vector<std::size_t> todo;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto known =
        std::find_if(kept_.begin(), kept_.end(), [&](const Entry& e) { return e.hash == items[i].hash; });
    if (known != kept_.end() && control.values == nullptr) {
      kept_.splice(kept_.begin(), kept_, known);
      out[i] = known->rows;
      known->untold = tell(known->untold);
      continue;
    }
    if (store_ != nullptr && control.values == nullptr) {
      out[i] = store_->find(items[i].hash, shape_of(items[i]));
      if (out[i] != nullptr) {
        keep(items[i].hash, out[i], tell({.found = 1}));
        continue;
      }
    }
    todo.push_back(i);
    total += items[i].patches->grid.patches();
  }
  std::int64_t done = 0;
  const auto finished = [&](std::size_t i, double seconds) {
    if (store_ != nullptr) store_->keep(items[i].hash, shape_of(items[i]), *out[i]);
    const int clip = modality == kVideo ? 1 : 0;
    keep(items[i].hash, out[i], tell({.images = 1 - clip, .clips = clip, .seconds = seconds}));
  };
  const auto at_once = [&](std::size_t i) {
    const Patches& patches = *items[i].patches;
    return items[i].clip == nullptr &&
           (patches.grid.t == 1 || control.values != nullptr ||
            fits_memory(*model_, runner, patches.grid.patches(), patches.still, free_()));
  };
  const auto in_parts = std::stable_partition(todo.begin(), todo.end(), at_once);
  const std::vector<std::size_t> clips(in_parts, todo.end());
  todo.erase(in_parts, todo.end());
  for (std::size_t begin = 0; begin < todo.size();) {
    const std::uint64_t free = free_();
    std::int64_t batch = 0;
    bool still = true;
    std::size_t end = begin;
    for (; end < todo.size(); ++end) {
      const Patches& next = *items[todo[end]].patches;
      const std::int64_t more = batch + next.grid.patches();
      const bool all_still = still && next.still;
      const bool fits =
          more <= kBatchPatches && (end == begin || fits_memory(*model_, runner, more, all_still, free));
      if (end > begin && !fits && control.values == nullptr) break;
      batch = more;
      still = all_still;
    }
    require_memory(*model_, runner, batch, still, free);
    const auto progress = [&](double share) {
      if (control.progress != nullptr)
        control.progress->progress(modality, static_cast<double>(done) + share * static_cast<double>(batch),
                                   static_cast<double>(total));
    };
    const auto started = std::chrono::steady_clock::now();
    const auto now = std::span(todo).subspan(begin, end - begin);
    if (!encode_batch(items, now, modality, runner, control, progress, out)) return {};
    const double seconds = seconds_since(started) / static_cast<double>(batch);  // of a patch
    for (const std::size_t i : now)
      finished(i, seconds * static_cast<double>(items[i].patches->grid.patches()));
    done += batch;
    begin = end;
  }
  for (const std::size_t i : clips) {
    const auto patches = static_cast<double>(items[i].patches->grid.patches());
    const auto progress = [&](double share) {
      if (control.progress != nullptr)
        control.progress->progress(modality, static_cast<double>(done) + share * patches,
                                   static_cast<double>(total));
    };
    const auto started = std::chrono::steady_clock::now();
    out[i] = encode_clip(items[i], modality, runner, control, progress);
    if (out[i] == nullptr) return {};
    finished(i, seconds_since(started));
    done += items[i].patches->grid.patches();
  }
  return out;
}

MediaEncoder::Rows MediaEncoder::encode_part(const Patches& part, std::string_view modality, Runner& runner,
                                             const RunControl& control,
                                             const std::function<void(double)>& progress) const {
  const MediaItem items[] = {{.patches = &part, .hash = 0, .clip = nullptr}};
  const std::size_t todo[] = {0};
  std::vector<Rows> out(1);
  return encode_batch(items, todo, modality, runner, control, progress, out) ? out[0] : nullptr;
}

MediaEncoder::Rows MediaEncoder::encode_clip(const MediaItem& item, std::string_view modality, Runner& runner,
                                             const RunControl& control,
                                             const std::function<void(double)>& progress) const {
  const Grid grid = item.patches->grid;
  const RowsShape shape = shape_of(item);
  const std::int64_t group_rows = shape.rows / grid.t;
  const std::int64_t frame = std::int64_t{grid.h} * grid.w;
  const std::int64_t most =
      control.values != nullptr ? grid.t : std::clamp<std::int64_t>(kBatchPatches / frame, 1, grid.t);
  auto rows = std::make_shared<MediaRows>();
  rows->rows = shape.rows;
  rows->hidden = shape.hidden;
  rows->values.resize(shape.values());
  std::optional<ClipStream> stream;
  if (item.clip != nullptr) stream.emplace(item.clip);
  for (int first = 0; first < grid.t;) {
    std::int64_t n = std::min<std::int64_t>(most, grid.t - first);
    const std::uint64_t free = free_();
    while (n > 1 && control.values == nullptr && !fits_memory(*model_, runner, n * frame, false, free))
      n = (n + 1) / 2;
    require_memory(*model_, runner, n * frame, false, free);
    Patches part;
    part.grid = {static_cast<int>(n), grid.h, grid.w};
    part.resized = item.patches->resized;
    if (stream) {
      if (!stream->read(part.grid.t, part.values, control.cancel)) return nullptr;
    } else {
      const std::size_t group = item.patches->values.size() / static_cast<std::size_t>(grid.t);
      const auto begin = item.patches->values.begin() + static_cast<std::ptrdiff_t>(first * group);
      part.values.assign(begin, begin + static_cast<std::ptrdiff_t>(n * group));
    }
    const Rows done = encode_part(part, modality, runner, control,
                                  [&](double share) { progress((first + share * part.grid.t) / grid.t); });
    if (done == nullptr) return nullptr;
    for (int f = 0; f < shape.features; ++f)
      std::copy_n(done->row(f, 0), done->rows * shape.hidden,
                  rows->values.begin() + (f * shape.rows + first * group_rows) * shape.hidden);
    first += part.grid.t;
  }
  return rows;
}

MediaItem item_of(const Media& media) {
  return {.patches = &media.patches, .hash = media.hash, .clip = media.clip};
}

bool MediaEncoder::encode_batch(std::span<const MediaItem> items, std::span<const std::size_t> todo,
                                std::string_view modality, Runner& runner, const RunControl& control,
                                const std::function<void(double)>& progress, std::vector<Rows>& out) const {
  const VisionConfig& config = model_->config.vision;
  std::vector<const Patches*> media;
  for (const std::size_t i : todo) media.push_back(items[i].patches);
  const VisionInputs in = make_vision_inputs(config, media);
  const VisionPlan plan = make_vision_plan(config, model_->weights, in.n_patches(), in.n_segments());
  ValueNamer namer;
  if (control.values != nullptr)
    namer = [&](const core::ValueInfo& info, const void* data) {
      const std::string_view rest =
          std::string_view(info.name).substr(info.name.find('.'));  // behind "vision"
      report_value(control, "vision." + std::string(modality) + std::string(rest), false, info, data);
    };
  if (!runner.run(plan.plan, bind(plan, in), control, progress, namer)) return false;

  std::vector<core::Value> features{plan.merger};
  features.insert(features.end(), plan.deepstack.begin(), plan.deepstack.end());
  std::int64_t first = 0;
  for (const std::size_t i : todo) {
    auto rows = std::make_shared<MediaRows>();
    const RowsShape shape = shape_of(items[i]);
    rows->hidden = shape.hidden;
    rows->rows = shape.rows;
    rows->values.reserve(shape.values());
    for (const core::Value feature : features) {
      const std::span<const float> all = runner.output(plan.plan, feature);
      const auto mine = all.subspan(static_cast<std::size_t>(first * shape.hidden),
                                    static_cast<std::size_t>(shape.rows * shape.hidden));
      rows->values.insert(rows->values.end(), mine.begin(), mine.end());
    }
    first += rows->rows;
    out[i] = std::move(rows);
  }
  return true;
}

RowsShape MediaEncoder::shape_of(const MediaItem& item) const {
  const VisionConfig& config = model_->config.vision;
  return {.rows = item.patches->grid.patches() / config.spatial_merge_unit(),
          .hidden = config.out_hidden_size,
          .features = 1 + static_cast<std::int64_t>(config.deepstack_visual_indexes.size())};
}

void MediaEncoder::keep(std::uint64_t hash, Rows rows, const MediaCost& untold) {
  std::erase_if(kept_, [&](const Entry& e) { return e.hash == hash; });
  kept_.push_front({hash, std::move(rows), untold});
  std::size_t bytes = 0;
  for (auto entry = kept_.begin(); entry != kept_.end(); ++entry) {
    bytes += entry->rows->values.size() * sizeof(float);
    if (bytes <= kKeptBytes || entry == kept_.begin()) continue;
    kept_.erase(entry, kept_.end());
    break;
  }
}

}  // namespace tarsier
