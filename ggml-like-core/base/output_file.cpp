#include "ggml-like-core/base/output_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>

#include "ggml-like-core/base/error.h"

namespace core {
namespace {

// Part files that a signal handler has to remove. A slot is taken by setting used, then read by the handler
// only when ready.
struct Slot {
  std::atomic<bool> used{false};
  std::atomic<bool> ready{false};
  std::array<char, PATH_MAX> path{};
};
constinit std::array<Slot, 8>
    g_slots{};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): read by signal handlers

// The slot taken, -1: none is free.
int remember(const std::string& path) {
  for (std::size_t i = 0; i < g_slots.size(); ++i) {
    Slot& slot = g_slots[i];
    bool expected = false;
    if (path.size() >= slot.path.size() || !slot.used.compare_exchange_strong(expected, true)) continue;
    std::memcpy(slot.path.data(), path.c_str(), path.size() + 1);
    slot.ready.store(true, std::memory_order_release);
    return static_cast<int>(i);
  }
  return -1;
}

void forget(int i) {
  if (i < 0) return;
  Slot& slot = g_slots[static_cast<std::size_t>(i)];
  slot.ready.store(false, std::memory_order_release);
  slot.used.store(false, std::memory_order_release);
}

std::filesystem::path folder_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent;
}

}  // namespace

OutputFile::OutputFile(const std::string& path, std::uint64_t expected_bytes, For readers)
    : path_(path), part_(path + ".part-" + std::to_string(::getpid())) {
  const auto folder = folder_of(path);
  std::error_code ignored;
  require(std::filesystem::is_directory(folder, ignored), path, ": the folder ", folder.string(),
          " does not exist");
  require(!std::filesystem::is_directory(path, ignored), path, ": is a folder, wanted the name of a file");
  struct statvfs room {};
  if (expected_bytes > 0 && ::statvfs(folder.c_str(), &room) == 0) {
    const std::uint64_t free_bytes = static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize;
    require(free_bytes >= expected_bytes, path, ": too little space: ", free_bytes, " bytes are free, ",
            expected_bytes, " are needed");
  }
  fd_ = ::open(part_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, readers == For::owner ? 0600 : 0666);
  require(fd_ >= 0, path, ": cannot be written: ", std::strerror(errno));
  slot_ = remember(part_);
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(part_.c_str());
  forget(slot_);
}

void OutputFile::append(std::span<const std::byte> bytes) {
  write_at(size_, bytes);
  size_ += bytes.size();
}

void OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    require(n > 0, path_, ": writing failed: ", std::strerror(n < 0 ? errno : ENOSPC));
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void OutputFile::commit() {
  require(::fsync(fd_) == 0, path_, ": flushing to disk failed: ", std::strerror(errno));
  require(::rename(part_.c_str(), path_.c_str()) == 0, path_,
          ": cannot be put in place: ", std::strerror(errno));
  ::close(fd_);
  fd_ = -1;
  forget(slot_);
  sync_folder_of(path_);
}

void sync_folder_of(const std::string& path) {
  const int folder = ::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  static_cast<void>(::fsync(folder));  // some file systems cannot; the file itself is safe
  ::close(folder);
}

void remove_unfinished_outputs() {
  for (const Slot& slot : g_slots)
    if (slot.ready.load(std::memory_order_acquire)) ::unlink(slot.path.data());
}

}  // namespace core
