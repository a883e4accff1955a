// A std::vector for megabytes that are written once, by several threads: its elements are not set to zero
// first, and its memory may come in large pages, which the kernel hands out with fewer interruptions.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

namespace core {

template <class T>
class BigAllocator {
 public:
  using value_type = T;
  BigAllocator() = default;
  template <class U>
  explicit BigAllocator(const BigAllocator<U>&) {}

  T* allocate(std::size_t n) {
    if (n > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    const std::size_t bytes = n * sizeof(T);
    const std::size_t alignment = bytes < 2 * kLargePage ? alignof(std::max_align_t) : kLargePage;
    void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (p == nullptr) throw std::bad_alloc();
    if (alignment == kLargePage) ::madvise(p, bytes, MADV_HUGEPAGE);  // a hint
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t) { std::free(p); }
  template <class U>
  void construct(U* p) {
    ::new (static_cast<void*>(p)) U;  // without a value
  }
  template <class U, class... Arguments>
  void construct(U* p, Arguments&&... arguments) {
    ::new (static_cast<void*>(p)) U(std::forward<Arguments>(arguments)...);
  }
  bool operator==(const BigAllocator&) const { return true; }

 private:
  static constexpr std::size_t kLargePage = std::size_t{2} << 20;
};

template <class T>
using BigVector = std::vector<T, BigAllocator<T>>;

}  // namespace core
