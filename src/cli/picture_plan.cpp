#include "src/cli/picture_plan.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "ggml-like-core/base/error.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {
namespace {

constexpr int kMostTokens = 1 << 20;

// smallest: the plan of the smallest picture or clip.
[[noreturn]] void refuse(const std::string& smallest, const Allowed& allowed) {
  core::fail("--fit: ", smallest, " are too much: ", bytes_text(static_cast<double>(allowed.bytes)),
             " are free", allowed.seconds ? fmt::format(" and {:g} s asked for", *allowed.seconds) : "");
}

}  // namespace

Size picture_size(const std::string& flag, const std::string& text) {
  Size size{};
  int used = 0;
  const bool read = std::sscanf(text.c_str(), "%6dx%6d%n", &size.width, &size.height, &used) == 2 &&
                    static_cast<std::size_t>(used) == text.size();
  core::require(read && size.width > 0 && size.height > 0, flag, ": found ", text,
                ", wanted WIDTHxHEIGHT in pixels, such as 1024x768");
  return size;
}

std::string plan_text(std::string_view name, const PictureNeed& need, double seconds) {
  std::string line = fmt::format("{} {}x{} -> {}x{}, {} tokens", name, need.original.width,
                                 need.original.height, need.resized.width, need.resized.height, need.tokens);
  if (seconds > 0) line += ", " + about_text(seconds);
  return line + ", " + bytes_text(static_cast<double>(need.peak()));
}

void add_size_flags(CLI::App& app, SizeFlags& flags) {
  const auto number = [&](const char* name, std::int64_t& to, std::int64_t most, const char* meaning) {
    return app.add_option(name, to, meaning)
        ->check(CLI::Range(std::int64_t{1}, most))
        ->default_str("the checkpoint's")
        ->type_name("N")
        ->group("Size of pictures");
  };
  constexpr std::int64_t kMostPixels = std::int64_t{kMostTokens} << 10;
  number("--min-pixels", flags.min_pixels, kMostPixels, "Pictures and frames of fewer pixels are enlarged");
  CLI::Option* pixels = number("--max-pixels", flags.max_pixels, kMostPixels,
                               "Pictures and frames of more pixels are made smaller; less is faster");
  number("--max-image-tokens", flags.max_tokens, kMostTokens,
         "The same in tokens: most of one picture, or of two frames that are read together")
      ->excludes(pixels);
  app.add_flag("--fit", flags.fit,
               "Each picture and video as large as free memory allows, up to these limits; what is chosen is "
               "said before it is encoded")
      ->group("Size of pictures");
  app.add_option("--fit-seconds", flags.fit_seconds,
                 "As --fit, and encoding what a prompt shows, in chat each picture or video, takes about so "
                 "long at most")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS")
      ->group("Size of pictures");
}

PixelWish pixel_wish(const ProcessorConfig& processor, const SizeFlags& flags) {
  PixelWish out;
  if (flags.min_pixels > 0) out.min_pixels = flags.min_pixels;
  if (flags.max_pixels > 0) out.max_pixels = flags.max_pixels;
  if (flags.max_tokens > 0) {
    const std::int64_t pixels = flags.max_tokens * processor.token_pixels();
    core::require(flags.min_pixels <= pixels, "--max-image-tokens ", flags.max_tokens, " are ", pixels,
                  " pixels of this model, --min-pixels asks for ", flags.min_pixels);
    out.max_pixels = pixels;
  }
  static_cast<void>(out.over(processor.image));  // the same of --max-pixels
  return out;
}

// How fast this machine is and what else will be in its memory.
struct PictureSizes::Fit {
  Fit(const Model& model, const SessionOptions& session)
      : runner(session.threads, session.isa, session.blas),
        speed(measure_encode_speed(model.loaded(), runner)),
        kv_bytes(memory_need(model, session).kv_cache) {}
  Runner runner;
  EncodeSpeed speed;
  std::uint64_t kv_bytes;
};

PictureSizes::PictureSizes(std::shared_ptr<const Model> model, const SizeFlags& flags,
                           const SessionOptions& session, int n_media)
    : model_(std::move(model)),
      flags_(flags),
      wish_(pixel_wish(model_->config().processor, flags)),
      n_media_(std::max(1, n_media)),
      left_(n_media_),
      session_(session) {}

PictureSizes::~PictureSizes() = default;

PictureSizes::Choice PictureSizes::choose(const std::string& name, Size original, const PixelWish& own) {
  const LoadedModel& loaded = model_->loaded();
  ProcessorConfig processor = loaded.config.processor;
  processor.image = own.over(wish_.over(processor.image));
  if (flags_.max_tokens > 0 && !own.max_pixels) {
    const std::int64_t tokens = image_grid(processor, original.height, original.width).patches() /
                                (std::int64_t{processor.merge_size} * processor.merge_size);
    core::require(tokens <= flags_.max_tokens, name, ": ", original.width, " x ", original.height,
                  " takes at least ", tokens, " tokens, --max-image-tokens is ", flags_.max_tokens);
  }
  if (!flags_.fits()) return {.limits = processor.image, .said = ""};
  const Allowed allowed = this->allowed();
  const auto with = [&](PixelLimits limits) -> Choice {
    processor.image = limits;
    const PictureNeed need = picture_need(loaded, fit_->runner, processor, original);
    const double seconds = encode_seconds(loaded, fit_->speed, need.patches, 1);
    return {.limits = limits, .said = plan_text(name, need, seconds), .seconds = seconds};
  };
  const auto fitting = fitting_limits(loaded, fit_->runner, processor, original, allowed);
  if (fitting) return with(*fitting);
  const PixelWish least{.min_pixels = {}, .max_pixels = processor.token_pixels()};
  refuse(with(least.over(processor.image)).said, allowed);
}

PictureSizes::ClipChoice PictureSizes::choose(const std::string& name, const VideoInfo& source,
                                              const ClipOptions& options) {
  if (!flags_.fits()) return {options, ""};
  const Allowed allowed = this->allowed();
  const LoadedModel& loaded = model_->loaded();
  const ProcessorConfig& processor = loaded.config.processor;
  const auto plan = [&](const ClipOptions& with) {
    const ClipNeed need = clip_need(loaded, fit_->runner, processor, source, with);
    const double seconds = encode_seconds(loaded, fit_->speed, need.patches, need.form.grid.t);
    return fmt::format("{} {}x{} -> {} frames of {}x{}, {} tokens, {}, {}", name, need.original.width,
                       need.original.height, need.form.frames, need.form.resized.width,
                       need.form.resized.height, need.tokens, about_text(seconds),
                       bytes_text(static_cast<double>(need.bytes)));
  };
  const auto fitting = fitting_options(loaded, fit_->runner, processor, source, options, allowed);
  if (!fitting) {
    ClipOptions least = options;
    least.max_pixels = 1;
    refuse(plan(least), allowed);
  }
  return {*fitting, plan(*fitting)};
}

Allowed PictureSizes::allowed() {
  if (fit_ == nullptr) fit_ = std::make_unique<Fit>(*model_, session_);
  const std::uint64_t free = memory_for_pictures();
  Allowed out{.bytes = free - std::min(free, fit_->kv_bytes), .seconds = {}, .speed = fit_->speed};
  if (flags_.fit_seconds > 0) out.seconds = flags_.fit_seconds / n_media_;
  out.beside = std::max(0, --left_);
  return out;
}

}  // namespace tarsier::cli
