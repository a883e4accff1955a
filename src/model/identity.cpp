#include "src/model/identity.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "ggml-like-core/base/hash.h"

namespace tarsier {
namespace {

constexpr std::size_t kSample = 256;  // bytes in the middle of a tensor

template <class T>
void add(core::Hash& hash, T x) {
  if constexpr (std::is_floating_point_v<T>)
    hash.add(std::bit_cast<std::uint64_t>(static_cast<double>(x)));
  else
    hash.add(static_cast<std::uint64_t>(x));
}
template <class T>
void add(core::Hash& hash, const std::vector<T>& list) {
  hash.add(list.size());
  for (const T x : list) add(hash, x);
}

}  // namespace

std::uint64_t identity(const LoadedModel& model, Part part) {
  core::Hash hash;
  config_fields(model.config, [&](std::string_view key, std::string_view, const auto& field) {
    hash.add(key);
    add(hash, field);
  });
  for (const auto& [name, weight] : model.weights.all()) {
    if (is_vision_name(name) != (part == Part::vision)) continue;
    hash.add(name);
    for (const std::int64_t n :
         {static_cast<std::int64_t>(weight.dtype), weight.experts, weight.rows, weight.cols})
      hash.add(static_cast<std::uint64_t>(n));
    const std::span<const std::byte> bytes = weight.bytes();
    const std::size_t n = std::min(bytes.size(), kSample);
    hash.add(bytes.subspan((bytes.size() - n) / 2, n));
  }
  return hash.value();
}

}  // namespace tarsier
