#include "ggml-like-core/base/system_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>

namespace core {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

// The number that a file holds; "max" and files that are not there limit nothing.
std::uint64_t number_in(const std::string& path) {
  std::uint64_t n = 0;
  return std::ifstream(path) >> n ? n : kUnlimited;
}

// What a group has left under its limit: its files in memory can be dropped. Files that are not there:
// nothing is taken.
std::uint64_t left_in_group(const std::string& folder, bool unified) {
  const std::uint64_t limit = number_in(folder + (unified ? "/memory.max" : "/memory.limit_in_bytes"));
  if (limit == kUnlimited) return kUnlimited;
  std::uint64_t taken = 0;
  std::ifstream(folder + (unified ? "/memory.current" : "/memory.usage_in_bytes")) >> taken;
  std::ifstream stat(folder + "/memory.stat");
  std::string name;
  for (std::uint64_t bytes = 0; stat >> name >> bytes;) {
    const bool of_files = unified ? name == "active_file" || name == "inactive_file"
                                  : name == "total_active_file" || name == "total_inactive_file";
    if (of_files) taken -= std::min(taken, bytes);
  }
  return limit - std::min(limit, taken);
}

// Bytes of the line "NAME: N kB".
std::optional<std::uint64_t> bytes_in(const std::string& path, std::string_view wanted) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t kib = 0;
    if (words >> name >> kib && name == wanted) return kib * 1024;
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t available_memory(const std::string& root) {
  std::uint64_t least = bytes_in(root + "/proc/meminfo", "MemAvailable:").value_or(kUnlimited);
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" or "4:memory:/a/b"
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    const bool unified = controllers.empty();
    if (!unified && controllers != "memory") continue;
    // A group is held to the limits of all groups around it.
    while (true) {
      std::string folder = root + (unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
      folder += group;
      least = std::min(least, left_in_group(folder, unified));
      if (group.empty()) break;
      group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
    }
  }
  return least;
}

ProcessMemory process_memory(const std::string& root) {
  const std::string status = root + "/proc/self/status";
  const auto bytes = [&](const char* name) { return bytes_in(status, name).value_or(0); };
  return {.own = bytes("RssAnon:"), .files = bytes("RssFile:"), .peak = bytes("VmHWM:")};
}

}  // namespace core
