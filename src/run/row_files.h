// Rows of pictures on disk, so that a picture is encoded once for all sessions: one file each, in a folder of
// limited size that any number of programs may share.
//
// Each is named IDENTITY-HASH.rows, both in 16 hexadecimal digits: of the vision tower and the kernels, and
// of the picture. Its bytes: eight words of 64 bits ("tarsrow1", identity, hash, rows, hidden, features, the
// hash of the values, 0), then float32 [features][rows][hidden].
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/model/loaded_model.h"
#include "src/run/media_encoder.h"

namespace tarsier {

// Not thread-safe. What cannot be read or written is as if it were not there.
class RowFiles final : public RowStore {
 public:
  // The folder is made when something is written. kernels: the name of their table, which decides on bits.
  RowFiles(const LoadedModel& model, std::string folder, std::uint64_t most_bytes, std::string kernels);

  std::shared_ptr<const MediaRows> find(std::uint64_t hash, const RowsShape& shape) override;
  // The files that were used longest ago leave for it.
  void keep(std::uint64_t hash, const RowsShape& shape, const MediaRows& rows) override;

 private:
  std::uint64_t identity();
  std::string path_of(std::uint64_t hash);
  void trim() const;

  const LoadedModel* model_;
  std::string folder_;
  std::uint64_t most_bytes_;
  std::string kernels_;
  std::optional<std::uint64_t> identity_;  // once it was needed
};

}  // namespace tarsier
