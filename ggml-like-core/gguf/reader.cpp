#include "ggml-like-core/gguf/reader.h"

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/quant/formats.h"
#include "ggml-like-core/quant/tile.h"

namespace core {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read in place");

constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::size_t kMaxTensorName = 64;
constexpr std::size_t kMaxKey = 65535;
constexpr std::uint64_t kMaxAlignment = 1U << 20;

// The type ids of metadata values.
enum class Kind : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,  // clang-format off
};  // clang-format on
constexpr std::uint32_t kKinds = 13;

// Bytes that a value of this kind takes at least.
std::size_t least_bytes(Kind kind) {
  switch (kind) {
    case Kind::u8:
    case Kind::i8:
    case Kind::boolean:
      return 1;
    case Kind::u16:
    case Kind::i16:
      return 2;
    case Kind::u32:
    case Kind::i32:
    case Kind::f32:
      return 4;
    default:
      return 8;
  }
}

// Reads forward through bytes and never past their end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  const std::string& path() const { return path_; }

  template <class T>
  T take(std::string_view what) {
    const auto raw = take_bytes(sizeof(T), what);
    T out;
    std::memcpy(&out, raw.data(), sizeof(T));
    return out;
  }
  std::span<const std::byte> take_bytes(std::uint64_t n, std::string_view what) {
    require(n <= left(), path_, ": ", what, " needs ", n, " bytes at offset ", position_, ", the file has ",
            left(), " left");
    const auto out = bytes_.subspan(position_, static_cast<std::size_t>(n));
    position_ += static_cast<std::size_t>(n);
    return out;
  }
  // A view of the file.
  std::string_view take_text(std::string_view what,
                             std::size_t limit = std::numeric_limits<std::size_t>::max()) {
    const auto n = take<std::uint64_t>(what);
    require(n <= limit, path_, ": ", what, " has ", n, " bytes, the limit is ", limit);
    const auto raw = take_bytes(n, what);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  bool take_bool(std::string_view what) {
    const auto raw = take<std::uint8_t>(what);
    require(raw <= 1, path_, ": ", what, " is a boolean of value ", int{raw}, ", wanted 0 or 1");
    return raw == 1;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
  std::size_t position_ = 0;
};

Kind take_kind(Cursor& in, const std::string& what) {
  const auto id = in.take<std::uint32_t>(what);
  require(id < kKinds, in.path(), ": ", what, " has type ", id, ", known are 0 to ", kKinds - 1);
  return static_cast<Kind>(id);
}

template <class Out, class Stored>
std::vector<Out> take_elements(Cursor& in, std::uint64_t count, const std::string& what) {
  std::vector<Out> out;
  out.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto x = in.take<Stored>(what);
    if constexpr (std::same_as<Stored, std::uint64_t>)
      require(std::in_range<std::int64_t>(x), in.path(), ": ", what, " holds ", x,
              ", more than a signed 64-bit number can");
    out.push_back(static_cast<Out>(x));
  }
  return out;
}

GgufValue take_array(Cursor& in, const std::string& what) {
  const Kind kind = take_kind(in, what);
  require(kind != Kind::array, in.path(), ": ", what, " is an array of arrays, which is not supported");
  const auto count = in.take<std::uint64_t>(what);
  require(count <= in.left() / least_bytes(kind), in.path(), ": ", what, " claims ", count,
          " elements, the file has only ", in.left(), " bytes left");
  switch (kind) {
    case Kind::u8:
      return take_elements<std::uint8_t, std::uint8_t>(in, count, what);
    case Kind::i8:
      return take_elements<std::int64_t, std::int8_t>(in, count, what);
    case Kind::u16:
      return take_elements<std::int64_t, std::uint16_t>(in, count, what);
    case Kind::i16:
      return take_elements<std::int64_t, std::int16_t>(in, count, what);
    case Kind::u32:
      return take_elements<std::int64_t, std::uint32_t>(in, count, what);
    case Kind::i32:
      return take_elements<std::int64_t, std::int32_t>(in, count, what);
    case Kind::u64:
      return take_elements<std::int64_t, std::uint64_t>(in, count, what);
    case Kind::i64:
      return take_elements<std::int64_t, std::int64_t>(in, count, what);
    case Kind::f32:
      return take_elements<double, float>(in, count, what);
    case Kind::f64:
      return take_elements<double, double>(in, count, what);
    case Kind::boolean: {
      std::vector<bool> out;
      for (std::uint64_t i = 0; i < count; ++i) out.push_back(in.take_bool(what));
      return out;
    }
    default: {
      TextList out;
      out.reserve(count);
      for (std::uint64_t i = 0; i < count; ++i) out.push_back(in.take_text(what));
      return out;
    }
  }
}

GgufValue take_value(Cursor& in, Kind kind, const std::string& what) {
  switch (kind) {
    case Kind::u8:
      return in.take<std::uint8_t>(what);
    case Kind::i8:
      return in.take<std::int8_t>(what);
    case Kind::u16:
      return in.take<std::uint16_t>(what);
    case Kind::i16:
      return in.take<std::int16_t>(what);
    case Kind::u32:
      return in.take<std::uint32_t>(what);
    case Kind::i32:
      return in.take<std::int32_t>(what);
    case Kind::f32:
      return in.take<float>(what);
    case Kind::boolean:
      return in.take_bool(what);
    case Kind::string:
      return std::string(in.take_text(what));
    case Kind::u64:
      return in.take<std::uint64_t>(what);
    case Kind::i64:
      return in.take<std::int64_t>(what);
    case Kind::f64:
      return in.take<double>(what);
    case Kind::array:
      break;
  }
  return take_array(in, what);
}

// One entry of the tensor list. Whether its bytes are there is checked once the data section's place is
// known.
GgufTensor take_tensor(Cursor& in) {
  GgufTensor t;
  t.name = in.take_text("the name of a tensor", kMaxTensorName);
  require(!t.name.empty(), in.path(), ": a tensor has an empty name");
  const std::string what = "tensor " + t.name;
  const auto dimensions = in.take<std::uint32_t>(what);
  require(dimensions >= 1 && dimensions <= kMaxDimensions, in.path(), ": ", what, " has ", dimensions,
          " dimensions, wanted 1 to ", kMaxDimensions);
  std::optional<std::size_t> elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto n = in.take<std::int64_t>(what);
    require(n > 0, in.path(), ": ", what, " has dimension ", i, " of length ", n);
    t.ne.push_back(n);
    if (elements) elements = checked_mul(*elements, static_cast<std::size_t>(n));
  }
  require(elements && std::in_range<std::int64_t>(*elements), in.path(), ": ", what,
          " has more elements than can be counted: ", to_text(t.ne));
  const auto type = in.take<std::uint32_t>(what);
  t.dtype = static_cast<DType>(type);
  const auto index = format_index(t.dtype);
  if (!index) {
    std::string known;
    for (const FormatInfo& f : kStoredFormats) known += (known.empty() ? "" : ", ") + std::string(f.name);
    fail(in.path(), ": ", what, " has type id ", type, ", supported are ", known);
  }
  const FormatInfo& format = kStoredFormats[static_cast<std::size_t>(*index)];
  require(t.ne[0] % format.block_len == 0, in.path(), ": ", what, " is ", format.name, " with rows of ",
          t.ne[0], " weights, which is no multiple of ", format.block_len);
  if (format.is_tiled()) {
    require(dimensions == 2 || dimensions == 3, in.path(), ": ", what, " is ", format.name, " and has ",
            dimensions, " dimensions, wanted 2 or 3");
    require(t.ne[1] % kTileRows == 0, in.path(), ": ", what, " is ", format.name, " with ", t.ne[1],
            " rows, which is no multiple of ", kTileRows);
  }
  const auto blocks = *elements / static_cast<std::size_t>(format.block_len);
  const auto bytes = checked_mul(blocks, format.block_bytes);
  require(bytes.has_value(), in.path(), ": ", what, " has more bytes than can be counted: ", to_text(t.ne));
  t.bytes = *bytes;
  t.offset = in.take<std::uint64_t>(what);
  return t;
}

std::size_t alignment_of(const std::string& path,
                         const std::map<std::string, GgufValue, std::less<>>& metadata) {
  const auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return kGgufDefaultAlignment;
  const auto* n = std::get_if<std::uint32_t>(&found->second);
  require(n != nullptr, path, ": general.alignment is of another type than UINT32");
  require(std::has_single_bit(*n) && *n >= 8 && *n <= kMaxAlignment, path, ": general.alignment is ", *n,
          ", wanted a power of two from 8 to ", kMaxAlignment);
  return *n;
}

void check_data(const std::string& path, const std::vector<GgufTensor>& tensors, std::size_t alignment,
                std::size_t data_bytes) {
  std::vector<const GgufTensor*> by_offset;
  by_offset.reserve(tensors.size());
  for (const GgufTensor& t : tensors) {
    require(t.offset % alignment == 0, path, ": tensor ", t.name, " begins at ", t.offset,
            " of the data, which is no multiple of ", alignment);
    require(t.offset <= data_bytes && t.bytes <= data_bytes - t.offset, path, ": tensor ", t.name, " needs ",
            t.bytes, " bytes at ", t.offset, " of the data, the file has ", data_bytes,
            " bytes of data: it is cut off or damaged");
    by_offset.push_back(&t);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < by_offset.size(); ++i)
    require(by_offset[i - 1]->offset + by_offset[i - 1]->bytes <= by_offset[i]->offset, path, ": tensors ",
            by_offset[i - 1]->name, " and ", by_offset[i]->name, " overlap");
}

// The value of key as T; what: "text", for the message.
template <class T>
const T& get(const GgufReader& reader, std::string_view key, std::string_view what) {
  const GgufValue* value = reader.find(key);
  require(value != nullptr, reader.path(), ": key ", key, " is missing");
  const T* out = std::get_if<T>(value);
  require(out != nullptr, reader.path(), ": key ", key, " is not ", what);
  return *out;
}

}  // namespace

std::int64_t GgufTensor::rows() const {
  std::int64_t n = 1;
  for (std::size_t i = 1; i < ne.size(); ++i) n *= ne[i];
  return n;
}

std::vector<std::int64_t> GgufTensor::shape() const { return {ne.rbegin(), ne.rend()}; }

GgufReader::GgufReader(const std::string& path) : file_(path) {
  Cursor in(file_.bytes(), file_.path());
  const auto magic = in.take_bytes(kGgufMagic.size(), "the magic GGUF");
  require(std::memcmp(magic.data(), kGgufMagic.data(), kGgufMagic.size()) == 0, path,
          ": is no GGUF file: it does not begin with the letters GGUF");
  const auto version = in.take<std::uint32_t>("the version");
  require(version != __builtin_bswap32(kGgufVersion), path,
          ": is a big-endian GGUF file, wanted little-endian");
  require(version == kGgufVersion, path, ": is GGUF version ", version, ", wanted ", kGgufVersion);
  const auto n_tensors = in.take<std::uint64_t>("the number of tensors");
  const auto n_keys = in.take<std::uint64_t>("the number of keys");
  constexpr std::size_t kLeastTensor =
      8 + 1 + 4 + 8 + 4 + 8;  // name length, name, dimensions, one, type, offset
  constexpr std::size_t kLeastKey = 8 + 1 + 4 + 1;
  require(n_keys <= in.left() / kLeastKey, path, ": claims ", n_keys, " keys, the file has only ", in.left(),
          " bytes left");
  require(n_tensors <= in.left() / kLeastTensor, path, ": claims ", n_tensors, " tensors, the file has only ",
          in.left(), " bytes left");
  for (std::uint64_t i = 0; i < n_keys; ++i) {
    const std::string key(in.take_text("a key", kMaxKey));
    require(!key.empty(), path, ": a key is empty");
    const std::string what = "key " + key;
    const Kind kind = take_kind(in, what);
    require(metadata_.try_emplace(key, take_value(in, kind, what)).second, path, ": ", what, " stands twice");
  }
  const std::size_t alignment = alignment_of(path, metadata_);
  tensors_.reserve(n_tensors);
  for (std::uint64_t i = 0; i < n_tensors; ++i) {
    tensors_.push_back(take_tensor(in));
    require(tensor_index_.try_emplace(tensors_.back().name, i).second, path, ": tensor ",
            tensors_.back().name, " stands twice");
  }
  data_begin_ = round_up(in.position(), alignment);
  const std::size_t size = file_.bytes().size();
  check_data(path, tensors_, alignment, size > data_begin_ ? size - data_begin_ : 0);
}

const GgufValue* GgufReader::find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

std::int64_t GgufReader::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  require(value != nullptr, path(), ": key ", key, " is missing");
  return std::visit(
      [&]<class T>(const T& x) -> std::int64_t {
        if constexpr (std::integral<T> && !std::same_as<T, bool>) {
          require(std::in_range<std::int64_t>(x), path(), ": key ", key, " is ", x,
                  ", more than a signed 64-bit number can hold");
          return static_cast<std::int64_t>(x);
        } else {
          fail(path(), ": key ", key, " is not an integer");
        }
      },
      *value);
}

double GgufReader::number(std::string_view key) const {
  const GgufValue* value = find(key);
  require(value != nullptr, path(), ": key ", key, " is missing");
  return std::visit(
      [&]<class T>(const T& x) -> double {
        if constexpr ((std::integral<T> && !std::same_as<T, bool>) || std::floating_point<T>)
          return static_cast<double>(x);
        else
          fail(path(), ": key ", key, " is not a number");
      },
      *value);
}

bool GgufReader::boolean(std::string_view key) const { return get<bool>(*this, key, "a boolean"); }
const std::string& GgufReader::text(std::string_view key) const {
  return get<std::string>(*this, key, "a text");
}
const std::vector<std::int64_t>& GgufReader::integers(std::string_view key) const {
  return get<std::vector<std::int64_t>>(*this, key, "an array of integers");
}
const std::vector<double>& GgufReader::numbers(std::string_view key) const {
  return get<std::vector<double>>(*this, key, "an array of floats");
}
const std::vector<bool>& GgufReader::booleans(std::string_view key) const {
  return get<std::vector<bool>>(*this, key, "an array of booleans");
}
const TextList& GgufReader::texts(std::string_view key) const {
  return get<TextList>(*this, key, "an array of texts");
}
const std::vector<std::uint8_t>& GgufReader::bytes(std::string_view key) const {
  return get<std::vector<std::uint8_t>>(*this, key, "an array of bytes");
}

const GgufTensor* GgufReader::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> GgufReader::data(const GgufTensor& tensor) const {
  return file_.bytes().subspan(data_begin_ + static_cast<std::size_t>(tensor.offset), tensor.bytes);
}

}  // namespace core
