#include "convert/quantizer.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/base/thread_team.h"
#include "ggml-like-core/quant/reference.h"
#include "ggml-like-core/quant/tile.h"

namespace tarsier {
namespace {

constexpr std::int64_t kBlockFloats = 262144;  // 1 MiB of floats in each thread
constexpr float kMaxHalf = 65504;

// Formats whose values or scales are halves.
bool holds_halves(core::DType dtype) {
  bool halves = false;
  core::visit(dtype, [&]<class Q>() {
    using Block = typename Q::Block;
    halves = requires(Block b) { b.scale_f16; }
    || requires(Block b) { b.value_f16; };
  });
  return halves;
}

// Writes the blocks of one tensor after another. Threads share it; what they change is atomic or under the
// mutex.
class Run {
 public:
  Run(core::GgufWriter& writer, std::span<const TensorJob> jobs, const RunOptions& options)
      : writer_(writer), options_(options) {
    for (const TensorJob& job : jobs) total_ += job.source_bytes;
  }

  void write(core::ThreadTeam& team, const TensorJob& job) {
    const core::GgufTensor& t = writer_.tensor(job.number);
    const std::int64_t rows = t.rows();
    // Of whole tiles, whether there are any or not.
    const std::int64_t block = std::min(
        rows, core::ceil_div(std::max<std::int64_t>(kBlockFloats / t.row_length(), 1), core::kTileRows) *
                  core::kTileRows);
    clipped_ = 0;
    const auto write_rows = [&](bool report, std::int64_t begin, std::int64_t end, Buffers& buffers) {
      if (stop_) return;
      try {
        core::require(options_.cancel == nullptr || !*options_.cancel, "cancelled");
        write_block(job, t, begin, end - begin, buffers);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        stop_ = true;
      }
      done_ += job.source_bytes * static_cast<double>(end - begin) / static_cast<double>(rows);
      if (report && options_.progress != nullptr && !stop_)
        options_.progress->progress("convert", std::min<double>(done_, total_ * (1 - 1e-9)), total_);
    };
    if (block == rows) {  // not worth a fork
      Buffers buffers;
      write_rows(true, 0, rows, buffers);
    } else {
      team.run([&](core::Worker& worker) {
        Buffers buffers;
        worker.chunks(rows, block, [&](std::int64_t begin, std::int64_t end) {
          write_rows(worker.index() == 0, begin, end, buffers);
        });
      });
    }
    if (error_) std::rethrow_exception(error_);
    if (job.drop) job.drop(0, rows);
    if (clipped_ > 0)
      warnings_.push_back("tensor " + t.name + ": " + std::to_string(clipped_) +
                          " values beyond 65504 were clipped, which " +
                          std::string(core::info(t.dtype).name) + " cannot hold");
  }

  std::vector<std::string> finish() {
    if (options_.progress != nullptr) options_.progress->progress("convert", total_, total_);
    return std::move(warnings_);
  }

 private:
  struct Buffers {  // of one thread
    std::vector<float> values;
    std::vector<std::byte> stored, turned;
  };

  void write_block(const TensorJob& job, const core::GgufTensor& t, std::int64_t row, std::int64_t rows,
                   Buffers& buffers) {
    const std::size_t bytes = core::row_bytes(t.dtype, t.row_length());
    const auto offset = static_cast<std::uint64_t>(row) * bytes;
    const auto store = [&](std::span<const std::byte> bytes_of_rows, core::DType dtype) {
      if (dtype == t.dtype) return writer_.write(job.number, offset, bytes_of_rows);
      buffers.turned.resize(bytes_of_rows.size());
      if (core::info(t.dtype).is_tiled())
        core::rows_to_tiles(buffers.turned, bytes_of_rows, t.dtype, t.row_length());
      else
        core::tiles_to_rows(buffers.turned, bytes_of_rows, dtype, t.row_length());
      writer_.write(job.number, offset, buffers.turned);
    };
    if (job.copy) {
      store(job.copy(row, rows), job.copied);
    } else {
      const auto length = static_cast<std::size_t>(t.row_length());
      const core::DType row_dtype = core::info(t.dtype).row;
      auto& [values, stored, turned] = buffers;
      values.resize(static_cast<std::size_t>(rows) * length);
      stored.resize(static_cast<std::size_t>(rows) * bytes);
      job.read(values, row);
      for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
        const auto line = std::span(values).subspan(r * length, length);
        check_line(line, t, row + static_cast<std::int64_t>(r));
        core::quantize_row(stored.data() + r * bytes, row_dtype, line);
      }
      store(stored, row_dtype);
    }
    if (job.drop) job.drop(row, rows);
  }

  void check_line(std::span<float> line, const core::GgufTensor& t, std::int64_t row) {
    float most = 0;
    bool finite = true;
    for (const float x : line) {
      finite = finite && std::isfinite(x);
      most = std::max(most, std::abs(x));
    }
    core::require(finite, "tensor ", t.name, ": row ", row, " holds a number that is not finite");
    if (most <= kMaxHalf || !holds_halves(t.dtype)) return;
    for (float& x : line) {
      if (std::abs(x) <= kMaxHalf) continue;
      x = std::copysign(kMaxHalf, x);
      ++clipped_;
    }
  }

  core::GgufWriter& writer_;
  RunOptions options_;
  double total_ = 0;
  std::atomic<double> done_{0};
  std::atomic<std::int64_t> clipped_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::vector<std::string> write_tensors(core::GgufWriter& writer, std::span<const TensorJob> jobs,
                                       const RunOptions& options) {
  core::ThreadTeam team(options.threads);
  Run run(writer, jobs, options);
  for (const TensorJob& job : jobs) run.write(team, job);
  return run.finish();
}

}  // namespace tarsier
