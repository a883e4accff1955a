#include "src/run/encode_need.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/system_memory.h"
#include "src/input/resize.h"
#include "src/model/vision.h"

namespace tarsier {
namespace {

constexpr double kShareOfFree = 0.95;
constexpr int kProbeSide =
    44;  // in patches: 1,936 together, whose keys and values do not fit the first caches
constexpr double kMega = 1e6;

template <class Body>
double seconds_of(const Body& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

VisionPlan plan_of(const LoadedModel& model, std::int64_t n_patches, std::int64_t n_segments) {
  return make_vision_plan(model.config.vision, model.weights, static_cast<int>(n_patches),
                          static_cast<int>(n_segments));
}

// Kinds of operations that are as fast as each other.
struct Kinds {
  double products = 0, attention = 0, others = 0;

  void add(const core::Node& node, double amount_of_work, double amount_else) {
    if (std::holds_alternative<core::SegmentAttention>(node.op))
      attention += amount_of_work;
    else if (std::holds_alternative<core::MatMul>(node.op))
      products += amount_of_work;
    else
      others += amount_else;
  }
};

// Operations of products and attention, bytes of the others.
Kinds work_of(const core::Graph& graph) {
  Kinds out;
  for (const core::Node& node : graph.nodes) {
    double bytes = 0;
    for (const core::Value v : node.outputs) bytes += static_cast<double>(graph.info(v).bytes());
    out.add(node, core::op_work(graph, node, 0), bytes);
  }
  return out;
}

Patches random_patches(const ProcessorConfig& processor) {
  const int side = kProbeSide / processor.merge_size * processor.merge_size;
  Patches out{.values = {}, .grid = {1, side, side}, .still = true};
  const std::int64_t values =
      std::int64_t{3} * processor.temporal_patch_size * processor.patch_size * processor.patch_size;
  out.values.resize(static_cast<std::size_t>(out.grid.patches() * values));
  std::mt19937 random(1);  // the same each time
  for (float& x : out.values) x = static_cast<float>(random()) / static_cast<float>(std::mt19937::max());
  return out;
}

std::int64_t tokens_of(const LoadedModel& model, std::int64_t patches) {
  return patches / model.config.vision.spatial_merge_unit();
}

std::uint64_t row_bytes(const VisionConfig& c, std::int64_t patches) {
  const std::size_t features = 1 + c.deepstack_visual_indexes.size();
  return static_cast<std::uint64_t>(patches / c.spatial_merge_unit() * c.out_hidden_size) * features *
         sizeof(float);
}

// The largest n of [1, most] for which fits(n), which holds for all below it, too; 0: for none.
template <class Fits>
std::int64_t largest(std::int64_t most, const Fits& fits) {
  std::int64_t least = 0;
  while (least < most) {
    const std::int64_t middle = least + (most - least + 1) / 2;
    if (fits(middle))
      least = middle;
    else
      most = middle - 1;
  }
  return least;
}

// Bytes of a run and its rows that are not there yet.
std::uint64_t wanted(const LoadedModel& model, const Runner& runner, std::int64_t n_patches, bool still) {
  const std::uint64_t inputs = vision_inputs_bytes(model.config.vision, n_patches, still);
  const std::uint64_t memory = run_bytes(model, runner, n_patches, still) - inputs;
  return inputs + memory - std::min(memory, runner.held()) + row_bytes(model.config.vision, n_patches);
}

}  // namespace

EncodeSpeed measure_encode_speed(const LoadedModel& model, Runner& runner) {
  core::require(model.config.vision.present, "this model reads text only: it encodes no pictures");
  VisionConfig config = model.config.vision;
  config.depth = 1;
  const Patches patches = random_patches(model.config.processor);
  const Patches* const media[] = {&patches};
  const auto n = static_cast<int>(patches.grid.patches());
  VisionInputs in;
  EncodeSpeed speed;
  const VisionPlan plan = make_vision_plan(config, model.weights, n, 1);
  const Kinds work = work_of(plan.plan.graph);
  Kinds seconds;
  for (int pass = 0; pass < 2; ++pass) {  // the first one fetches the weights
    const double layout = seconds_of([&] { in = make_vision_inputs(config, media); });
    speed.patches = std::max(speed.patches, n / layout);
    const std::vector<double> measured = runner.seconds_of_nodes(plan.plan, bind(plan, in));
    Kinds now;
    for (std::size_t i = 0; i < measured.size(); ++i)
      now.add(plan.plan.graph.nodes[i], measured[i], measured[i]);
    if (pass == 0 ||
        now.products + now.attention + now.others < seconds.products + seconds.attention + seconds.others)
      seconds = now;
  }
  speed.products = work.products / seconds.products;
  speed.attention = work.attention / seconds.attention;
  speed.others = work.others / seconds.others;
  return speed;
}

double encode_seconds(const LoadedModel& model, const EncodeSpeed& speed, std::int64_t n_patches,
                      std::int64_t n_segments) {
  const Kinds work = work_of(plan_of(model, n_patches, n_segments).plan.graph);
  return work.products / speed.products + work.attention / speed.attention + work.others / speed.others +
         static_cast<double>(n_patches) / speed.patches;
}

std::uint64_t run_bytes(const LoadedModel& model, const Runner& runner, std::int64_t n_patches, bool still) {
  // As many segments as there can be: each adds little.
  const std::int64_t segments = still ? 1 : std::max<std::int64_t>(1, tokens_of(model, n_patches));
  return vision_inputs_bytes(model.config.vision, n_patches, still) +
         runner.bytes(plan_of(model, n_patches, segments).plan);
}

bool fits_memory(const LoadedModel& model, const Runner& runner, std::int64_t n_patches, bool still,
                 std::uint64_t free) {
  return wanted(model, runner, n_patches, still) <= free;
}

void require_memory(const LoadedModel& model, const Runner& runner, std::int64_t n_patches, bool still,
                    std::uint64_t free) {
  const std::uint64_t wants = wanted(model, runner, n_patches, still);
  if (wants <= free) return;
  const int unit = model.config.vision.spatial_merge_unit();
  const std::int64_t most = largest(tokens_of(model, n_patches), [&](std::int64_t tokens) {
    return fits_memory(model, runner, tokens * unit, still, free);
  });
  core::fail(still ? "a picture of " : "a part of a clip of ", tokens_of(model, n_patches), " tokens wants ",
             std::ceil(static_cast<double>(wants) / kMega), " MB to be encoded, ",
             std::floor(static_cast<double>(free) / kMega), " MB are free: the largest that fits has ", most,
             " tokens");
}

std::uint64_t PictureNeed::peak() const {
  return std::max(resize_bytes, patch_bytes + run_bytes + row_bytes);
}

PictureNeed picture_need(const LoadedModel& model, const Runner& runner, const ProcessorConfig& processor,
                         Size original) {
  const VisionConfig& c = model.config.vision;
  const Grid grid = image_grid(processor, original.height, original.width);
  PictureNeed out{.original = original,
                  .resized = {grid.h * processor.patch_size, grid.w * processor.patch_size},
                  .patches = grid.patches(),
                  .tokens = tokens_of(model, grid.patches())};
  out.patch_bytes =
      static_cast<std::uint64_t>(out.patches * c.patch_values() * c.temporal_patch_size) * sizeof(float);
  out.resize_bytes = resize_bytes(original.height, original.width, out.resized.width) + out.patch_bytes;
  out.run_bytes = run_bytes(model, runner, out.patches, true);
  out.row_bytes = row_bytes(c, out.patches);
  return out;
}

std::optional<PixelLimits> fitting_limits(const LoadedModel& model, const Runner& runner,
                                          const ProcessorConfig& processor, Size original,
                                          const Allowed& allowed) {
  const std::int64_t pixels = processor.token_pixels();
  const auto limits = [&](std::int64_t tokens) {
    return PixelWish{.max_pixels = std::min(processor.image.max_pixels, tokens * pixels)}.over(
        processor.image);
  };
  const auto fits = [&](std::int64_t tokens) {
    ProcessorConfig smaller = processor;
    smaller.image = limits(tokens);
    const PictureNeed need = picture_need(model, runner, smaller, original);
    const std::uint64_t beside =
        static_cast<std::uint64_t>(allowed.beside) * (need.patch_bytes + need.row_bytes);
    return need.peak() + beside <= allowed.bytes &&
           (!allowed.seconds || encode_seconds(model, allowed.speed, need.patches, 1) <= *allowed.seconds);
  };
  const std::int64_t most = largest((processor.image.max_pixels + pixels - 1) / pixels, fits);
  if (most == 0) return std::nullopt;
  return limits(most);
}

ClipNeed clip_need(const LoadedModel& model, const Runner& runner, const ProcessorConfig& processor,
                   const VideoInfo& source, const ClipOptions& options) {
  const VisionConfig& c = model.config.vision;
  ClipNeed out{.original = source.size, .form = clip_form(processor, source, options)};
  out.patches = out.form.grid.patches();
  out.tokens = tokens_of(model, out.patches);
  const std::int64_t one = out.patches / out.form.grid.t;
  out.bytes = static_cast<std::uint64_t>(one * c.patch_values() * c.temporal_patch_size) * sizeof(float) +
              run_bytes(model, runner, one, false) + row_bytes(c, out.patches);
  return out;
}

std::optional<ClipOptions> fitting_options(const LoadedModel& model, const Runner& runner,
                                           const ProcessorConfig& processor, const VideoInfo& source,
                                           const ClipOptions& options, const Allowed& allowed) {
  const std::int64_t usual = options.max_pixels.value_or(processor.video.max_pixels);
  const auto with = [&](std::int64_t tokens) {
    ClipOptions out = options;
    out.max_pixels = std::min(usual, tokens * processor.token_pixels() * processor.temporal_patch_size);
    return out;
  };
  const auto fits = [&](std::int64_t tokens) {
    const ClipNeed need = clip_need(model, runner, processor, source, with(tokens));
    return need.bytes <= allowed.bytes &&
           (!allowed.seconds ||
            encode_seconds(model, allowed.speed, need.patches, need.form.grid.t) <= *allowed.seconds);
  };
  const std::int64_t most =
      largest(usual / (processor.token_pixels() * processor.temporal_patch_size) + 1, fits);
  if (most == 0) return std::nullopt;
  return with(most);
}

std::uint64_t memory_for_pictures() {
  return static_cast<std::uint64_t>(kShareOfFree * static_cast<double>(core::available_memory()));
}

}  // namespace tarsier
