// The only owners of big memory: AlignedBuffer (anonymous, zeroed pages) and MappedFile (read-only
// pages of a file).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace core {

// Zeroed memory aligned to a page; a page costs memory only once it is touched. Movable.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws Error saying how many bytes could not be had.
  explicit AlignedBuffer(std::size_t bytes);

  // A hint: large pages where the system has them, for memory that will be touched as a whole.
  void want_large_pages() const;

  std::span<std::byte> bytes() { return {data_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    std::size_t bytes;
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte[], Free> data_{nullptr, Free{0}};
  std::size_t size_ = 0;
};

// The bytes of a file, mapped read-only and shared with the page cache. Immutable, so any number of threads
// may read.
class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error: who could not be opened, and why.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // A hint that [offset, offset + size) is not needed any more: its pages leave the resident set.
  void drop(std::size_t offset, std::size_t size) const;

 private:
  void unmap();
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// A hint that [p, p + size) of a mapped file will be read soon: the kernel starts to fetch what is not in
// memory.
void will_need(const void* p, std::size_t size);
// A hint: what of [p, p + size) of a mapped file is read from the disk from now on should lie in large pages,
// where the system has them. They cost next to nothing to map, and their addresses next to nothing to look
// up.
void want_large_pages(const void* p, std::size_t size);
// Waits until [p, p + size) of a mapped file is in memory and in the page tables. A hint, too: it does
// nothing on kernels before Linux 5.14.
void populate(const void* p, std::size_t size);

}  // namespace core
