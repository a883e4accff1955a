// The published models of the family, for what can be said of them before they are downloaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convert/policy.h"
#include "src/model/config.h"

namespace tarsier::cli {

struct PublishedModel {
  const char* name;  // "2B"
  Config config;     // its shapes
};
std::vector<PublishedModel> published_models();

// Of the file that convert makes of it, with the vision tower in bf16.
struct FileSize {
  std::uint64_t all = 0;  // bytes of all tensors
  std::uint64_t per_token =
      0;  // bytes that one more token reads: no vision tower, one row of the embedding, few experts
};
FileSize file_size(const Config& config, const TypePreset& text);

}  // namespace tarsier::cli
