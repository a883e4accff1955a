#include "ggml-like-core/base/thread_team.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

constexpr int kSpins = 2000;  // about 20 us before the core is offered to others

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadTeam::ThreadTeam(int threads) : threads_(threads) {
  require(threads >= 0 && threads <= 1024, "threads: found ", threads, ", wanted 0 (all cores) to 1024");
  if (threads_ == 0) threads_ = std::max(1, omp_get_num_procs());
}

void ThreadTeam::run(const std::function<void(Worker&)>& body) {
  for (Counter& c : counters_) c.value.store(0, std::memory_order_relaxed);
  arrived_.store(0, std::memory_order_relaxed);
  phase_.store(0, std::memory_order_release);
  if (threads_ == 1) {
    Worker worker(*this, 0);
    body(worker);
    return;
  }
#pragma omp parallel num_threads(threads_)
  {
    bug_if(omp_get_num_threads() != threads_, "OpenMP gave another number of threads");
    Worker worker(*this, omp_get_thread_num());
    body(worker);
  }
}

int Worker::count() const { return team_->threads_; }

void Worker::barrier() {
  if (team_->threads_ == 1) return;
  const std::uint32_t next_phase = ++phase_;
  if (team_->arrived_.fetch_add(1, std::memory_order_acq_rel) == team_->threads_ - 1) {
    team_->arrived_.store(0, std::memory_order_relaxed);
    team_->phase_.store(next_phase, std::memory_order_release);
    return;
  }
  for (int spins = 0; team_->phase_.load(std::memory_order_acquire) != next_phase; ++spins) {
    if (spins < kSpins)
      pause_briefly();
    else
      sched_yield();
  }
}

Worker::Chunks Worker::start(std::int64_t total, std::int64_t grain) {
  const std::int64_t n = ceil_div(total, grain);
  const std::int64_t workers = count();
  // Three quarters statically; a single worker takes all of it.
  const std::int64_t each = workers == 1 ? n : n * 3 / 4 / workers;
  const std::uint32_t slot = loops_++ % ThreadTeam::kCounters;
  // The counter two loops ahead is idle: all workers have passed the barrier that followed its last use.
  if (index_ == 0)
    team_->counters_[(slot + 2) % ThreadTeam::kCounters].value.store(0, std::memory_order_relaxed);
  return {.total = total,
          .grain = grain,
          .own = index_ * each,
          .own_end = (index_ + 1) * each,
          .first_shared = workers * each,
          .shared = &team_->counters_[slot].value};
}

bool Worker::next(Chunks& c, std::int64_t& begin, std::int64_t& end) const {
  std::int64_t chunk = c.own;
  if (c.own < c.own_end)
    ++c.own;
  else
    chunk = c.first_shared + c.shared->fetch_add(1, std::memory_order_relaxed);
  begin = chunk * c.grain;
  end = std::min(begin + c.grain, c.total);
  return begin < c.total;
}

}  // namespace core
