// Who watches a run, and who may stop it.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/observer.h"

namespace tarsier {

// Every named value of a run: text.layer.0.out, vision.image.block.3, ... Names and shapes:
// tests/data/README.md.
class ValueObserver {
 public:
  virtual ~ValueObserver() = default;
  virtual bool wants(std::string_view name) const = 0;
  // bytes: f32 or i64, as dtype says ("F32", "I64"); only valid during the call. May throw: the run ends and
  // the exception goes on.
  virtual void value(std::string_view name, std::string_view dtype, std::span<const std::int64_t> shape,
                     std::span<const std::byte> bytes) = 0;
};

// All may be null.
struct RunControl {
  core::ProgressObserver* progress = nullptr;  // steps "image", "video" and "prompt"
  const std::atomic<bool>* cancel = nullptr;   // looked at between operations, also inside an image
  ValueObserver* values = nullptr;             // watching makes the prompt run in one chunk and without reuse
  int logits = 8;                              // last rows of the prompt whose logits `values` sees
  const std::vector<std::vector<std::int32_t>>* forced_experts =
      nullptr;  // [layer][token * top_k]: routing of another run
};

}  // namespace tarsier
