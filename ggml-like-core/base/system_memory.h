// How much memory this process can have.
#pragma once

#include <cstdint>
#include <string>

namespace core {

// The least of what /proc/meminfo calls available and what the control groups (versions 1 and 2) that this
// process is in have left under their limits: bytes. What no file tells counts as unlimited. root: where to
// find /proc and /sys, for tests.
std::uint64_t available_memory(const std::string& root = "");

// Memory that this process holds now, bytes; 0 where no file tells. Pages of files are shared with whoever
// else maps them, and can be dropped.
struct ProcessMemory {
  std::uint64_t own = 0;    // RssAnon
  std::uint64_t files = 0;  // RssFile
  std::uint64_t peak = 0;   // VmHWM: the most that both were together so far
};
ProcessMemory process_memory(const std::string& root = "");

}  // namespace core
