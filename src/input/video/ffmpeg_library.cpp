#include "src/input/video/ffmpeg_library.h"

#include <dlfcn.h>

#include <string_view>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

// It stays loaded to the end.
void* opened(const char* name) {
  void* library = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  core::require(library != nullptr, std::string_view(library == nullptr ? ::dlerror() : ""));
  return library;
}

template <class Function>
void find(Function& function, void* library, const char* name) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  core::require(function != nullptr, std::string_view(function == nullptr ? ::dlerror() : ""));
}

FfmpegLibrary load() {
  void* const avutil = opened("libavutil.so." AV_STRINGIFY(LIBAVUTIL_VERSION_MAJOR));
  void* const avcodec = opened("libavcodec.so." AV_STRINGIFY(LIBAVCODEC_VERSION_MAJOR));
  void* const avformat = opened("libavformat.so." AV_STRINGIFY(LIBAVFORMAT_VERSION_MAJOR));
  void* const swscale = opened("libswscale.so." AV_STRINGIFY(LIBSWSCALE_VERSION_MAJOR));
  FfmpegLibrary out{};
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage)
#define TARSIER_FFMPEG_FIND(library, function) find(out.function, library, #function);
  TARSIER_FFMPEG_FUNCTIONS(TARSIER_FFMPEG_FIND)
#undef TARSIER_FFMPEG_FIND
  return out;
}

}  // namespace

const FfmpegLibrary& ffmpeg() {
  static const FfmpegLibrary library = load();
  return library;
}

}  // namespace tarsier
