#include "ggml-like-core/base/system_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/temp_folder.h"

namespace {

class AvailableMemory : public testing::Test {
 protected:
  void file(const std::string& path, const std::string& text) {
    const std::filesystem::path at = root() + path;
    std::filesystem::create_directories(at.parent_path());
    std::ofstream(at) << text;
  }
  std::string root() const { return folder_.path(); }
  test::TempFolder folder_;
};

TEST_F(AvailableMemory, is_what_the_kernel_calls_available) {
  file("/proc/meminfo", "MemTotal:       2000 kB\nMemAvailable:    1000 kB\n");
  EXPECT_EQ(core::available_memory(root()), 1024000U);
  EXPECT_GT(core::available_memory(), 0U);
}

TEST_F(AvailableMemory, is_held_to_every_group_around_the_process) {
  file("/proc/meminfo", "MemAvailable:    1000 kB\n");
  file("/proc/self/cgroup", "0::/slice/job\n");
  file("/sys/fs/cgroup/slice/job/memory.max", "max\n");
  EXPECT_EQ(core::available_memory(root()), 1024000U);
  file("/sys/fs/cgroup/slice/memory.max", "5000\n");
  EXPECT_EQ(core::available_memory(root()), 5000U);
  file("/proc/self/cgroup", "4:memory:/job\n1:cpu:/\n0::/\n");
  file("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "4000\n");
  EXPECT_EQ(core::available_memory(root()), 4000U);
}

TEST_F(AvailableMemory, is_what_a_group_has_left_when_its_files_are_dropped) {
  file("/proc/meminfo", "MemAvailable:    1000 kB\n");
  file("/proc/self/cgroup", "0::/job\n");
  file("/sys/fs/cgroup/job/memory.max", "9000\n");
  file("/sys/fs/cgroup/job/memory.current", "5000\n");
  EXPECT_EQ(core::available_memory(root()), 4000U);
  file("/sys/fs/cgroup/job/memory.stat", "anon 4000\ninactive_file 300\nactive_file 700\n");
  EXPECT_EQ(core::available_memory(root()), 5000U);
  file("/sys/fs/cgroup/job/memory.current", "10000\n");
  EXPECT_EQ(core::available_memory(root()), 0U);
  file("/proc/self/cgroup", "4:memory:/old\n");
  file("/sys/fs/cgroup/memory/old/memory.limit_in_bytes", "8000\n");
  file("/sys/fs/cgroup/memory/old/memory.usage_in_bytes", "6000\n");
  file("/sys/fs/cgroup/memory/old/memory.stat", "inactive_file 1\ntotal_inactive_file 1000\n");
  EXPECT_EQ(core::available_memory(root()), 3000U);
}

TEST_F(AvailableMemory, is_unlimited_where_nothing_tells) {
  EXPECT_EQ(core::available_memory(root()), ~std::uint64_t{0});
}

TEST_F(AvailableMemory, held_by_the_process_is_told_apart_from_files) {
  file("/proc/self/status", "VmHWM:\t 40 kB\nVmRSS:\t 30 kB\nRssAnon:\t 10 kB\nRssFile:\t 20 kB\n");
  EXPECT_EQ(core::process_memory(root()).own, 10240U);
  EXPECT_EQ(core::process_memory(root()).files, 20480U);
  EXPECT_EQ(core::process_memory(root()).peak, 40960U);
  EXPECT_EQ(core::process_memory(root() + "/nowhere").own, 0U);
  EXPECT_GT(core::process_memory().own, 0U);
}

}  // namespace
