// Checkpoints that tests change: a folder's tensors and JSON files in memory, written to another folder.
#pragma once

#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ggml-like-core/base/half.h"
#include "tests/safetensors_file.h"
#include "tests/temp_folder.h"

namespace test {

inline std::string safetensors_bytes(const std::map<std::string, StoredTensor>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::size_t offset = 0;
  std::string data;
  for (const auto& [name, t] : tensors) {
    header[name] = {
        {"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {offset, offset + t.bytes.size()}}};
    offset += t.bytes.size();
    data.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t n = text.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &n, 8);
  return out + text + data;
}

inline std::vector<float> floats_of(const StoredTensor& t) {
  std::vector<float> out;
  if (t.dtype == "F32") {
    out.resize(t.bytes.size() / 4);
    std::memcpy(out.data(), t.bytes.data(), t.bytes.size());
    return out;
  }
  std::vector<std::uint16_t> bits(t.bytes.size() / 2);
  std::memcpy(bits.data(), t.bytes.data(), t.bytes.size());
  for (const std::uint16_t b : bits)
    out.push_back(t.dtype == "BF16" ? core::bf16_to_f32(b) : core::f16_to_f32(b));
  return out;
}

// dtype: F32, F16 or BF16.
inline StoredTensor stored(const std::string& dtype, std::vector<std::int64_t> shape,
                           const std::vector<float>& values) {
  StoredTensor t{dtype, std::move(shape), {}};
  const auto put = [&](auto x) {
    const auto raw = std::bit_cast<std::array<std::byte, sizeof(x)>>(x);
    for (const std::byte b : raw) t.bytes.push_back(b);
  };
  for (const float x : values) {
    if (dtype == "F32") put(x);
    if (dtype == "F16") put(core::f32_to_f16(x));
    if (dtype == "BF16") put(core::f32_to_bf16(x));
  }
  return t;
}

// [a, b, c] -> [a, c, b], two bytes an element.
inline StoredTensor swapped(const StoredTensor& t) {
  StoredTensor out{t.dtype, {t.shape[0], t.shape[2], t.shape[1]}, std::vector<std::byte>(t.bytes.size())};
  const auto rows = static_cast<std::size_t>(t.shape[1]);
  const auto columns = static_cast<std::size_t>(t.shape[2]);
  const std::size_t width = t.bytes.size() / static_cast<std::size_t>(t.shape[0]) / rows / columns;
  for (std::size_t e = 0; e < static_cast<std::size_t>(t.shape[0]); ++e)
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c)
        std::memcpy(&out.bytes[((e * columns + c) * rows + r) * width],
                    &t.bytes[((e * rows + r) * columns + c) * width], width);
  return out;
}

struct Checkpoint {
  std::map<std::string, StoredTensor> tensors;
  std::map<std::string, std::string> files;  // every other file of the folder

  // models/NAME of the repository.
  explicit Checkpoint(const std::string& name) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(TARSIER_SOURCE) + "/models/" + name)) {
      const std::string path = entry.path().string();
      if (path.ends_with(".safetensors"))
        tensors.merge(SafetensorsFile(path).tensors);
      else if (!path.ends_with(".index.json"))
        files[entry.path().filename().string()] = read_bytes(path);
    }
  }

  // Replaces a JSON file by change(json).
  template <class Change>
  void edit(const std::string& file, const Change& change) {
    auto json = nlohmann::json::parse(files.at(file));
    change(json);
    files[file] = json.dump();
  }
  template <class Rename>
  void rename(const Rename& new_name) {
    std::map<std::string, StoredTensor> out;
    for (auto& [name, t] : tensors) out.emplace(new_name(name), std::move(t));
    tensors = std::move(out);
  }

  void write_files(const TempFolder& folder) const {
    for (const auto& [name, bytes] : files) folder.write(name, bytes);
  }
  // One file, model.safetensors.
  void write(const TempFolder& folder) const {
    write_files(folder);
    folder.write("model.safetensors", safetensors_bytes(tensors));
  }
};

}  // namespace test
