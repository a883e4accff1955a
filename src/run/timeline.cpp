#include "src/run/timeline.h"

#include <algorithm>
#include <chrono>

#include "ggml-like-core/base/error.h"
#include "src/run/row_files.h"

namespace tarsier {
namespace {

constexpr int kDefaultContext = 8192;
constexpr int kChunk = 512;
constexpr int kMoeChunk = 2048;
constexpr int kScoreChunk = 64;  // rows whose logits are held at once
// Kept: one token, with three numbers of guesses, a chunk, the rest of a prompt, one with pictures.
constexpr std::size_t kPlans = 7;

class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(&seconds) {}
  ~Stopwatch() {
    *seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double* seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::unique_ptr<RowStore> row_store(const LoadedModel& model, const SessionOptions& options,
                                    const char* kernels) {
  // The bits that OpenBLAS gives depend on what else is encoded at once.
  if (options.row_folder.empty() || options.row_bytes == 0 || options.blas) return nullptr;
  return std::make_unique<RowFiles>(model, options.row_folder, options.row_bytes, kernels);
}

}  // namespace

SessionOptions Timeline::resolve(const LoadedModel& model, SessionOptions options) {
  const TextConfig& c = model.config.text;
  if (options.context == 0)
    options.context = std::min(c.max_position_embeddings, std::max(kDefaultContext, options.expected));
  core::require(options.context > 0 && options.context <= c.max_position_embeddings, "context: found ",
                options.context, ", wanted 1 to the ", c.max_position_embeddings,
                " tokens that the model was made for");
  // Every expert is read for every chunk: longer ones read each for more tokens.
  if (options.chunk == 0) options.chunk = c.moe.num_experts > 0 ? kMoeChunk : kChunk;
  core::require(options.chunk > 0, "chunk: found ", options.chunk, ", wanted at least 1");
  options.chunk = std::min(options.chunk, options.context);
  if (!options.kv_type) {
    const bool exact = model.weights["blk.0.attn_q.weight"].dtype == core::DType::f32;
    const core::DType rounded = options.context > kDefaultContext ? core::DType::q8_0 : core::DType::f16;
    options.kv_type = exact ? core::DType::f32 : rounded;
  }
  return options;
}

Timeline::Timeline(const LoadedModel& model, const SessionOptions& options)
    : model_(&model),
      options_(resolve(model, options)),
      runner_(options.threads, options.isa, options.blas),
      encoder_(model, row_store(model, options, runner_.table().name)),
      ahead_(encoder_, runner_),
      cache_(model.config.text, options_.context, *options_.kv_type),
      rope_(model.config.text.rope_theta, model.config.text.head_dim, model.config.text.mrope_section,
            model.weights.rope_factors()) {
  runner_.fetch_experts(!model.fits_memory);
  ids_.reserve(static_cast<std::size_t>(options_.context));
  keys_.reserve(static_cast<std::size_t>(options_.context));
  places_.reserve(static_cast<std::size_t>(options_.context));
}

const TextPlan& Timeline::plan(const TextPlanOptions& options) {
  const auto at =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& p) { return p->options == options; });
  if (at != plans_.end()) {
    std::rotate(plans_.begin(), at, at + 1);  // latest first
    return *plans_.front();
  }
  if (plans_.size() == kPlans) plans_.pop_back();
  plans_.insert(plans_.begin(),
                std::make_unique<TextPlan>(make_text_plan(model_->config, model_->weights, options)));
  return *plans_.front();
}

void Timeline::lay_out(const Prompt& prompt, std::vector<Source>& sources, std::vector<Key>& keys) {
  const int unit = model_->config.vision.spatial_merge_unit();
  sources.resize(prompt.ids.size());
  keys.resize(prompt.ids.size());
  struct Cursor {
    const std::vector<Media>* media;
    int first_item;
    std::size_t item = 0;
    int row = 0;
  };
  Cursor cursors[] = {{&prompt.images, 0}, {&prompt.videos, static_cast<int>(prompt.images.size())}};
  for (std::size_t i = 0; i < prompt.ids.size(); ++i) {
    keys[i].id = prompt.ids[i];
    if (prompt.token_types[i] == 0) continue;
    Cursor& c = cursors[prompt.token_types[i] - 1];
    core::bug_if(c.item >= c.media->size(), "a prompt has more picture tokens than its pictures have rows");
    const Media& media = (*c.media)[c.item];
    sources[i] = {.item = c.first_item + static_cast<int>(c.item), .row = c.row};
    keys[i].media = media.hash;
    keys[i].row = c.row;
    if (++c.row == static_cast<int>(media.patches.grid.patches() / unit)) {
      ++c.item;
      c.row = 0;
    }
  }
  media_.assign(prompt.images.size() + prompt.videos.size(), nullptr);
}

bool Timeline::encode_media(const Prompt& prompt, std::span<const Source> sources, std::size_t from,
                            const RunControl& control) {
  std::vector<std::uint8_t> needed(media_.size());
  for (std::size_t i = from; i < sources.size(); ++i)
    if (sources[i].item >= 0) needed[static_cast<std::size_t>(sources[i].item)] = 1;
  const Stopwatch watch(stats_.image_seconds);
  if (!take_back_encoder(prompt, needed, control)) return false;
  std::size_t first = 0;
  for (const auto& [list, modality] :
       {std::pair(&prompt.images, "image"), std::pair(&prompt.videos, "video")}) {
    std::vector<MediaItem> items;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (needed[first + i] == 0) continue;
      items.push_back(item_of((*list)[i]));
      places.push_back(first + i);
    }
    first += list->size();
    if (items.empty()) continue;
    MediaCost cost;
    auto rows = encoder_.encode(items, modality, runner_, control, &cost);
    stats_.images += cost.images;
    stats_.clips += cost.clips;
    stats_.images_from_disk += cost.found;
    stats_.encoding_seconds += cost.seconds;
    if (rows.empty()) return false;
    for (std::size_t i = 0; i < rows.size(); ++i) media_[places[i]] = std::move(rows[i]);
  }
  return true;
}

bool Timeline::take_back_encoder(const Prompt& prompt, std::span<const std::uint8_t> needed,
                                 const RunControl& control) {
  const auto media = [&](std::size_t i) -> const Media& {
    return i < prompt.images.size() ? prompt.images[i] : prompt.videos[i - prompt.images.size()];
  };
  for (std::size_t i = 0; i < needed.size(); ++i)
    if (needed[i] != 0 && ahead_.has(media(i).hash)) return ahead_.finish(control);
  ahead_.stop();
  return true;
}

bool Timeline::read(const Prompt& prompt, std::span<const Source> sources, std::span<const Key> keys,
                    std::size_t begin, std::size_t end, int n_logits, const RunControl& control,
                    const std::function<void(double)>& progress) {
  const TextConfig& c = model_->config.text;
  const std::size_t n = end - begin;
  const bool observed = control.values != nullptr;
  const bool has_media = std::any_of(sources.begin() + static_cast<std::ptrdiff_t>(begin),
                                     sources.begin() + static_cast<std::ptrdiff_t>(end),
                                     [](const Source& s) { return s.item >= 0; });
  const TextPlan& p = plan({.n_tokens = static_cast<int>(n),
                            .n_logits = n_logits,
                            .media = has_media || (observed && model_->config.vision.present),
                            .every_norm = observed});
  core::Bindings bindings;
  bindings.kv = cache_.view(static_cast<int>(begin));

  std::vector<std::int32_t> ids(n);
  std::vector<float> cos(n * static_cast<std::size_t>(c.head_dim));
  std::vector<float> sin(cos.size());
  for (std::size_t i = 0; i < n; ++i) {
    ids[i] = prompt.ids[begin + i];
    const std::size_t row = i * static_cast<std::size_t>(c.head_dim);
    const auto [t, h, w] = place_of(prompt, begin + i);
    rope_.table(&cos[row], &sin[row], t, h, w);
  }
  bindings.bind(p.ids, ids.data());
  bindings.bind(p.rope_cos, cos.data());
  bindings.bind(p.rope_sin, sin.data());
  std::vector<std::int32_t> last_rows(static_cast<std::size_t>(n_logits));
  for (int i = 0; i < n_logits; ++i)
    last_rows[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(n) - n_logits + i;
  if (n_logits > 0) bindings.bind(p.last_rows, last_rows.data());

  const auto hidden = static_cast<std::size_t>(c.hidden_size);
  std::vector<std::int32_t> media_index;
  std::vector<std::vector<float>> features;  // of the merger, then DeepStack, for the rows of this chunk
  if (p.media_rows.present()) {
    media_index.assign(n, -1);
    features.assign(1 + p.deepstack.size(), std::vector<float>(n * hidden));
    for (std::size_t i = 0; i < n; ++i) {
      const Source& s = sources[begin + i];
      if (s.item < 0) continue;
      media_index[i] = static_cast<std::int32_t>(i);
      for (std::size_t f = 0; f < features.size(); ++f) {
        const float* row = media_[static_cast<std::size_t>(s.item)]->row(static_cast<int>(f), s.row);
        std::copy(row, row + hidden, features[f].begin() + static_cast<std::ptrdiff_t>(i * hidden));
      }
    }
    bindings.bind(p.media_index, media_index.data());
    bindings.bind(p.media_rows, features[0].data());
    for (std::size_t k = 0; k < p.deepstack.size(); ++k)
      bindings.bind(p.deepstack[k], features[k + 1].data());
  }
  for (std::size_t layer = 0; layer < p.forced.size(); ++layer) {
    if (!p.forced[layer].present()) continue;
    const auto rows = static_cast<std::size_t>(p.plan.graph.info(p.forced[layer]).rows);
    const std::size_t at = (begin + n - rows) * static_cast<std::size_t>(c.moe.num_experts_per_tok);
    bindings.bind(p.forced[layer],
                  control.forced_experts != nullptr ? (*control.forced_experts)[layer].data() + at : nullptr);
  }

  ValueNamer namer;
  if (observed)
    namer = [&](const core::ValueInfo& info, const void* data) {
      const bool tokens = info.name.find(".router.") == std::string::npos && info.name != "text.logits";
      report_value(control, info.name == "text.logits" ? "logits_last" : info.name, tokens, info, data);
    };
  if (!runner_.run(p.plan, bindings, control, progress, namer)) return false;
  last_plan_ = &p;
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  for (std::size_t i = begin; i < end; ++i) places_.push_back(place_of(prompt, i));
  keys_.insert(keys_.end(), keys.begin() + static_cast<std::ptrdiff_t>(begin),
               keys.begin() + static_cast<std::ptrdiff_t>(end));
  return true;
}

std::span<const float> Timeline::logits(int row, int n_rows) const {
  const auto vocab = static_cast<std::size_t>(model_->config.text.vocab_size);
  return runner_.output(last_plan_->plan, last_plan_->logits)
      .subspan(static_cast<std::size_t>(row) * vocab, static_cast<std::size_t>(n_rows) * vocab);
}

std::span<const float> Timeline::sync(const Prompt& prompt, const RunControl& control) {
  const std::size_t n = prompt.ids.size();
  core::require(n > 0, "the prompt is empty");
  core::require(n <= static_cast<std::size_t>(context()), "the prompt has ", n, " tokens, the context holds ",
                context());
  std::vector<Source> sources;
  std::vector<Key> keys;
  lay_out(prompt, sources, keys);
  const auto differ = std::mismatch(keys.begin(), keys.end() - 1, keys_.begin(), keys_.end())
                          .first;  // the last token is always read
  const std::size_t kept = control.values != nullptr ? 0 : static_cast<std::size_t>(differ - keys.begin());
  ids_.resize(kept);
  keys_.resize(kept);
  places_.resize(kept);
  if (kept <= shifted_from_) shifted_from_ = kNone;
  next_position_ = static_cast<int>(n) + prompt.positions.rope_delta;
  stats_.reused_tokens += static_cast<int>(kept);
  if (!encode_media(prompt, sources, kept, control)) return {};

  const Stopwatch watch(stats_.prompt_seconds);
  const std::size_t chunk = control.values != nullptr ? n : static_cast<std::size_t>(options_.chunk);
  for (std::size_t begin = kept; begin < n;) {
    const std::size_t end = std::min(begin + chunk, n);
    const int most = control.values != nullptr ? std::min(control.logits, static_cast<int>(n)) : 1;
    const auto progress = [&](double share) {
      if (control.progress == nullptr) return;
      const double done = static_cast<double>(begin - kept) + share * static_cast<double>(end - begin);
      control.progress->progress("prompt", done, static_cast<double>(n - kept));
    };
    if (!read(prompt, sources, keys, begin, end, end == n ? most : 0, control, progress)) return {};
    stats_.prompt_tokens += static_cast<int>(end - begin);
    begin = end;
  }
  return logits(last_plan_->options.n_logits - 1);
}

std::span<const float> Timeline::append(std::span<const int> ids, const RunControl& control) {
  const std::size_t n = ids.size();
  core::require(n <= static_cast<std::size_t>(context()) - ids_.size(), "the context of ", context(),
                " tokens is full");
  ahead_.stop();  // whose runner this needs
  const Stopwatch watch(stats_.decode_seconds);
  const TextConfig& c = model_->config.text;
  const TextPlan& p = plan({.n_tokens = static_cast<int>(n), .n_logits = static_cast<int>(n)});
  const auto head_dim = static_cast<std::size_t>(c.head_dim);
  decode_.ids.assign(ids.begin(), ids.end());
  decode_.rows.resize(n);
  decode_.cos.resize(n * head_dim);
  decode_.sin.resize(n * head_dim);
  for (std::size_t i = 0; i < n; ++i) {
    decode_.rows[i] = static_cast<std::int32_t>(i);
    const std::int32_t at = next_position_ + decode_.rows[i];
    rope_.table(&decode_.cos[i * head_dim], &decode_.sin[i * head_dim], at, at, at);
  }
  core::Bindings& b = decode_.bindings;
  b.kv = cache_.view(static_cast<int>(ids_.size()));
  b.bind(p.ids, decode_.ids.data());
  b.bind(p.rope_cos, decode_.cos.data());
  b.bind(p.rope_sin, decode_.sin.data());
  b.bind(p.last_rows, decode_.rows.data());
  for (std::size_t layer = 0; layer < p.forced.size(); ++layer) {
    if (!p.forced[layer].present()) continue;
    const auto top_k = static_cast<std::size_t>(c.moe.num_experts_per_tok);
    const std::size_t at = ids_.size() * top_k;
    const bool forced =
        control.forced_experts != nullptr && at + n * top_k <= (*control.forced_experts)[layer].size();
    b.bind(p.forced[layer], forced ? (*control.forced_experts)[layer].data() + at : nullptr);
  }
  RunControl quiet = control;
  quiet.values = nullptr;
  if (!runner_.run(p.plan, b, quiet)) return {};
  last_plan_ = &p;
  for (const int id : ids) {
    ids_.push_back(id);
    keys_.push_back({.id = id});
    places_.push_back({next_position_, next_position_, next_position_});
    ++next_position_;
  }
  stats_.decoded_tokens += static_cast<int>(n);
  stats_.proposed_tokens += static_cast<int>(n) - 1;
  stats_.accepted_tokens += static_cast<int>(n) - 1;
  return logits(0, static_cast<int>(n));
}

void Timeline::truncate(std::size_t length) {
  const auto taken_back = static_cast<int>(ids_.size() - length);
  core::bug_if(taken_back < 0 || (taken_back > 0 && taken_back > last_plan_->options.n_logits),
               "more tokens taken back than the latest append has read");
  ids_.resize(length);
  keys_.resize(length);
  places_.resize(length);
  next_position_ -= taken_back;
  stats_.decoded_tokens -= taken_back;
  stats_.accepted_tokens -= taken_back;
}

bool Timeline::read_all(const Prompt& prompt, const RowLogits& rows, const RunControl& control) {
  const std::size_t n = prompt.ids.size();
  core::require(n > 0, "the prompt is empty");
  core::require(n <= static_cast<std::size_t>(context()), "the prompt has ", n, " tokens, the context holds ",
                context());
  std::vector<Source> sources;
  std::vector<Key> keys;
  lay_out(prompt, sources, keys);
  ids_.clear();
  keys_.clear();
  places_.clear();
  shifted_from_ = kNone;
  next_position_ = static_cast<int>(n) + prompt.positions.rope_delta;
  RunControl unwatched = control;
  unwatched.values = nullptr;
  if (!encode_media(prompt, sources, 0, unwatched)) return false;
  const Stopwatch watch(stats_.prompt_seconds);
  for (std::size_t begin = 0; begin < n;) {
    const std::size_t end = std::min(begin + kScoreChunk, n);
    const auto progress = [&](double share) {
      if (control.progress != nullptr)
        control.progress->progress("prompt",
                                   static_cast<double>(begin) + share * static_cast<double>(end - begin),
                                   static_cast<double>(n));
    };
    if (!read(prompt, sources, keys, begin, end, static_cast<int>(end - begin), unwatched, progress))
      return false;
    for (std::size_t i = begin; i < end; ++i) rows(static_cast<int>(i), logits(static_cast<int>(i - begin)));
    stats_.prompt_tokens += static_cast<int>(end - begin);
    begin = end;
  }
  return true;
}

}  // namespace tarsier
