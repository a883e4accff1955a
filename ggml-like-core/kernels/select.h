// Which kernel table runs. Chosen once by the caller, then passed by reference.
#pragma once

#include <span>
#include <string_view>

#include "ggml-like-core/kernels/kernel_table.h"

namespace core {

// Every table of this build, best first; the last one is "scalar".
std::span<const KernelTable* const> all_tables();

// Whether this machine has what the table requires.
bool supported(const KernelTable& table);

// The table called name; empty: the first supported one. Error: unknown or unsupported name, with the list of
// those available.
const KernelTable& find_table(std::string_view name = {});

// find_table of the environment variable TARSIER_ISA.
const KernelTable& selected_table();

}  // namespace core
