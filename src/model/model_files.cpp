#include "src/model/model_files.h"

#include <algorithm>
#include <cstdint>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

constexpr std::string_view kArchitecture = "general.architecture";
constexpr std::string_view kVisionArchitecture = "clip";
constexpr std::string_view kProjectorType = "clip.projector_type";
constexpr std::string_view kProjector = "qwen3vl_merger";

void require_whole(const core::GgufReader& file) {
  constexpr std::string_view kParts = "split.count";
  const std::int64_t parts = file.has(kParts) ? file.integer(kParts) : 1;
  core::require(parts <= 1, file.path(), ": is one of ", parts,
                " parts of a model; join them first (llama-gguf-split --merge)");
}

}  // namespace

bool is_vision_name(std::string_view name) {
  return name.starts_with("clip.") || name.starts_with("v.") || name.starts_with("mm.");
}

ModelFiles::ModelFiles(const std::string& path, const std::string& mmproj) : text_(path) {
  require_whole(text_);
  core::require(text_.text(kArchitecture) != kVisionArchitecture, path,
                ": holds only a vision tower, the second file (mmproj) of a pair; wanted the text model");
  if (mmproj.empty()) return;
  core::require(!has_vision(), path, ": holds a vision tower already, wanted a text model to go with ",
                mmproj);
  const core::GgufReader& vision = mmproj_.emplace(mmproj);
  require_whole(vision);
  const std::string& architecture = vision.text(kArchitecture);
  core::require(architecture == kVisionArchitecture, mmproj, ": is of architecture ", architecture,
                ", wanted the vision tower of a pair (mmproj), which is of architecture ",
                kVisionArchitecture);
  // Where a file holds towers for pictures and sound, each names its own.
  const std::string_view key = vision.has(kProjectorType) ? kProjectorType : "clip.vision.projector_type";
  const std::string& projector = vision.text(key);
  core::require(projector == kProjector, mmproj, ": key ", key, " is ", projector, ", wanted ", kProjector);
  core::require(has_vision(), mmproj, ": holds no vision tower (clip.vision.*)");
}

}  // namespace tarsier
