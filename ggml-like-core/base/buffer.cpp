#include "ggml-like-core/base/buffer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ggml-like-core/base/error.h"

namespace core {
namespace {

// Widens [p, p + size) to whole pages and hands it to madvise.
void advise(const void* p, std::size_t size, int advice) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t inside = reinterpret_cast<std::uintptr_t>(p) % page;
  const auto* const begin = static_cast<const std::byte*>(p) - inside;
  // A hint: when the kernel declines it nothing is wrong.
  static_cast<void>(::madvise(const_cast<std::byte*>(begin), inside + size, advice));
}

// The same for what of [offset, offset + size) lies inside the mapping of total bytes.
void advise(const std::byte* data, std::size_t total, std::size_t offset, std::size_t size, int advice) {
  if (data == nullptr || offset >= total || size == 0) return;
  advise(data + offset, std::min(size, total - offset), advice);
}

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes) : data_(nullptr, Free{bytes}), size_(bytes) {
  if (bytes == 0) return;
  void* p =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  require(p != MAP_FAILED, "out of memory: ", bytes, " bytes wanted");
  data_.reset(static_cast<std::byte*>(p));
}

void AlignedBuffer::want_large_pages() const { core::want_large_pages(data_.get(), size_); }

void AlignedBuffer::Free::operator()(std::byte* p) const { ::munmap(p, bytes); }

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(fd >= 0, path, ": ", std::strerror(errno));
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  const bool regular = known && S_ISREG(info.st_mode);
  void* p = nullptr;
  if (regular && info.st_size > 0)
    p = ::mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ, MAP_SHARED, fd, 0);
  const int reason = errno;
  ::close(fd);
  require(regular, path, ": not a regular file");
  require(p != MAP_FAILED, path, ": cannot be mapped: ", std::strerror(reason));
  data_ = static_cast<const std::byte*>(p);
  size_ = static_cast<std::size_t>(info.st_size);
}

MappedFile::~MappedFile() { unmap(); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  path_ = std::move(other.path_);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void MappedFile::unmap() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void will_need(const void* p, std::size_t size) { advise(p, size, MADV_WILLNEED); }
void want_large_pages(const void* p, std::size_t size) { advise(p, size, MADV_HUGEPAGE); }
void populate(const void* p, std::size_t size) {
  constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ, younger than some headers
  advise(p, size, kPopulateRead);
}

void MappedFile::drop(std::size_t offset, std::size_t size) const {
  advise(data_, size_, offset, size, MADV_DONTNEED);
}

}  // namespace core
