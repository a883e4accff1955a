// One safetensors file: a checked header over mapped bytes. Nothing is read before a tensor's rows are asked
// for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/buffer.h"

namespace tarsier {

enum class StoredType { f32, f16, bf16, f8_e4m3, other };

// Bytes of an element of a type that the converter reads.
std::size_t stored_bytes(StoredType type);

class SafetensorsFile;

// A tensor where it lies. Valid as long as its file.
struct StoredTensor {
  const SafetensorsFile* file = nullptr;
  std::string name;
  std::string dtype;  // as the file says it: "BF16"
  StoredType type = StoredType::other;
  std::vector<std::int64_t> shape;  // outermost first
  std::size_t offset = 0;           // in the file
  std::size_t bytes = 0;

  std::span<const std::byte> data() const;
};

// Immutable, so thread-safe. Neither copied nor moved: its tensors point to it.
class SafetensorsFile {
 public:
  // Error: no safetensors file, or one whose header does not fit the bytes that are there.
  explicit SafetensorsFile(const std::string& path);
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;
  ~SafetensorsFile() = default;

  const std::string& path() const { return file_.path(); }
  const core::MappedFile& file() const { return file_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // in the order of their bytes

 private:
  core::MappedFile file_;
  std::vector<StoredTensor> tensors_;
};

// out[i] = element first + i of tensor, whose type is not other. E4M3: without its scale.
void read_elements(std::span<float> out, const StoredTensor& tensor, std::int64_t first);

}  // namespace tarsier
