#include "convert/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/numbers.h"

namespace tarsier {
namespace {

using core::fail;
using core::require;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors are read in place");

constexpr std::uint64_t kMaxHeader = 100'000'000;  // as the safetensors library has it
constexpr std::size_t kMaxDimensions = 8;

struct ElementType {
  std::string_view name;
  std::size_t bytes;
  StoredType type;
};
constexpr std::array kElementTypes = {
    ElementType{"F32", 4, StoredType::f32},       ElementType{"F16", 2, StoredType::f16},
    ElementType{"BF16", 2, StoredType::bf16},     ElementType{"F8_E4M3", 1, StoredType::f8_e4m3},
    ElementType{"F8_E5M2", 1, StoredType::other}, ElementType{"BOOL", 1, StoredType::other},
    ElementType{"U8", 1, StoredType::other},      ElementType{"I8", 1, StoredType::other},
    ElementType{"U16", 2, StoredType::other},     ElementType{"I16", 2, StoredType::other},
    ElementType{"U32", 4, StoredType::other},     ElementType{"I32", 4, StoredType::other},
    ElementType{"U64", 8, StoredType::other},     ElementType{"I64", 8, StoredType::other},
    ElementType{"F64", 8, StoredType::other},
};

std::uint64_t unsigned_number(const json& value, const std::string& where) {
  require(value.is_number_unsigned(), where, " holds ", value.dump().substr(0, 40),
          ", wanted a number of at least 0");
  return value.get<std::uint64_t>();
}

const json& member(const json& entry, const char* name, const std::string& where) {
  const auto found = entry.find(name);
  require(found != entry.end(), where, " has no ", name);
  return *found;
}

StoredTensor read_entry(const std::string& name, const json& entry, const std::string& path,
                        std::size_t data_begin, std::size_t data_bytes) {
  const std::string where = path + ": tensor " + name;
  require(entry.is_object(), where, " is described by ", entry.dump().substr(0, 40), ", wanted an object");
  StoredTensor t;
  t.name = name;
  const json& dtype = member(entry, "dtype", where);
  const json& shape = member(entry, "shape", where);
  const json& offsets = member(entry, "data_offsets", where);
  require(dtype.is_string(), where, ": dtype is not a text");
  require(shape.is_array() && shape.size() <= kMaxDimensions, where, ": shape is no list of at most ",
          kMaxDimensions, " numbers");
  require(offsets.is_array() && offsets.size() == 2, where, ": data_offsets is no pair of numbers");
  t.dtype = dtype.get<std::string>();
  std::optional<std::size_t> elements = 1;
  for (const json& item : shape) {
    const std::uint64_t n = unsigned_number(item, where + ": shape");
    require(std::in_range<std::int64_t>(n), where, ": shape holds ", n);
    t.shape.push_back(static_cast<std::int64_t>(n));
    if (elements) elements = core::checked_mul(*elements, static_cast<std::size_t>(n));
  }
  const std::uint64_t begin = unsigned_number(offsets[0], where + ": data_offsets");
  const std::uint64_t end = unsigned_number(offsets[1], where + ": data_offsets");
  require(begin <= end, where, " ends at ", end, " before it begins at ", begin);
  require(end <= data_bytes, where, " ends at byte ", end, " of the data, the file has ", data_bytes,
          ": it is cut off or damaged");
  t.offset = data_begin + static_cast<std::size_t>(begin);
  t.bytes = static_cast<std::size_t>(end - begin);
  const auto known = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                  [&](const ElementType& e) { return e.name == t.dtype; });
  if (known == kElementTypes.end()) return t;
  t.type = known->type;
  const auto wanted = elements ? core::checked_mul(*elements, known->bytes) : std::nullopt;
  require(wanted == t.bytes, where, " of shape ", core::to_text(t.shape), " and type ", t.dtype, " has ",
          t.bytes, " bytes, wanted ", wanted ? core::to_text(*wanted) : "more than can be counted");
  return t;
}

// The header without names that stand twice (the JSON library would keep only one of them).
json parse_header(const char* begin, const char* end, const std::string& path) {
  std::set<std::string> names;
  const auto refuse_twice = [&](int depth, json::parse_event_t event, const json& value) {
    require(depth <= 4, path, ": the safetensors header is nested too deeply");
    if (event == json::parse_event_t::key && depth == 1)
      require(names.insert(value.get<std::string>()).second, path, ": tensor ", value.get<std::string>(),
              " stands twice");
    return true;
  };
  try {
    return json::parse(begin, end, refuse_twice);
  } catch (const json::exception& e) {
    fail(path, ": the safetensors header is no JSON: ", std::string_view(e.what()));
  }
}

// 1 sign, 4 exponent (bias 7) and 3 mantissa bits; no infinity; 0x7f and 0xff are not numbers.
constexpr float e4m3_to_f32(std::uint8_t bits) {
  const int exponent = (bits >> 3) & 15;
  const int mantissa = bits & 7;
  if (exponent == 15 && mantissa == 7) return __builtin_nanf("");
  float x = exponent == 0 ? static_cast<float>(mantissa) : static_cast<float>(mantissa + 8);
  for (int e = exponent == 0 ? 1 : exponent; e < 10; ++e) x *= 0.5F;
  for (int e = 10; e < exponent; ++e) x *= 2.0F;
  return (bits & 0x80) != 0 ? -x : x;
}
constexpr std::array<float, 256> kE4m3 = [] {
  std::array<float, 256> table{};
  for (int i = 0; i < 256; ++i)
    table[static_cast<std::size_t>(i)] = e4m3_to_f32(static_cast<std::uint8_t>(i));
  return table;
}();

template <class Stored, class Convert>
void read_as(std::span<float> out, const std::byte* from, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored bits;
    std::memcpy(&bits, from + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(bits);
  }
}

}  // namespace

std::size_t stored_bytes(StoredType type) {
  for (const ElementType& e : kElementTypes)
    if (e.type == type) return e.bytes;
  core::bug("not a stored type");
}

std::span<const std::byte> StoredTensor::data() const { return file->file().bytes().subspan(offset, bytes); }

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
  const auto bytes = file_.bytes();
  constexpr std::size_t kLength = 8;
  require(bytes.size() >= kLength, path, ": has ", bytes.size(), " bytes, too few for a safetensors file");
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), kLength);
  require(header <= kMaxHeader && header <= bytes.size() - kLength, path, ": a header of ", header,
          " bytes does not fit into the file of ", bytes.size(),
          " bytes: it is cut off or no safetensors file");
  const std::size_t data_begin = kLength + static_cast<std::size_t>(header);
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + kLength;
  const json parsed = parse_header(text, text + header, path);
  require(parsed.is_object(), path, ": the safetensors header is no JSON object");
  for (const auto& [name, entry] : parsed.items()) {
    if (name == "__metadata__") continue;
    tensors_.push_back(read_entry(name, entry, path, data_begin, bytes.size() - data_begin));
    tensors_.back().file = this;
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  for (std::size_t i = 1; i < tensors_.size(); ++i)
    require(tensors_[i - 1].offset + tensors_[i - 1].bytes <= tensors_[i].offset, path, ": tensors ",
            tensors_[i - 1].name, " and ", tensors_[i].name, " overlap");
}

void read_elements(std::span<float> out, const StoredTensor& tensor, std::int64_t first) {
  const std::size_t width = stored_bytes(tensor.type);
  const auto begin = static_cast<std::size_t>(first) * width;
  const auto data = tensor.data();
  core::bug_if(first < 0 || begin > data.size() || out.size() * width > data.size() - begin,
               "elements beyond a stored tensor");
  const std::byte* from = data.data() + begin;
  switch (tensor.type) {
    case StoredType::f32:
      return read_as<float>(out, from, [](float x) { return x; });
    case StoredType::f16:
      return read_as<std::uint16_t>(out, from, [](std::uint16_t x) { return core::f16_to_f32(x); });
    case StoredType::bf16:
      return read_as<std::uint16_t>(out, from, [](std::uint16_t x) { return core::bf16_to_f32(x); });
    default:
      return read_as<std::uint8_t>(out, from, [](std::uint8_t x) { return kE4m3[x]; });
  }
}

}  // namespace tarsier
