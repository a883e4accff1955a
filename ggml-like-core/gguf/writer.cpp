#include "ggml-like-core/gguf/writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstring>
#include <limits>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/numbers.h"
#include "ggml-like-core/quant/formats.h"

namespace core {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is written in place");

constexpr std::size_t kMaxTensorName = 64;
constexpr std::size_t kMaxKey = 65535;
constexpr std::uint32_t kArray = 9;

using Bytes = std::string;  // bytes that grow

template <class T>
void put(Bytes& out, T x) {
  const auto raw = std::bit_cast<std::array<char, sizeof(T)>>(x);
  out.append(raw.data(), raw.size());
}
void put_text(Bytes& out, std::string_view s) {
  put<std::uint64_t>(out, s.size());
  out.append(s);
}

// The type id of a single value.
template <class T>
constexpr std::uint32_t type_id() {
  if constexpr (std::same_as<T, std::uint8_t>) return 0;
  if constexpr (std::same_as<T, std::int8_t>) return 1;
  if constexpr (std::same_as<T, std::uint16_t>) return 2;
  if constexpr (std::same_as<T, std::int16_t>) return 3;
  if constexpr (std::same_as<T, std::uint32_t>) return 4;
  if constexpr (std::same_as<T, std::int32_t>) return 5;
  if constexpr (std::same_as<T, float>) return 6;
  if constexpr (std::same_as<T, bool>) return 7;
  if constexpr (std::same_as<T, std::string>) return 8;
  if constexpr (std::same_as<T, std::uint64_t>) return 10;
  if constexpr (std::same_as<T, std::int64_t>) return 11;
  if constexpr (std::same_as<T, double>) return 12;
}

template <class Stored, class List>
void put_elements(Bytes& out, const List& list) {
  put(out, kArray);
  put(out, type_id<Stored>());
  put<std::uint64_t>(out, list.size());
  for (const auto& x : list) {
    if constexpr (std::same_as<Stored, std::string>)
      put_text(out, x);
    else if constexpr (std::same_as<Stored, bool>)
      put<std::uint8_t>(out, x ? 1 : 0);
    else
      put(out, static_cast<Stored>(x));
  }
}

void put_array(Bytes& out, const std::vector<std::uint8_t>& list) { put_elements<std::uint8_t>(out, list); }
void put_array(Bytes& out, const std::vector<double>& list) { put_elements<float>(out, list); }
void put_array(Bytes& out, const std::vector<bool>& list) { put_elements<bool>(out, list); }
void put_array(Bytes& out, const TextList& list) { put_elements<std::string>(out, list); }
void put_array(Bytes& out, const std::vector<std::int64_t>& list) {
  if (std::all_of(list.begin(), list.end(), [](std::int64_t x) { return std::in_range<std::int32_t>(x); }))
    put_elements<std::int32_t>(out, list);
  else
    put_elements<std::int64_t>(out, list);
}

void put_value(Bytes& out, const GgufValue& value) {
  std::visit(
      [&]<class T>(const T& x) {
        if constexpr (std::same_as<T, std::string>) {
          put(out, type_id<T>());
          put_text(out, x);
        } else if constexpr (std::same_as<T, bool>) {
          put(out, type_id<T>());
          put<std::uint8_t>(out, x ? 1 : 0);
        } else if constexpr (std::integral<T> || std::floating_point<T>) {
          put(out, type_id<T>());
          put(out, x);
        } else {
          put_array(out, x);
        }
      },
      value);
}

}  // namespace

void GgufWriter::set(const std::string& key, GgufValue value) {
  require(!key.empty(), "a metadata key is empty");
  require(key.size() <= kMaxKey, "metadata key ", key.substr(0, 40), "... has ", key.size(),
          " bytes, the limit is ", kMaxKey);
  if (key == "general.alignment") {
    const auto* n = std::get_if<std::uint32_t>(&value);
    require(n != nullptr && std::has_single_bit(*n) && *n >= 8,
            "general.alignment must be a UINT32, a power of two of at least 8");
    bug_if(!tensors_.empty() && *n != alignment_, "the alignment is set before the first tensor");
    alignment_ = *n;
  }
  const auto same = [&](const auto& entry) { return entry.first == key; };
  const auto found = std::find_if(metadata_.begin(), metadata_.end(), same);
  if (found == metadata_.end())
    metadata_.emplace_back(key, std::move(value));
  else
    found->second = std::move(value);
}

bool GgufWriter::has(const std::string& key) const {
  return std::any_of(metadata_.begin(), metadata_.end(),
                     [&](const auto& entry) { return entry.first == key; });
}

std::size_t GgufWriter::add_tensor(const std::string& name, DType dtype,
                                   std::span<const std::int64_t> shape) {
  bug_if(out_ != nullptr, "tensors are declared before begin()");
  require(!name.empty() && name.size() <= kMaxTensorName, "tensor name ", name, " has ", name.size(),
          " bytes, wanted 1 to ", kMaxTensorName);
  require(names_.insert(name).second, "tensor ", name, " is declared twice");
  const FormatInfo& format = info(dtype);
  require(!shape.empty() && shape.size() <= 4, "tensor ", name, " has ", shape.size(),
          " dimensions, wanted 1 to 4");
  std::size_t elements = 1;
  for (const std::int64_t n : shape) {
    const auto product = n > 0 ? checked_mul(elements, static_cast<std::size_t>(n)) : std::nullopt;
    require(product && *product <= std::numeric_limits<std::int64_t>::max() / 16, "tensor ", name,
            " has the impossible shape ", to_text(shape));
    elements = *product;
  }
  require(shape.back() % format.block_len == 0, "tensor ", name, " has rows of ", shape.back(),
          " weights, which is no multiple of ", format.block_len, ", the block of ", format.name);
  GgufTensor t;
  t.name = name;
  t.dtype = dtype;
  t.ne.assign(shape.rbegin(), shape.rend());
  t.offset = data_bytes();
  t.bytes = elements / static_cast<std::size_t>(format.block_len) * format.block_bytes;
  tensors_.push_back(std::move(t));
  return tensors_.size() - 1;
}

std::uint64_t GgufWriter::data_bytes() const {
  return tensors_.empty() ? 0 : round_up(tensors_.back().offset + tensors_.back().bytes, alignment_);
}

void GgufWriter::begin(const std::string& path) {
  bug_if(out_ != nullptr, "begin() is called once");
  Bytes head(kGgufMagic);
  put(head, kGgufVersion);
  put<std::uint64_t>(head, tensors_.size());
  put<std::uint64_t>(head, metadata_.size());
  for (const auto& [key, value] : metadata_) {
    put_text(head, key);
    put_value(head, value);
  }
  for (const GgufTensor& t : tensors_) {
    put_text(head, t.name);
    put(head, static_cast<std::uint32_t>(t.ne.size()));
    for (const std::int64_t n : t.ne) put(head, n);
    put(head, static_cast<std::uint32_t>(t.dtype));
    put(head, t.offset);
  }
  head.resize(round_up(head.size(), alignment_));
  data_begin_ = head.size();
  out_ = std::make_unique<OutputFile>(path, data_begin_ + data_bytes());
  out_->append(std::as_bytes(std::span(head)));
  // The file gets its final length at once; what lies between tensors stays zero.
  constexpr std::array<std::byte, 1> kZero{};
  if (data_bytes() > 0) out_->write_at(data_begin_ + data_bytes() - 1, kZero);
}

void GgufWriter::write(std::size_t number, std::uint64_t offset, std::span<const std::byte> bytes) {
  const GgufTensor& t = tensors_[number];
  bug_if(out_ == nullptr, "begin() comes before write()");
  bug_if(offset > t.bytes || bytes.size() > t.bytes - offset, "write() goes past the tensor's end");
  out_->write_at(data_begin_ + t.offset + offset, bytes);
  written_ += bytes.size();
}

void GgufWriter::commit() {
  bug_if(out_ == nullptr, "begin() comes before commit()");
  std::uint64_t wanted = 0;
  for (const GgufTensor& t : tensors_) wanted += t.bytes;
  require(written_ == wanted, "a GGUF file is incomplete: ", written_.load(),
          " bytes of tensors were written, ", wanted, " are declared");
  out_->commit();
  out_.reset();
}

}  // namespace core
