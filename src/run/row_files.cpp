#include "src/run/row_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/hash.h"
#include "ggml-like-core/base/output_file.h"
#include "src/model/identity.h"

namespace tarsier {
namespace {

namespace fs = std::filesystem;

using Header = std::array<std::uint64_t, 8>;
constexpr std::uint64_t kMagic = 0x31776f7273726174;  // "tarsrow1"

Header header_of(std::uint64_t identity, std::uint64_t hash, const RowsShape& shape,
                 std::span<const std::byte> values) {
  core::Hash sum;
  sum.add(values);
  const auto word = [](std::int64_t n) { return static_cast<std::uint64_t>(n); };
  return {kMagic, identity, hash, word(shape.rows), word(shape.hidden), word(shape.features), sum.value(), 0};
}

std::string hex(std::uint64_t word) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(word));
  return text.data();
}

}  // namespace

RowFiles::RowFiles(const LoadedModel& model, std::string folder, std::uint64_t most_bytes,
                   std::string kernels)
    : model_(&model), folder_(std::move(folder)), most_bytes_(most_bytes), kernels_(std::move(kernels)) {}

std::uint64_t RowFiles::identity() {
  if (!identity_) {
    core::Hash hash;
    hash.add(tarsier::identity(*model_, Part::vision));
    hash.add(kernels_);
    identity_ = hash.value();
  }
  return *identity_;
}

std::string RowFiles::path_of(std::uint64_t hash) {
  return folder_ + "/" + hex(identity()) + "-" + hex(hash) + ".rows";
}

std::shared_ptr<const MediaRows> RowFiles::find(std::uint64_t hash, const RowsShape& shape) {
  const std::string path = path_of(hash);
  std::error_code none;
  if (!fs::exists(path, none)) return nullptr;
  try {
    const core::MappedFile file(path);
    const std::size_t n = shape.values();
    const std::span<const std::byte> bytes = file.bytes();
    bool whole = bytes.size() == sizeof(Header) + n * sizeof(float);
    if (whole) {
      Header found{};
      std::memcpy(found.data(), bytes.data(), sizeof found);
      whole = found == header_of(identity(), hash, shape, bytes.subspan(sizeof found));
    }
    if (!whole) {
      fs::remove(path, none);
      return nullptr;
    }
    auto rows = std::make_shared<MediaRows>();
    rows->rows = shape.rows;
    rows->hidden = shape.hidden;
    rows->values.resize(n);
    std::memcpy(rows->values.data(), bytes.data() + sizeof(Header), n * sizeof(float));
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // used now
    return rows;
  } catch (const core::Error&) {
    return nullptr;
  }
}

void RowFiles::keep(std::uint64_t hash, const RowsShape& shape, const MediaRows& rows) {
  const auto values = std::as_bytes(std::span(rows.values));
  const std::uint64_t size = sizeof(Header) + values.size();
  if (size > most_bytes_) return;
  try {
    fs::create_directories(folder_);
    const Header header = header_of(identity(), hash, shape, values);
    core::OutputFile out(path_of(hash), size, core::OutputFile::For::owner);
    out.append(std::as_bytes(std::span(header)));
    out.append(values);
    out.commit();
    trim();
  } catch (const std::exception&) {
    // The picture is encoded again another time: nothing to trouble anybody with.
  }
}

void RowFiles::trim() const {
  struct Entry {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<Entry> all;  // also what a program that was killed left unfinished
  std::uint64_t total = 0;
  std::error_code none;
  for (fs::directory_iterator at(folder_, none), end; !none && at != end; at.increment(none)) {
    std::error_code gone;  // by another program
    const Entry entry{at->last_write_time(gone), at->file_size(gone), at->path()};
    if (gone) continue;
    total += entry.bytes;
    all.push_back(entry);
  }
  std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (std::size_t i = 0; i < all.size() && total > most_bytes_; ++i) {
    fs::remove(all[i].path, none);
    total -= all[i].bytes;
  }
}

}  // namespace tarsier
