// How large pictures are seen, as flags say or as memory and time allow, and what encoding them will take.
#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "src/engine.h"
#include "src/run/encode_need.h"

namespace tarsier::cli {

// "1024x768", as "FLAG WxH" gives it: width and height.
Size picture_size(const std::string& flag, const std::string& text);

// "photo.jpg 4000x3000 -> 1536x1152, 1728 tokens, about 8 s, 0.60 GB". seconds: 0 where nobody knows.
std::string plan_text(std::string_view name, const PictureNeed& need, double seconds);

// 0: not given.
struct SizeFlags {
  std::int64_t min_pixels = 0, max_pixels = 0, max_tokens = 0;
  bool fit = false;
  double fit_seconds = 0;
  bool fits() const { return fit || fit_seconds > 0; }
  bool operator==(const SizeFlags&) const = default;
};
// --min-pixels, --max-pixels, --max-image-tokens, --fit, --fit-seconds.
void add_size_flags(CLI::App& app, SizeFlags& flags);
// What they ask for in pixels. Error: they contradict each other.
PixelWish pixel_wish(const ProcessorConfig& processor, const SizeFlags& flags);

// The sizes of pictures and clips. Not thread-safe.
class PictureSizes {
 public:
  // session: which threads encode, and what memory its tokens take. n_media: pictures and clips that share
  // what --fit allows. Error: as pixel_wish.
  PictureSizes(std::shared_ptr<const Model> model, const SizeFlags& flags, const SessionOptions& session,
               int n_media = 1);
  ~PictureSizes();

  const PixelWish& wish() const { return wish_; }
  struct Choice {
    PixelLimits limits;
    std::string said;    // for people: the plan that --fit found; else empty
    double seconds = 0;  // of that plan
  };
  // For the next picture, which may want limits of its own. Errors: more tokens than --max-image-tokens
  // whatever the limits; nothing that --fit allows.
  Choice choose(const std::string& name, Size original, const PixelWish& own = {});
  struct ClipChoice {
    ClipOptions options;
    std::string said;
  };
  // The same for the next clip: options, smaller where --fit says so.
  ClipChoice choose(const std::string& name, const VideoInfo& source, const ClipOptions& options);

 private:
  struct Fit;
  Allowed allowed();  // for the next one

  std::shared_ptr<const Model> model_;
  SizeFlags flags_;
  PixelWish wish_;
  int n_media_, left_;
  std::unique_ptr<Fit> fit_;  // once it is needed
  SessionOptions session_;
};

}  // namespace tarsier::cli
