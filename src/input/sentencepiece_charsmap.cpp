#include "src/input/sentencepiece_charsmap.h"

#include <cstddef>
#include <vector>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

constexpr std::size_t kSizeBytes = 4;  // before the tree: its length in bytes
constexpr std::size_t kUnitBytes = 4;
constexpr std::uint32_t kLeaf = 1U << 31;

std::uint32_t u32_little(std::span<const std::uint8_t> bytes, std::size_t at) {
  return bytes[at] | std::uint32_t{bytes[at + 1]} << 8 | std::uint32_t{bytes[at + 2]} << 16 |
         std::uint32_t{bytes[at + 3]} << 24;
}

// A unit of the tree, a double array. darts-clone: darts.h, Details::DoubleArrayUnit.
struct Unit {
  std::uint32_t bits;
  bool has_leaf() const { return (bits & (1U << 8)) != 0; }
  std::uint32_t value() const { return bits & (kLeaf - 1); }
  std::uint32_t label() const { return bits & (kLeaf | 0xFF); }
  std::uint32_t offset() const { return (bits >> 10) << ((bits & (1U << 9)) >> 6); }
};

}  // namespace

// Length of the tree, the tree, then the texts that its leaves point into, each with a 0 behind it.
void check_charsmap(std::span<const std::uint8_t> table) {
  if (table.empty()) return;
  core::require(table.size() > kSizeBytes, "SentencePiece model: a normalisation table of ", table.size(),
                " bytes is damaged");
  const std::size_t tree_bytes = u32_little(table, 0);
  core::require(tree_bytes > 0 && tree_bytes % kUnitBytes == 0 && tree_bytes < table.size() - kSizeBytes,
                "SentencePiece model: the tree of the normalisation table has ", tree_bytes, " of ",
                table.size() - kSizeBytes, " bytes, wanted whole units and texts behind them");
  const auto tree = table.subspan(kSizeBytes, tree_bytes);
  const auto texts = table.subspan(kSizeBytes + tree_bytes);
  core::require(texts.back() == 0, "SentencePiece model: the texts of the normalisation table have no end");

  const std::size_t units = tree_bytes / kUnitBytes;
  const auto unit = [&](std::size_t i) { return Unit{u32_little(tree, i * kUnitBytes)}; };
  std::vector<bool> seen(units);
  std::vector<std::size_t> waiting = {0};
  seen[0] = true;
  while (!waiting.empty()) {
    const std::size_t at = waiting.back();
    waiting.pop_back();
    const std::size_t children = at ^ unit(at).offset();  // that for byte b is at children ^ b
    core::require((children | 0xFF) < units, "SentencePiece model: the normalisation table leads to unit ",
                  children, " of ", units);
    if (unit(at).has_leaf())
      core::require(unit(children).value() < texts.size(),
                    "SentencePiece model: the normalisation table points to byte ", unit(children).value(),
                    " of ", texts.size(), " bytes of text");
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::size_t child = children ^ byte;
      if (unit(child).label() != byte || seen[child]) continue;
      seen[child] = true;
      waiting.push_back(child);
    }
  }
}

}  // namespace tarsier
