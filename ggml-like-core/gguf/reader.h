// Opens a GGUF file: everything is checked against the bytes that are there before anything is allocated.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/gguf/gguf.h"

namespace core {

// Immutable after construction, so thread-safe. Tensor data stays in the mapped file.
class GgufReader {
 public:
  // Throws Error naming the file, the key or tensor, what was found and what was wanted.
  explicit GgufReader(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const MappedFile& file() const { return file_; }

  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const GgufValue* find(std::string_view key) const;  // nullptr when absent
  // The value as that kind, whatever integer or float width the file uses. Error: missing or of another kind
  // or out of range.
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  const std::vector<std::int64_t>& integers(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;
  const std::vector<bool>& booleans(std::string_view key) const;
  const TextList& texts(std::string_view key) const;
  const std::vector<std::uint8_t>& bytes(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // in file order
  const GgufTensor* find_tensor(std::string_view name) const;
  std::span<const std::byte> data(const GgufTensor& tensor) const;

 private:
  MappedFile file_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> tensor_index_;
  std::size_t data_begin_ = 0;
};

}  // namespace core
