#include "ggml-like-core/base/read_ahead.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>

#include "ggml-like-core/base/buffer.h"
#include "tests/temp_folder.h"

namespace {

using test::TempFolder;

constexpr std::size_t kBytes = std::size_t{20} << 20;  // several pieces

std::string big_file(const TempFolder& folder) {
  std::string bytes(kBytes, 'x');
  bytes.back() = 'y';
  return folder.write("big", bytes);
}

// Whether the page at p is in this process's page tables: /proc/self/pagemap, bit 63.
bool is_present(const std::byte* p) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::ifstream map;
  map.rdbuf()->pubsetbuf(nullptr, 0);  // the kernel gives whole entries only
  map.open("/proc/self/pagemap", std::ios::binary);
  std::uint64_t entry = 0;
  map.seekg(static_cast<std::streamoff>(reinterpret_cast<std::uintptr_t>(p) / page * sizeof(entry)));
  map.read(reinterpret_cast<char*>(&entry), sizeof(entry));
  EXPECT_TRUE(map.good());
  return (entry >> 63) != 0;
}

TEST(ReadAhead, puts_everything_into_the_page_tables) {
  const TempFolder folder;
  const core::MappedFile file(big_file(folder));
  const auto bytes = file.bytes();
  if (::madvise(const_cast<std::byte*>(bytes.data()), 1, 22) != 0 || !is_present(bytes.data()))
    GTEST_SKIP() << "this kernel has no MADV_POPULATE_READ (qemu takes the advice and does nothing)";
  file.drop(0, kBytes);
  ASSERT_FALSE(is_present(bytes.data() + kBytes / 2));
  core::ReadAhead ahead({bytes.subspan(5, kBytes - 10000), {}, bytes.last(1)});
  ahead.wait();
  for (const std::size_t at : {std::size_t{0}, kBytes / 2, kBytes - 20000, kBytes - 1})
    EXPECT_TRUE(is_present(bytes.data() + at)) << at;
  EXPECT_EQ(bytes.back(), std::byte{'y'});
}

TEST(ReadAhead, may_go_before_it_is_done) {
  const TempFolder folder;
  const core::MappedFile file(big_file(folder));
  for (int i = 0; i < 20; ++i) const core::ReadAhead ahead({file.bytes()});
  const core::ReadAhead nothing({});
}

}  // namespace
