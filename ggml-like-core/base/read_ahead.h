// A thread that fetches parts of mapped files before they are read: from the disk into memory, and from
// memory into this process's page tables, so that who computes waits for neither.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

namespace core {

class ReadAhead {
 public:
  // ranges: in the order in which they will be read; they must stay mapped while this lives.
  explicit ReadAhead(std::vector<std::span<const std::byte>> ranges);
  // Stops after the piece that is being fetched.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Waits until everything is there.
  void wait();

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace core
