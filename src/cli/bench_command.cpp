// tarsier bench: how fast a model runs here, beside what this machine could do at most.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ggml-like-core/backend/cpu/machine_limits.h"
#include "ggml-like-core/base/cpu_features.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/thread_team.h"
#include "ggml-like-core/graph/cost.h"
#include "ggml-like-core/kernels/select.h"
#include "src/cli/commands.h"
#include "src/cli/common_flags.h"
#include "src/cli/picture_plan.h"
#include "src/cli/terminal.h"
#include "src/engine.h"
#include "src/model/loaded_model.h"
#include "src/model/text.h"
#include "src/model/vision.h"

namespace tarsier::cli {
namespace {

using core::Cost;
using core::MachineLimits;
using nlohmann::json;

constexpr const char* kQuestion = "Describe this picture.";
constexpr int kQuestionTokens = 64;  // with its template, at most

struct BenchFlags {
  SessionFlags session;
  int prompt = 512, generate = 64, depth = 0, repeat = 3;
  std::string image;
  bool json = false;
};

// What one pass must do, and the least seconds that takes.
struct Work {
  double ops = 0, bytes = 0, compute_seconds = 0;

  void add(const Cost& c, const MachineLimits& limits) {
    ops += c.ops;
    bytes += c.bytes;
    compute_seconds += c.ops / (!core::info(c.dtype).is_float ? limits.int8_ops
                                : c.dtype == core::DType::f32 ? limits.f32_ops
                                                              : limits.half_ops);
  }
  void add(const Work& other) {
    ops += other.ops;
    bytes += other.bytes;
    compute_seconds += other.compute_seconds;
  }
  double least_seconds(const MachineLimits& limits) const {
    return std::max(compute_seconds, bytes / limits.bytes);
  }
};

Work work_of(const core::Plan& plan, const core::KvView& kv, const MachineLimits& limits) {
  Work work;
  for (const core::Node& node : plan.graph.nodes) work.add(core::cost(plan.graph, node, kv), limits);
  return work;
}

// Of the text model: n tokens behind past ones, read at once, and the logits of the last.
Work text_work(const LoadedModel& model, const MachineLimits& limits, core::DType kv_type, int past, int n) {
  const TextPlan plan = make_text_plan(model.config, model.weights, {.n_tokens = n, .n_logits = 1});
  return work_of(plan.plan, {.layers = {}, .dtype = kv_type, .capacity = 0, .past = past}, limits);
}

// One measured thing: seconds of each repeat, and what was done in each of them.
struct Measured {
  std::vector<double> seconds;
  int tokens = 0;
  Work work;

  double median() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t half = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
  double least() const { return *std::min_element(seconds.begin(), seconds.end()); }
  double most() const { return *std::max_element(seconds.begin(), seconds.end()); }
  double share(const MachineLimits& limits) const { return work.least_seconds(limits) / median(); }
  json to_json(const MachineLimits& limits) const {
    const double s = median();
    return {{"tokens", tokens},
            {"seconds", s},
            {"seconds_min", least()},
            {"seconds_max", most()},
            {"tokens_per_second", tokens / s},
            {"gops", work.ops / s / 1e9},
            {"gb_per_second", work.bytes / s / 1e9},
            {"limit_seconds", work.least_seconds(limits)},
            {"share_of_limit", share(limits)}};
  }
};

template <class Body>
double seconds_of(const Body& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Everything that is measured with one model.
class Bench {
 public:
  Bench(const BenchFlags& flags, ProgressBar& bar, const std::atomic<bool>* cancel)
      : flags_(flags),
        control_{.progress = &bar, .cancel = cancel},
        model_(open_model(flags.session, Fetch::text)),
        table_(&core::selected_table()) {
    if (!flags.image.empty()) {
      size_ = picture_size("--image", flags.image);
      grid_ = image_grid(model_->config().processor, size_->height, size_->width);
    }
    options_ = Timeline::resolve(model_->loaded(),
                                 session_options(flags.session, static_cast<std::size_t>(tokens())));
    core::require(tokens() <= options_.context, "the context holds ", options_.context,
                  " tokens, these measurements want ", tokens());
  }

  // False: interrupted.
  bool run() {
    control_.progress->progress("limits", 0, 1);
    core::ThreadTeam team(options_.threads);
    limits_ = core::measure_limits(*table_, team);
    threads_ = team.threads();
    control_.progress->progress("limits", 1, 1);
    if (size_ && !run_image()) return false;
    return (flags_.prompt == 0 || run_prompt()) && (flags_.generate == 0 || run_generate());
  }

  json to_json() const;
  std::string to_text() const;

 private:
  // Tokens before the first that is generated and timed: the prompt, which is not empty, and one more.
  static int begin_of(const BenchFlags& flags) { return std::max(1, flags.depth) + 1; }
  // Most tokens that are in the cache at once.
  int tokens() const {
    const std::int64_t picture = grid_.patches() / model_->config().vision.spatial_merge_unit();
    return std::max({flags_.prompt, flags_.generate > 0 ? begin_of(flags_) + flags_.generate : 0,
                     size_ ? static_cast<int>(picture) + kQuestionTokens : 0});
  }

  // Text of n random tokens; other ones each time.
  Prompt random_prompt(int n) {
    Prompt prompt;
    const auto count = static_cast<std::size_t>(n);
    prompt.ids.resize(count);
    for (int& id : prompt.ids) id = random_id();
    prompt.token_types.assign(count, 0);
    prompt.answer.assign(count, 0);
    prompt.positions = mrope_positions(prompt.token_types, {}, {}, 1);
    return prompt;
  }
  int random_id() {
    return std::uniform_int_distribution<int>(0, model_->config().text.vocab_size - 1)(random_);
  }
  Image random_picture() {
    Image image{.width = size_->width, .height = size_->height, .rgb = {}};
    image.rgb.resize(3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
    for (auto& byte : image.rgb) byte = static_cast<std::uint8_t>(random_() >> 24);
    return image;
  }

  bool run_prompt();
  bool run_generate();
  bool run_image();

  const BenchFlags& flags_;
  RunControl control_;
  std::shared_ptr<const Model> model_;
  SessionOptions options_;
  const core::KernelTable* table_;
  int threads_ = 0;
  std::optional<Size> size_;
  std::mt19937 random_{1};
  MachineLimits limits_;
  std::optional<Measured> prompt_, generate_, image_, first_token_;
  double processor_seconds_ = 0;
  Grid grid_;
};

bool Bench::run_prompt() {
  Session session(model_, options_);
  if (session.sync(random_prompt(std::min(flags_.prompt, 16)), control_).empty()) return false;  // warms up
  Measured m{.seconds = {}, .tokens = flags_.prompt, .work = {}};
  for (int i = 0; i < flags_.repeat; ++i) {
    const Prompt prompt = random_prompt(flags_.prompt);
    bool done = false;
    m.seconds.push_back(seconds_of([&] { done = !session.sync(prompt, control_).empty(); }));
    if (!done) return false;
  }
  m.work = text_work(model_->loaded(), limits_, *options_.kv_type, 0, flags_.prompt);
  prompt_ = m;
  return true;
}

bool Bench::run_generate() {
  Session session(model_, options_);
  const Prompt prompt = random_prompt(begin_of(flags_) - 1);
  Measured m{.seconds = {}, .tokens = flags_.generate, .work = {}};
  for (int i = 0; i < flags_.repeat; ++i) {
    // All but the last token of the prompt are still in the cache after the first time.
    if (session.sync(prompt, control_).empty()) return false;
    RunControl quiet = control_;
    quiet.progress = nullptr;
    if (session.append(random_id(), quiet).empty()) return false;  // makes the plan
    bool done = true;
    m.seconds.push_back(seconds_of([&] {
      for (int t = 0; done && t < flags_.generate; ++t) done = !session.append(random_id(), quiet).empty();
    }));
    if (!done) return false;
    control_.progress->progress("generate", i + 1, flags_.repeat);
  }
  // Of the token in the middle, for all.
  const Work one =
      text_work(model_->loaded(), limits_, *options_.kv_type, begin_of(flags_) + flags_.generate / 2, 1);
  const double n = flags_.generate;
  m.work = {.ops = n * one.ops, .bytes = n * one.bytes, .compute_seconds = n * one.compute_seconds};
  generate_ = m;
  return true;
}

bool Bench::run_image() {
  const LoadedModel& model = model_->loaded();
  const VisionConfig& vision = model.config.vision;
  Measured image;
  Measured answer;
  std::vector<double> processor_seconds;
  for (int i = 0; i < flags_.repeat; ++i) {
    Session session(model_, options_);
    Prompt prompt;
    Image picture = random_picture();
    processor_seconds.push_back(seconds_of([&] {
      prompt = build_prompt(model.prompt_context(), question(kQuestion, {"random pixels"}), {},
                            [&](const std::string&) { return std::move(picture); });
    }));
    if (session.sync(prompt, control_).empty()) return false;
    const SessionStats& stats = session.stats();
    image.seconds.push_back(stats.image_seconds);
    answer.seconds.push_back(processor_seconds.back() + stats.image_seconds + stats.prompt_seconds);
    answer.tokens = static_cast<int>(prompt.ids.size());
  }
  processor_seconds_ = Measured{.seconds = processor_seconds, .tokens = 0, .work = {}}.median();
  image.tokens = static_cast<int>(grid_.patches() / vision.spatial_merge_unit());
  const VisionPlan plan = make_vision_plan(vision, model.weights, static_cast<int>(grid_.patches()), 1);
  image.work = work_of(plan.plan, {}, limits_);
  answer.work = text_work(model, limits_, *options_.kv_type, 0, answer.tokens);
  answer.work.add(image.work);
  image_ = image;
  first_token_ = answer;
  return true;
}

json Bench::to_json() const {
  const LoadedModel& model = model_->loaded();
  json out = {{"model",
               {{"file", model_->path()},
                {"name", model.config.name},
                {"architecture", model.config.architecture()},
                {"layers", model.config.text.num_hidden_layers},
                {"bytes", model.weights.bytes()}}},
              {"machine",
               {{"isa", table_->name},
                {"processor", core::cpu_features_text(core::cpu_features())},
                {"threads", threads_},
                {"gb_per_second", limits_.bytes / 1e9},
                {"f32_gops", limits_.f32_ops / 1e9},
                {"half_gops", limits_.half_ops / 1e9},
                {"int8_gops", limits_.int8_ops / 1e9}}},
              {"repeat", flags_.repeat}};
  if (image_) {
    json& image = out["image"] = image_->to_json(limits_);
    image["width"] = size_->width;
    image["height"] = size_->height;
    image["patches"] = grid_.patches();
    image["processor_seconds"] = processor_seconds_;
  }
  if (first_token_) out["first_token"] = first_token_->to_json(limits_);
  if (prompt_) out["prompt"] = prompt_->to_json(limits_);
  if (generate_) {
    json& generate = out["generate"] = generate_->to_json(limits_);
    generate["depth"] = flags_.depth;
    generate["kv_type"] = core::info(*options_.kv_type).name;
  }
  return out;
}

std::string Bench::to_text() const {
  std::string text = fmt::format(
      "{}: {}, kernels {}, {} thread{}\n"
      "limits: memory {:.1f} GB/s, int8 {:.0f} GOP/s, 16 bit {:.0f} GOP/s, f32 {:.0f} GOP/s\n\n"
      "{:<20} {:>7} {:>9} {:>19} {:>9} {:>7} {:>8} {:>6}\n",
      model_->path(), bytes_text(static_cast<double>(model_->loaded().weights.bytes())), table_->name,
      threads_, threads_ == 1 ? "" : "s", limits_.bytes / 1e9, limits_.int8_ops / 1e9, limits_.half_ops / 1e9,
      limits_.f32_ops / 1e9, "", "tokens", "seconds", "min .. max", "tok/s", "GB/s", "GOP/s", "limit");
  const auto row = [&](const std::string& name, const Measured& m) {
    const double s = m.median();
    text += fmt::format("{:<20} {:>7} {:>9.3f} {:>19} {:>9.1f} {:>7.1f} {:>8.0f} {:>4.0f} %\n", name,
                        m.tokens, s, fmt::format("{:.3f} .. {:.3f}", m.least(), m.most()), m.tokens / s,
                        m.work.bytes / s / 1e9, m.work.ops / s / 1e9, 100 * m.share(limits_));
  };
  if (image_) row(fmt::format("image {}x{}", size_->width, size_->height), *image_);
  if (first_token_) row("first token", *first_token_);
  if (prompt_) row("prompt", *prompt_);
  if (generate_) row(flags_.depth > 0 ? fmt::format("generate at {}", flags_.depth) : "generate", *generate_);
  return text;
}

int bench(const BenchFlags& flags) {
  const std::atomic<bool>* cancel = cancel_on_interrupt();
  std::string text;
  {
    ProgressBar bar;
    Bench bench(flags, bar, cancel);
    if (!bench.run()) return kInterrupted;
    text = flags.json ? bench.to_json().dump(1, ' ', false, json::error_handler_t::replace) + "\n"
                      : bench.to_text();
  }
  print(text);
  return kOk;
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("bench", "Measures how fast a model runs here, beside what this machine could do");
  const auto flags = std::make_shared<BenchFlags>();
  add_model_flag(*command, flags->session);
  const auto number = [&](const char* name, int& value, const char* description,
                          const CLI::Validator& check) {
    command->add_option(name, value, description)->check(check)->capture_default_str()->type_name("N");
  };
  number("--prompt", flags->prompt, "Tokens of the prompt; 0: none", CLI::NonNegativeNumber);
  number("--generate", flags->generate, "Tokens generated one by one; 0: none", CLI::NonNegativeNumber);
  number("--depth", flags->depth, "Tokens before those that are generated", CLI::NonNegativeNumber);
  command
      ->add_option("--image", flags->image,
                   "Also encode a picture of random pixels, and read a question about it")
      ->type_name("WxH");
  number("--repeat", flags->repeat, "How often each is measured; the median counts", CLI::PositiveNumber);
  command->add_flag("--json", flags->json,
                    "Print one JSON object: model, machine, image, first_token, prompt, generate");
  add_session_flags(*command, flags->session);
  command->footer(
      "Examples:\n"
      "  tarsier bench -m model.gguf\n"
      "  tarsier bench -m model.gguf --image 1024x1024 --prompt 2048 --generate 32 --depth 8192 --json\n"
      "\nThe limit is what the memory (weights and the cache, read once) or the arithmetic of this machine\n"
      "allows, measured first; its share is the time that needs over the time it took. The tokens are\n"
      "random. Nothing else should run meanwhile.");
  command->callback([flags, &action] { action = [flags] { return bench(*flags); }; });
}

}  // namespace tarsier::cli
