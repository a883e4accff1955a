// What tells models apart whose results are kept on disk.
#pragma once

#include <cstdint>

#include "src/model/loaded_model.h"

namespace tarsier {

enum class Part { vision, text };

// Of the configuration, and of the names, types, shapes and some bytes of every tensor of this part: another
// checkpoint or another type of its weights has another identity, the same file in another place the same.
// Reads a few hundred bytes a tensor.
std::uint64_t identity(const LoadedModel& model, Part part);

}  // namespace tarsier
