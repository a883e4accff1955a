// A hash of content in 64 bits. Not for adversaries: what is equal has equal hashes, anything else almost
// surely not.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace core {

class Hash {
 public:
  void add(std::uint64_t word) {
    state_ = std::rotl(state_ ^ (word * 0x9e3779b97f4a7c15ULL), 29) * 0xbf58476d1ce4e5b9ULL;
  }
  // In words of eight bytes; the last one is filled up with zeros.
  void add(std::span<const std::byte> bytes) {
    for (; !bytes.empty(); bytes = bytes.subspan(bytes.size() < 8 ? bytes.size() : 8)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data(), bytes.size() < 8 ? bytes.size() : 8);
      add(word);
    }
  }
  void add(std::string_view text) {
    add(text.size());
    add(std::as_bytes(std::span(text)));
  }
  std::uint64_t value() const {
    std::uint64_t x = state_;
    x = (x ^ (x >> 32)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 29);
  }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
};

}  // namespace core
