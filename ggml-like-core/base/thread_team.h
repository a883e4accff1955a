// An OpenMP team: one fork per plan run, and inside it our own barrier and chunk counters.
//
// Work is handed out in chunks: the first part statically in contiguous ranges (streams that the prefetcher
// follows), the rest to whoever is free, so that a slow or disturbed core does not hold up the others. No
// result may depend on who does a chunk.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace core {

class ThreadTeam;

// One thread's view of the running region. Every worker must make the same sequence of calls.
class Worker {
 public:
  int index() const { return index_; }
  int count() const;

  // Waits for all workers.
  void barrier();

  // Calls body(begin, end) for ranges that together cover [0, total) once, each at most grain long. No
  // barrier after it.
  template <class Body>
  void chunks(std::int64_t total, std::int64_t grain, const Body& body) {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    for (Chunks c = start(total, grain); next(c, begin, end);) body(begin, end);
  }

 private:
  friend class ThreadTeam;
  struct Chunks {
    std::int64_t total, grain, own, own_end, first_shared;
    std::atomic<std::int64_t>* shared;
  };
  Worker(ThreadTeam& team, int index) : team_(&team), index_(index) {}
  Chunks start(std::int64_t total, std::int64_t grain);
  bool next(Chunks& c, std::int64_t& begin, std::int64_t& end) const;

  ThreadTeam* team_;
  int index_;
  std::uint32_t phase_ = 0;
  std::uint32_t loops_ = 0;
};

// Owns the barrier and the counters. One region at a time; run() itself is not thread-safe.
class ThreadTeam {
 public:
  // threads: 0 takes every core this process may use.
  explicit ThreadTeam(int threads = 0);
  int threads() const { return threads_; }

  // Calls body once in each worker and returns when all are done. body must not throw.
  void run(const std::function<void(Worker&)>& body);

 private:
  friend class Worker;
  static constexpr int kCounters = 4;  // loops in flight at once: workers are at most one barrier apart
  struct alignas(64) Counter {
    std::atomic<std::int64_t> value{0};
  };

  int threads_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
  Counter counters_[kCounters];
};

}  // namespace core
