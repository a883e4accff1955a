#include "src/cli/safetensors_writer.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/output_file.h"

namespace tarsier::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");
constexpr std::size_t kCopyBytes = 1 << 20;
constexpr std::size_t kHeaderAlignment = 8;  // of the data's start, as the format asks

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::string path) : path_(std::move(path)) {
  std::string name = path_ + ".values-XXXXXX";
  values_ = ::mkstemp(name.data());
  core::require(values_ >= 0, path_, ": cannot be written: ", std::strerror(errno));
  ::unlink(name.c_str());
}

SafetensorsWriter::~SafetensorsWriter() { ::close(values_); }

void SafetensorsWriter::add(std::string_view name, std::string_view dtype,
                            std::span<const std::int64_t> shape, std::span<const std::byte> bytes) {
  auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    found = tensors_.emplace(name, Tensor{std::string(dtype), {shape.begin(), shape.end()}, {}}).first;
  } else {
    Tensor& tensor = found->second;
    const bool joins = tensor.dtype == dtype && !shape.empty() && tensor.shape.size() == shape.size() &&
                       std::equal(shape.begin() + 1, shape.end(), tensor.shape.begin() + 1);
    core::require(joins, path_, ": value ", name, " comes again as ", dtype, " ", core::to_text(shape),
                  ", it was ", tensor.dtype, " ", core::to_text(tensor.shape));
    tensor.shape[0] += shape[0];
  }
  found->second.extents.push_back({end_, bytes.size()});
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(values_, bytes.data(), bytes.size(), static_cast<off_t>(end_));
    if (n < 0 && errno == EINTR) continue;
    core::require(n > 0, path_, ": writing failed: ", std::strerror(n < 0 ? errno : ENOSPC));
    end_ += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void SafetensorsWriter::finish() {
  nlohmann::json header = nlohmann::json::object();
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors_) {
    const std::uint64_t begin = offset;
    for (const Extent& extent : tensor.extents) offset += extent.bytes;
    header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, offset}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  const std::uint64_t header_bytes = text.size();

  core::OutputFile out(path_, sizeof header_bytes + header_bytes + offset);
  out.append(std::as_bytes(std::span(&header_bytes, 1)));
  out.append(std::as_bytes(std::span(text)));
  std::vector<std::byte> part(kCopyBytes);
  for (const auto& [name, tensor] : tensors_)
    for (Extent extent : tensor.extents)
      while (extent.bytes > 0) {
        const ssize_t n = ::pread(values_, part.data(), std::min<std::uint64_t>(extent.bytes, part.size()),
                                  static_cast<off_t>(extent.offset));
        if (n < 0 && errno == EINTR) continue;
        core::require(n > 0, path_, ": reading the values back failed: ", std::strerror(n < 0 ? errno : EIO));
        out.append(std::span(part).first(static_cast<std::size_t>(n)));
        extent.offset += static_cast<std::uint64_t>(n);
        extent.bytes -= static_cast<std::uint64_t>(n);
      }
  out.commit();
}

}  // namespace tarsier::cli
