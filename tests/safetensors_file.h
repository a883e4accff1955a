// A safetensors file read whole into memory, for tests that compare with what transformers computed.
// Trusts nothing: a bad header, range or type is a core::Error that names the file and the tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"

namespace test {

struct StoredTensor {
  std::string dtype;                // as in the file: "F32", "BF16", "I64", "U8", ...
  std::vector<std::int64_t> shape;  // outermost first
  std::vector<std::byte> bytes;
};

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path) : path_(path) {
    std::ifstream file(path, std::ios::binary);
    core::require(file.good(), path, ": cannot be opened");
    const std::vector<char> all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    core::require(all.size() >= 8, path, ": shorter than the 8 bytes of a safetensors header");
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, all.data(), 8);
    core::require(header_bytes <= all.size() - 8, path, ": header of ", header_bytes, " bytes does not fit");
    const char* data = all.data() + 8 + header_bytes;
    const std::uint64_t data_bytes = all.size() - 8 - header_bytes;
    const auto header = nlohmann::json::parse(all.data() + 8, data);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") continue;
      const auto begin = entry.at("data_offsets").at(0).get<std::uint64_t>();
      const auto end = entry.at("data_offsets").at(1).get<std::uint64_t>();
      core::require(begin <= end && end <= data_bytes, path, ": tensor ", name, " lies outside the file");
      StoredTensor tensor{
          entry.at("dtype").get<std::string>(), entry.at("shape").get<std::vector<std::int64_t>>(), {}};
      tensor.bytes.resize(end - begin);
      if (begin != end) std::memcpy(tensor.bytes.data(), data + begin, end - begin);
      tensors.emplace(name, std::move(tensor));
    }
  }

  bool has(const std::string& name) const { return tensors.count(name) != 0; }
  const StoredTensor& tensor(const std::string& name) const {
    const auto found = tensors.find(name);
    core::require(found != tensors.end(), path_, ": no tensor ", name);
    return found->second;
  }
  const std::vector<std::int64_t>& shape(const std::string& name) const { return tensor(name).shape; }

  // The elements of a tensor whose stored type is exactly this one.
  std::vector<float> f32(const std::string& name) const { return values<float>(name, "F32"); }
  std::vector<double> f64(const std::string& name) const { return values<double>(name, "F64"); }
  std::vector<std::int64_t> i64(const std::string& name) const { return values<std::int64_t>(name, "I64"); }
  std::vector<std::int32_t> i32(const std::string& name) const { return values<std::int32_t>(name, "I32"); }
  std::vector<std::uint16_t> bf16(const std::string& name) const {
    return values<std::uint16_t>(name, "BF16");
  }
  std::vector<std::uint8_t> u8(const std::string& name) const { return values<std::uint8_t>(name, "U8"); }

  std::map<std::string, StoredTensor> tensors;

 private:
  template <class T>
  std::vector<T> values(const std::string& name, const std::string& dtype) const {
    const StoredTensor& t = tensor(name);
    core::require(t.dtype == dtype, path_, ": tensor ", name, " is ", t.dtype, ", expected ", dtype);
    std::vector<T> out(t.bytes.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), t.bytes.data(), out.size() * sizeof(T));
    return out;
  }
  std::string path_;
};

inline nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  core::require(file.good(), path, ": cannot be opened");
  return nlohmann::json::parse(file);
}

}  // namespace test
