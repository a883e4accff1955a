#include "convert/json_file.h"

#include <cmath>
#include <fstream>
#include <utility>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& path, std::string_view dotted, const json& found,
                         std::string_view wanted) {
  core::fail(path, ": ", dotted, " is ",
             found.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60), ", wanted ", wanted);
}

bool whole(double x) { return std::abs(x) < 0x1p53 && std::trunc(x) == x; }

void convert(const std::string& path, std::string_view dotted, const json& value, std::int64_t& out) {
  if (value.is_number_float() && whole(value.get<double>()))
    out = static_cast<std::int64_t>(value.get<double>());  // 5000000.0
  else if (value.is_number_unsigned() && std::in_range<std::int64_t>(value.get<std::uint64_t>()))
    out = static_cast<std::int64_t>(value.get<std::uint64_t>());
  else if (value.is_number_integer() && !value.is_number_unsigned())
    out = value.get<std::int64_t>();
  else
    refuse(path, dotted, value, "an integer");
}
void convert(const std::string& path, std::string_view dotted, const json& value, int& out) {
  std::int64_t wide = 0;
  convert(path, dotted, value, wide);
  if (!std::in_range<int>(wide)) refuse(path, dotted, value, "an integer of 32 bits");
  out = static_cast<int>(wide);
}
void convert(const std::string& path, std::string_view dotted, const json& value, double& out) {
  if (!value.is_number()) refuse(path, dotted, value, "a number");
  out = value.get<double>();
}

}  // namespace

JsonFile::JsonFile(const std::string& path) : path_(path) {
  std::ifstream in(path, std::ios::binary);
  core::require(in.good(), path, ": cannot be opened");
  try {
    root_ = json::parse(in);
  } catch (const json::exception& e) {
    core::fail(path, ": is no JSON: ", std::string_view(e.what()));
  }
  core::require(root_.is_object(), path, ": is no JSON object");
}

JsonFile::JsonFile(std::string path, json root) : path_(std::move(path)), root_(std::move(root)) {
  core::require(root_.is_object(), path_, ": is no JSON object");
}

const json* JsonFile::find(std::string_view dotted) const {
  const json* at = &root_;
  while (true) {
    const std::size_t dot = dotted.find('.');
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(dotted.substr(0, dot)));
    if (found == at->end() || found->is_null()) return nullptr;
    at = &*found;
    if (dot == std::string_view::npos) return at;
    dotted.remove_prefix(dot + 1);
  }
}

bool JsonFile::get(std::string_view dotted, int& out) const {
  const json* value = find(dotted);
  if (value != nullptr) convert(path_, dotted, *value, out);
  return value != nullptr;
}
bool JsonFile::get(std::string_view dotted, std::int64_t& out) const {
  const json* value = find(dotted);
  if (value != nullptr) convert(path_, dotted, *value, out);
  return value != nullptr;
}
bool JsonFile::get(std::string_view dotted, double& out) const {
  const json* value = find(dotted);
  if (value != nullptr) convert(path_, dotted, *value, out);
  return value != nullptr;
}
bool JsonFile::get(std::string_view dotted, float& out) const {
  double wide = 0;
  const bool there = get(dotted, wide);
  if (there) out = static_cast<float>(wide);
  return there;
}
bool JsonFile::get(std::string_view dotted, bool& out) const {
  const json* value = find(dotted);
  if (value == nullptr) return false;
  if (!value->is_boolean()) refuse(path_, dotted, *value, "true or false");
  out = value->get<bool>();
  return true;
}
bool JsonFile::get(std::string_view dotted, std::string& out) const {
  const json* value = find(dotted);
  if (value == nullptr) return false;
  if (!value->is_string()) refuse(path_, dotted, *value, "a text");
  out = value->get<std::string>();
  return true;
}

template <class T>
bool JsonFile::get_list(std::string_view dotted, std::vector<T>& out) const {
  const json* value = find(dotted);
  if (value == nullptr) return false;
  if (!value->is_array()) refuse(path_, dotted, *value, "a list of numbers");
  out.clear();
  for (const json& item : *value) convert(path_, dotted, item, out.emplace_back());
  return true;
}
bool JsonFile::get(std::string_view dotted, std::vector<int>& out) const { return get_list(dotted, out); }
bool JsonFile::get(std::string_view dotted, std::vector<double>& out) const { return get_list(dotted, out); }

}  // namespace tarsier
