// tarsier inspect: what a file holds, what running it will need, and which kernels this machine would use.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>

#include "ggml-like-core/base/cpu_features.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/gguf/reader.h"
#include "ggml-like-core/kernels/select.h"
#include "ggml-like-core/quant/formats.h"
#include "src/cli/commands.h"
#include "src/cli/common_flags.h"
#include "src/cli/picture_plan.h"
#include "src/cli/terminal.h"
#include "src/engine.h"

namespace tarsier::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kShownElements = 8;  // of an array
constexpr std::size_t kShownText = 100;    // bytes of a string

struct InspectFlags {
  SessionFlags session;
  SizeFlags sizes;
  std::string image;
  bool plan = false;
  bool tensors = false;
  bool json = false;
};

// Weights and bytes of a part of the model.
struct Part {
  std::int64_t weights = 0;
  std::uint64_t bytes = 0;
  void add(const core::GgufTensor& tensor) {
    weights += tensor.row_length() * tensor.rows();
    bytes += tensor.bytes;
  }
  double bits_per_weight() const {
    return weights > 0 ? 8.0 * static_cast<double>(bytes) / static_cast<double>(weights) : 0;
  }
};
struct Parts {
  Part total, text, vision;
};

// The file, and that of --mmproj behind it.
using Files = std::vector<const core::GgufReader*>;

std::vector<core::GgufTensor> tensors_of(const Files& files) {
  std::vector<core::GgufTensor> all;
  for (const core::GgufReader* file : files)
    all.insert(all.end(), file->tensors().begin(), file->tensors().end());
  return all;
}

Parts measure(const Files& files) {
  Parts parts;
  for (const core::GgufTensor& tensor : tensors_of(files)) {
    parts.total.add(tensor);
    (is_vision_name(tensor.name) ? parts.vision : parts.text).add(tensor);
  }
  return parts;
}

std::string path_of(const Files& files) {
  return files.front()->path() + (files.size() > 1 ? " with " + files.back()->path() : "");
}

std::size_t bytes_of(const Files& files) {
  std::size_t bytes = 0;
  for (const core::GgufReader* file : files) bytes += file->file().bytes().size();
  return bytes;
}

// Of the first file; of the second what only that says.
std::map<std::string, core::GgufValue, std::less<>> metadata_of(const Files& files) {
  auto all = files.front()->metadata();
  for (const core::GgufReader* file : files) all.insert(file->metadata().begin(), file->metadata().end());
  return all;
}

std::string type_name(core::DType dtype) {
  return core::format_index(dtype) ? std::string(core::info(dtype).name)
                                   : "type " + std::to_string(static_cast<unsigned>(dtype));
}

// "Q8_0 197, F32 120": how many tensors of each type.
std::string types_text(const Files& files) {
  std::map<std::string, int> counts;
  for (const core::GgufTensor& tensor : tensors_of(files)) ++counts[type_name(tensor.dtype)];
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
  return text;
}

json value_json(const core::GgufValue& value) {
  return std::visit([](const auto& v) { return json(v); }, value);
}

std::string value_text(const core::GgufValue& value) {
  json shown = value_json(value);
  if (shown.is_string() && shown.get_ref<const std::string&>().size() > kShownText)
    shown = shown.get_ref<const std::string&>().substr(0, kShownText) + "...";
  const auto dump = [](const json& x) { return x.dump(-1, ' ', false, json::error_handler_t::replace); };
  if (!shown.is_array() || shown.size() <= kShownElements) return dump(shown);
  std::string text = "[";
  for (std::size_t i = 0; i < kShownElements; ++i) text += dump(shown[i]) + ", ";
  return fmt::format("{}... {} in all]", text, shown.size());
}

// The model, or why it cannot run.
struct Opened {
  std::shared_ptr<const Model> model;
  std::string error;
};
Opened try_open(const SessionFlags& flags) {
  try {
    return {open_model(flags, Fetch::nothing), ""};
  } catch (const core::Error& error) {
    return {nullptr, error.what()};
  }
}

// Of a picture of --image.
struct PictureReport {
  PictureNeed need;
  double seconds = 0;
  std::uint64_t free = 0;
};
PictureReport picture_report(const std::shared_ptr<const Model>& opened, const InspectFlags& flags) {
  const LoadedModel& model = opened->loaded();
  Runner runner(flags.session.threads, "");
  std::optional<EncodeSpeed> speed;  // --fit measures it, too; either refuses a model without a tower
  if (!flags.sizes.fits()) speed = measure_encode_speed(model, runner);
  const Size size = picture_size("--image", flags.image);
  PictureSizes sizes(opened, flags.sizes, session_options(flags.session));
  const PictureSizes::Choice chosen = sizes.choose(flags.image, size);
  ProcessorConfig processor = model.config.processor;
  processor.image = chosen.limits;
  const PictureNeed need = picture_need(model, runner, processor, size);
  return {.need = need,
          .seconds = speed ? encode_seconds(model, *speed, need.patches, 1) : chosen.seconds,
          .free = memory_for_pictures()};
}

json picture_json(const PictureReport& report) {
  const PictureNeed& need = report.need;
  return {{"width", need.original.width},
          {"height", need.original.height},
          {"seen_width", need.resized.width},
          {"seen_height", need.resized.height},
          {"patches", need.patches},
          {"tokens", need.tokens},
          {"seconds", report.seconds},
          {"memory",
           {{"resize", need.resize_bytes},
            {"patches", need.patch_bytes},
            {"run", need.run_bytes},
            {"rows", need.row_bytes},
            {"peak", need.peak()}}},
          {"free", report.free}};
}

std::string picture_text(const PictureReport& report) {
  const PictureNeed& need = report.need;
  const auto row = [](const char* name, std::uint64_t bytes) {
    return fmt::format("  {:<12} {:>10}\n", name, bytes_text(static_cast<double>(bytes)));
  };
  const bool fits = need.peak() <= report.free;
  return fmt::format("\nPicture {}\n", plan_text("of", need, report.seconds)) +
         row("resizing", need.resize_bytes) + row("patches", need.patch_bytes) +
         row("encoding", need.run_bytes) + row("rows", need.row_bytes) + row("at most", need.peak()) +
         row(fits ? "free" : "only free", report.free);
}

json part_json(const Part& part) {
  return {{"weights", part.weights}, {"bytes", part.bytes}, {"bits_per_weight", part.bits_per_weight()}};
}

json to_json(const Files& files, const Opened& opened, const InspectFlags& flags) {
  const Parts parts = measure(files);
  json metadata = json::object();
  for (const auto& [key, value] : metadata_of(files)) metadata[key] = value_json(value);
  json tensors = json::array();
  for (const core::GgufTensor& t : tensors_of(files))
    tensors.push_back({{"name", t.name},
                       {"type", type_name(t.dtype)},
                       {"shape", t.shape()},
                       {"offset", t.offset},
                       {"bytes", t.bytes}});
  json out = {{"file", path_of(files)},
              {"bytes", bytes_of(files)},
              {"metadata", metadata},
              {"tensors", tensors},
              {"total", part_json(parts.total)},
              {"text", part_json(parts.text)},
              {"vision", part_json(parts.vision)},
              {"kernels", core::selected_table().name},
              {"processor", core::cpu_features_text(core::cpu_features())}};
  if (opened.model != nullptr) {
    const MemoryNeed need = memory_need(*opened.model, session_options(flags.session));
    out["memory"] = {{"weights", need.weights},
                     {"kv_cache", need.kv_cache},
                     {"prompt_plan", need.prompt_plan},
                     {"decode_plan", need.decode_plan},
                     {"total", need.total()}};
    if (!flags.image.empty()) out["image"] = picture_json(picture_report(opened.model, flags));
  } else {
    out["error"] = opened.error;
  }
  return out;
}

std::string part_text(const char* name, const Part& part) {
  return fmt::format("  {:<8} {:>10.3f} M weights {:>10}  {:.2f} bits per weight\n", name,
                     static_cast<double>(part.weights) / 1e6, bytes_text(static_cast<double>(part.bytes)),
                     part.bits_per_weight());
}

std::string memory_text(const Model& model, const InspectFlags& flags) {
  const MemoryNeed need = memory_need(model, session_options(flags.session));
  const auto row = [](const char* name, std::uint64_t bytes) {
    return fmt::format("  {:<12} {:>10}\n", name, bytes_text(static_cast<double>(bytes)));
  };
  const int context = Timeline::resolve(model.loaded(), session_options(flags.session)).context;
  return fmt::format("\nMemory for {} tokens\n", context) + row("weights", need.weights) +
         row("kv cache", need.kv_cache) + row("prompt", need.prompt_plan) + row("answer", need.decode_plan) +
         row("together", need.total());
}

std::string to_text(const Files& files, const Opened& opened, const InspectFlags& flags) {
  const Parts parts = measure(files);
  std::string text = fmt::format("{}: {}, {} tensors ({})\n", path_of(files),
                                 bytes_text(static_cast<double>(bytes_of(files))), tensors_of(files).size(),
                                 types_text(files));
  text += part_text("all", parts.total) + part_text("text", parts.text) + part_text("vision", parts.vision);
  text += "\nMetadata\n";
  for (const auto& [key, value] : metadata_of(files))
    text += fmt::format("  {} = {}\n", key, value_text(value));
  if (flags.tensors) {
    text += "\nTensors\n";
    for (const core::GgufTensor& t : tensors_of(files))
      text += fmt::format("  {:<40} {:<5} {:<22} {:>10}\n", t.name, type_name(t.dtype),
                          core::to_text(t.shape()), bytes_text(static_cast<double>(t.bytes)));
  }
  if (opened.model != nullptr) text += memory_text(*opened.model, flags);
  if (opened.model != nullptr && !flags.image.empty())
    text += picture_text(picture_report(opened.model, flags));
  text += fmt::format("\nKernels: {}; processor: {}\n", core::selected_table().name,
                      core::cpu_features_text(core::cpu_features()));
  if (opened.model != nullptr && flags.plan) text += "\nPlan of one token\n" + plan_text(*opened.model, 1);
  if (opened.model != nullptr && flags.plan && opened.model->config().vision.present)
    text += "\nPlan of an image of 256 patches\n" + plan_text(*opened.model, 0, 256);
  if (opened.model == nullptr) text += "\nThis file cannot be run by itself: " + opened.error + "\n";
  return text;
}

int inspect(const InspectFlags& flags) {
  exit_on_interrupt();
  const core::GgufReader file(flags.session.model);
  std::optional<core::GgufReader> mmproj;
  Files files = {&file};
  if (!flags.session.mmproj.empty()) files.push_back(&mmproj.emplace(flags.session.mmproj));
  const Opened opened = try_open(flags.session);
  print(flags.json ? to_json(files, opened, flags).dump(1, ' ', false, json::error_handler_t::replace) + "\n"
                   : to_text(files, opened, flags));
  return kOk;
}

}  // namespace

void add_inspect_command(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("inspect", "Shows what a model file holds and what running it will need");
  const auto flags = std::make_shared<InspectFlags>();
  command->add_option("file", flags->session.model, "A GGUF file")->required()->type_name("FILE");
  add_mmproj_flag(*command, flags->session);
  command->add_flag("--tensors", flags->tensors, "List every tensor with type, shape and size");
  command->add_flag("--plan", flags->plan,
                    "List the operations of one token and of an image, with their places in memory");
  command
      ->add_option("--image", flags->image,
                   "Say what encoding a picture of this size will take: tokens, memory, seconds")
      ->type_name("WxH");
  add_size_flags(*command, flags->sizes);
  command->add_flag("--json", flags->json, "Print everything as one JSON object");
  add_session_flags(*command, flags->session);
  command->footer(
      "Examples:\n"
      "  tarsier inspect model.gguf\n"
      "  tarsier inspect model.gguf --context 32768 --kv-type bf16\n"
      "  tarsier inspect model.gguf --image 4000x3000\n"
      "  tarsier inspect model.gguf --image 4000x3000 --fit-seconds 20\n"
      "  tarsier inspect model.gguf --json --tensors");
  command->callback([flags, &action] { action = [flags] { return inspect(*flags); }; });
}

}  // namespace tarsier::cli
