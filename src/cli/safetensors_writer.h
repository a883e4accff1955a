// Writes a safetensors file of values that come one by one, with sizes known only as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier::cli {

// The bytes wait in a nameless file beside the result; memory does not grow with them. Without finish()
// nothing stays.
class SafetensorsWriter {
 public:
  // Error: the folder cannot be written.
  explicit SafetensorsWriter(std::string path);
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // dtype: "F32", "I64", ... A name that comes again is one tensor, joined along its first dimension: the
  // values of several pictures stand one after another. Error: another dtype or another row shape than
  // before; the disk is full.
  void add(std::string_view name, std::string_view dtype, std::span<const std::int64_t> shape,
           std::span<const std::byte> bytes);

  std::size_t tensors() const { return tensors_.size(); }

  // Puts the file in place, tensors in order of their names.
  void finish();

 private:
  struct Extent {
    std::uint64_t offset, bytes;
  };
  struct Tensor {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::vector<Extent> extents;
  };

  std::string path_;
  int values_ = -1;  // the nameless file
  std::uint64_t end_ = 0;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace tarsier::cli
