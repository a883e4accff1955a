// Writes a GGUF file as a stream: declare everything, begin(), then tensor bytes in any order, then commit().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ggml-like-core/base/output_file.h"
#include "ggml-like-core/gguf/gguf.h"

namespace core {

// write() of different tensors or disjoint ranges may run in parallel; everything else is for one thread.
class GgufWriter {
 public:
  // Keys keep the order of the first set(). Error: an empty key or one over 65,535 bytes. general.alignment
  // (UINT32, a power of two, before the first tensor) is obeyed.
  void set(const std::string& key, GgufValue value);
  bool has(const std::string& key) const;
  // shape: outermost first, as HF writes it. Returns the tensor's number. Error: name taken or over 64 bytes
  // (GGUF's limit), row length no multiple of the format's block.
  std::size_t add_tensor(const std::string& name, DType dtype, std::span<const std::int64_t> shape);
  const GgufTensor& tensor(std::size_t number) const { return tensors_[number]; }
  std::size_t tensor_count() const { return tensors_.size(); }
  std::uint64_t data_bytes() const;  // of all tensors with padding

  // Creates the file (free space is checked) and writes header, metadata and tensor list.
  void begin(const std::string& path);
  void write(std::size_t number, std::uint64_t offset, std::span<const std::byte> bytes);
  // Error when bytes are missing.
  void commit();

 private:
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::set<std::string, std::less<>> names_;
  std::size_t alignment_ = kGgufDefaultAlignment;
  std::unique_ptr<OutputFile> out_;
  std::uint64_t data_begin_ = 0;
  std::atomic<std::uint64_t> written_{0};
};

}  // namespace core
