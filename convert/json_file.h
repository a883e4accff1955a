// One JSON file of a checkpoint, read field by field with sentences for what is wrong.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier {

class JsonFile {
 public:
  // Error: cannot be read, is no JSON, or is no object.
  explicit JsonFile(const std::string& path);
  // A part of another file.
  JsonFile(std::string path, nlohmann::json root);

  const std::string& path() const { return path_; }

  // "text_config.hidden_size"; nullptr where it is absent or null.
  const nlohmann::json* find(std::string_view dotted) const;
  bool has(std::string_view dotted) const { return find(dotted) != nullptr; }

  // The value into out; false where it is absent or null. Error: of another kind or out of range.
  bool get(std::string_view dotted, int& out) const;
  bool get(std::string_view dotted, std::int64_t& out) const;
  bool get(std::string_view dotted, double& out) const;
  bool get(std::string_view dotted, float& out) const;
  bool get(std::string_view dotted, bool& out) const;
  bool get(std::string_view dotted, std::string& out) const;
  bool get(std::string_view dotted, std::vector<int>& out) const;
  bool get(std::string_view dotted, std::vector<double>& out) const;

 private:
  template <class T>
  bool get_list(std::string_view dotted, std::vector<T>& out) const;
  std::string path_;
  nlohmann::json root_;
};

}  // namespace tarsier
