// Every piece of work is done exactly once, whatever the number of threads, and barriers separate phases.
#include "ggml-like-core/base/thread_team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <set>
#include <vector>

#include "ggml-like-core/base/error.h"

namespace {

constexpr int kThreadCounts[] = {1, 2, 3, 7};

TEST(ThreadTeam, runs_the_body_once_in_each_worker) {
  for (const int threads : kThreadCounts) {
    core::ThreadTeam team(threads);
    std::mutex mutex;
    std::multiset<int> seen;
    team.run([&](core::Worker& worker) {
      EXPECT_EQ(worker.count(), threads);
      const std::lock_guard lock(mutex);
      seen.insert(worker.index());
    });
    std::multiset<int> wanted;
    for (int i = 0; i < threads; ++i) wanted.insert(i);
    EXPECT_EQ(seen, wanted);
  }
}

TEST(ThreadTeam, chunks_cover_every_element_once_for_any_size_and_grain) {
  for (const int threads : kThreadCounts) {
    core::ThreadTeam team(threads);
    for (const std::int64_t total : {0, 1, 2, 5, 64, 100, 1001})
      for (const std::int64_t grain : {1, 3, 64, 2000}) {
        std::vector<std::atomic<int>> hits(static_cast<std::size_t>(total));
        team.run([&](core::Worker& worker) {
          worker.chunks(total, grain, [&](std::int64_t begin, std::int64_t end) {
            EXPECT_LE(end - begin, grain);
            EXPECT_LT(begin, end);
            for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
          });
        });
        for (const auto& hit : hits) ASSERT_EQ(hit, 1) << threads << " threads, " << total << " by " << grain;
      }
  }
}

TEST(ThreadTeam, a_phase_sees_everything_of_the_phase_before_the_barrier) {
  constexpr std::int64_t kSize = 257;
  constexpr std::int64_t kPhases = 400;  // far more loops than there are counters
  for (const int threads : kThreadCounts) {
    core::ThreadTeam team(threads);
    std::vector<std::int64_t> a(kSize, 0);
    std::vector<std::int64_t> b(kSize, 0);
    team.run([&](core::Worker& worker) {
      for (std::int64_t phase = 0; phase < kPhases; ++phase) {
        const auto& from = phase % 2 == 0 ? a : b;
        auto& to = phase % 2 == 0 ? b : a;
        worker.chunks(kSize, 5, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i)
            to[i] = from[(i + 1) % kSize] + 1;  // reads another's element
        });
        worker.barrier();
      }
    });
    for (const std::int64_t x : a) ASSERT_EQ(x, kPhases) << threads << " threads";
  }
}

TEST(ThreadTeam, the_counters_are_used_in_turn_by_many_loops) {
  for (const int threads : kThreadCounts) {
    core::ThreadTeam team(threads);
    std::atomic<std::int64_t> sum = 0;
    team.run([&](core::Worker& worker) {
      for (int round = 0; round < 50; ++round) {
        worker.chunks(31, 2, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
        worker.barrier();
        worker.chunks(17, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
        worker.barrier();
      }
    });
    EXPECT_EQ(sum, 50 * (31 + 17)) << threads << " threads";
  }
}

TEST(ThreadTeam, can_run_again_and_again) {
  core::ThreadTeam team(2);
  std::atomic<int> runs = 0;
  for (int i = 0; i < 200; ++i)
    team.run([&](core::Worker& worker) {
      worker.barrier();
      ++runs;
    });
  EXPECT_EQ(runs, 400);
}

TEST(ThreadTeam, takes_all_cores_unless_told) {
  EXPECT_GE(core::ThreadTeam().threads(), 1);
  EXPECT_EQ(core::ThreadTeam(5).threads(), 5);
}

TEST(ThreadTeam, an_impossible_number_of_threads_is_an_error) {
  EXPECT_THROW(core::ThreadTeam(-1), core::Error);
  EXPECT_THROW(core::ThreadTeam(1025), core::Error);
}

}  // namespace
