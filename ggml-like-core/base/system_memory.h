// How much memory this process can have.
#pragma once

#include <cstdint>
#include <string>

namespace core {

// The least of what /proc/meminfo calls available and the limits of the control groups (versions 1 and 2)
// that this process is in: bytes. What no file tells counts as unlimited. root: where to find /proc and /sys,
// for tests.
std::uint64_t available_memory(const std::string& root = "");

}  // namespace core
