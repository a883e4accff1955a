#include "src/model/config.h"

#include <algorithm>
#include <cmath>

#include "ggml-like-core/base/error.h"

namespace tarsier {

bool TextConfig::is_moe(int layer) const {
  return moe.num_experts > 0 &&
         std::find(dense_layers.begin(), dense_layers.end(), layer) == dense_layers.end();
}

int VisionConfig::position_side() const {
  return static_cast<int>(std::lround(std::sqrt(static_cast<double>(num_position_embeddings))));
}

}  // namespace tarsier
