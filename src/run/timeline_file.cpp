// A timeline on disk: session-spec.md describes the file.
#include <cstring>
#include <vector>

#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/hash.h"
#include "ggml-like-core/base/output_file.h"
#include "src/model/identity.h"
#include "src/run/timeline.h"

namespace tarsier {
namespace {

// Words of 64 bits at the beginning.
struct Header {
  std::uint64_t magic = 0x3230766b73726174;  // "tarskv02"
  std::uint64_t identity = 0;                // of model and kernels
  std::uint64_t kv_type = 0;
  std::uint64_t tokens = 0;
  std::uint64_t next_position = 0;
  std::uint64_t sum = 0;           // the hash of all that follows
  std::uint64_t shifted_from = 0;  // plus 1; 0: nothing was shifted
  std::uint64_t zero = 0;
  bool operator==(const Header&) const = default;
};
static_assert(sizeof(Header) == 64);

// One token.
struct KeyRecord {
  std::int32_t id, row;
  std::uint64_t media;
  Place place;
  std::int32_t zero = 0;
};
static_assert(sizeof(KeyRecord) == 32);

std::uint64_t identity_of(const LoadedModel& model, const char* kernels) {
  core::Hash hash;
  hash.add(identity(model, Part::text));
  hash.add(identity(model, Part::vision));
  hash.add(std::string_view(kernels));
  return hash.value();
}

}  // namespace

std::uint64_t Timeline::save(const std::string& path) const {
  const auto parts = cache_.used(ids_.size());
  std::vector<KeyRecord> keys;
  keys.reserve(keys_.size());
  for (std::size_t i = 0; i < keys_.size(); ++i)
    keys.push_back({.id = keys_[i].id, .row = keys_[i].row, .media = keys_[i].media, .place = places_[i]});
  core::Hash sum;
  std::uint64_t bytes = sizeof(Header) + keys.size() * sizeof(KeyRecord);
  sum.add(std::as_bytes(std::span(keys)));
  for (const std::span<const std::byte> part : parts) {
    sum.add(part);
    bytes += part.size();
  }
  const Header header{.identity = identity_of(*model_, runner_.table().name),
                      .kv_type = static_cast<std::uint64_t>(*options_.kv_type),
                      .tokens = ids_.size(),
                      .next_position = static_cast<std::uint64_t>(next_position_),
                      .sum = sum.value(),
                      .shifted_from = shifted_from_ + 1};
  core::OutputFile out(path, bytes, core::OutputFile::For::owner);  // it holds what was said
  out.append(std::as_bytes(std::span(&header, 1)));
  out.append(std::as_bytes(std::span(keys)));
  for (const std::span<const std::byte> part : parts) out.append(part);
  out.commit();
  return bytes;
}

void Timeline::restore(const std::string& path) {
  const core::MappedFile file(path);
  std::span<const std::byte> rest = file.bytes();
  Header header;
  const Header ours;
  core::require(rest.size() >= sizeof header, path, ": found ", rest.size(), " bytes, wanted at least ",
                sizeof header);
  std::memcpy(&header, rest.data(), sizeof header);
  rest = rest.subspan(sizeof header);
  core::require(header.magic == ours.magic && header.zero == ours.zero, path,
                ": is no cache that this version reads");
  core::require(header.kv_type == static_cast<std::uint64_t>(*options_.kv_type), path,
                ": is of another type than --kv-type");
  core::require(header.identity == identity_of(*model_, runner_.table().name), path,
                ": was made by another model or other kernels");
  const auto capacity = static_cast<std::uint64_t>(context());
  const auto most = static_cast<std::uint64_t>(model_->config.text.max_position_embeddings);
  core::require(header.tokens <= capacity && header.next_position <= most, path, ": found ", header.tokens,
                " tokens, the context holds ", capacity);
  core::require(header.shifted_from <= header.tokens, path, ": is damaged");
  const auto n = static_cast<std::size_t>(header.tokens);
  const auto parts = cache_.used(n);
  std::size_t wanted = n * sizeof(KeyRecord);
  for (const auto part : parts) wanted += part.size();
  core::require(rest.size() == wanted, path, ": found ", rest.size(), " bytes behind the header, wanted ",
                wanted);
  std::vector<KeyRecord> records(n);
  std::memcpy(records.data(), rest.data(), n * sizeof(KeyRecord));
  core::Hash sum;
  sum.add(rest.first(n * sizeof(KeyRecord)));
  rest = rest.subspan(n * sizeof(KeyRecord));
  // Hashed part by part, as they were: a part may end within a word.
  for (std::size_t at = 0; const auto part : parts) {
    sum.add(rest.subspan(at, part.size()));
    at += part.size();
  }
  core::require(sum.value() == header.sum, path, ": is damaged");
  for (const KeyRecord& record : records)
    for (const std::int32_t at : record.place)
      core::require(at >= 0 && static_cast<std::uint64_t>(at) <= most, path, ": is damaged");

  for (const std::span<std::byte> part : parts) {
    std::memcpy(part.data(), rest.data(), part.size());
    rest = rest.subspan(part.size());
  }
  ids_.clear();
  keys_.clear();
  places_.clear();
  shifted_from_ = static_cast<std::size_t>(header.shifted_from) - 1;
  for (const KeyRecord& record : records) {
    ids_.push_back(record.id);
    keys_.push_back({.id = record.id, .row = record.row, .media = record.media});
    places_.push_back(record.place);
  }
  next_position_ = static_cast<int>(header.next_position);
}

}  // namespace tarsier
