// A checkpoint folder's weights: its safetensors files, the names in all spellings that are about, and for
// each tensor of ours the place its rows come from.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "convert/safetensors.h"
#include "src/model/tensors.h"

namespace tarsier {

// Rows of one of our tensors as they lie in stored matrices: matrix m gives rows m * rows_per_matrix and on,
// beginning with its own row `first`, or where transposed with its own column `first`.
struct StoredRows {
  struct Matrix {
    const StoredTensor* tensor;
    std::int64_t offset;         // of its first element in the tensor
    const StoredTensor* scales;  // of FP8 blocks; nullptr: none
    std::int64_t scales_offset;
  };
  std::vector<Matrix> matrices;
  std::int64_t stored_columns = 0;
  std::int64_t block_rows = 1, block_columns = 1;  // that share one FP8 scale
  std::int64_t scale_columns = 0;
  bool transposed = false;
  std::int64_t first = 0;
  std::int64_t rows_per_matrix = 0;
  std::int64_t row_length = 0;

  // Rows [row, row + out.size() / row_length) of our tensor. Any number of threads may read.
  void read(std::span<float> out, std::int64_t row) const;
  // Takes the pages behind these rows out of memory; all that are behind the tensor when it lies transposed.
  void drop(std::int64_t row, std::int64_t rows) const;
  // As stored, without FP8 scales.
  std::size_t bytes() const;

 private:
  // out[i] = element (row, column + i) of matrix m, scaled.
  void read_line(std::span<float> out, const Matrix& m, std::int64_t row, std::int64_t column) const;
};

class CheckpointWeights {
 public:
  // Opens every file that can be opened; what is wrong with the others is appended to problems.
  // fp8_block: rows and columns of an FP8 scale block.
  CheckpointWeights(const std::string& folder, std::array<std::int64_t, 2> fp8_block,
                    std::vector<std::string>& problems);

  // Where the rows of spec come from. Nothing when they cannot be had: then problems says why.
  std::optional<StoredRows> locate(const TensorSpec& spec, std::vector<std::string>& problems);

  // Names as stored of all tensors that locate() did not use.
  std::vector<std::string> unused() const;

  bool has(const std::string& hf_name) const { return find(hf_name) != nullptr; }
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const { return files_; }

 private:
  using Problems = std::vector<std::string>;
  const StoredTensor* find(const std::string& hf_name) const;
  // find(), marked as used; a problem where it is not there or of a type that cannot be read.
  const StoredTensor* use(const std::string& hf_name, Problems& problems);
  std::optional<StoredRows> locate_plain(const TensorSpec& spec, Problems& problems);
  std::optional<StoredRows> locate_slice(const TensorSpec& spec, Problems& problems);
  std::optional<StoredRows> locate_fused(const TensorSpec& spec, Problems& problems);
  std::optional<StoredRows> locate_experts(const TensorSpec& spec, Problems& problems);
  // Completes a matrix of FP8 with its scales.
  bool add_scales(StoredRows& rows, StoredRows::Matrix& matrix, std::int64_t number,
                  const std::string& hf_name, Problems& problems);

  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const StoredTensor*> tensors_;  // by the published checkpoints' names
  std::map<std::string, std::string> absent_;  // of the index: name -> the file that could not be opened
  std::set<const StoredTensor*> used_;
  std::array<std::int64_t, 2> fp8_block_;
};

}  // namespace tarsier
