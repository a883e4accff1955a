#include "src/run/media_encoder.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "src/model/vision.h"
#include "src/run/encode_need.h"

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
  const auto streamed = std::stable_partition(todo.begin(), todo.end(),
                                              [&](std::size_t i) { return items[i].clip == nullptr; });
  const std::vector<std::size_t> clips(streamed, todo.end());
  todo.erase(streamed, todo.end());
  for (std::size_t begin = 0; begin < todo.size();) {
    std::int64_t batch = 0;
    std::size_t end = begin;
    while (end < todo.size()) {
      const std::int64_t more = items[todo[end]].patches->grid.patches();
      if (end > begin && batch + more > kBatchPatches && control.values == nullptr) break;
      batch += more;
      ++end;
    }
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
  const int most = control.values != nullptr
                       ? grid.t
                       : static_cast<int>(std::clamp<std::int64_t>(
                             kBatchPatches / (std::int64_t{grid.h} * grid.w), 1, grid.t));
  auto rows = std::make_shared<MediaRows>();
  rows->rows = shape.rows;
  rows->hidden = shape.hidden;
  rows->values.resize(shape.values());
  ClipStream stream(item.clip);
  for (int first = 0; first < grid.t;) {
    Patches part;
    part.grid = {std::min(most, grid.t - first), grid.h, grid.w};
    part.resized = item.patches->resized;
    if (!stream.read(part.grid.t, part.values, control.cancel)) return nullptr;
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
  std::int64_t n_patches = 0;
  bool still = true;
  for (const std::size_t i : todo) {
    media.push_back(items[i].patches);
    n_patches += items[i].patches->grid.patches();
    still = still && items[i].patches->still;
  }
  require_memory(*model_, runner, n_patches, still);
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
