// SentencePiece models through libsentencepiece.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier {

enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// One entry of the vocabulary.
struct Piece {
  std::string text;  // as stored: U+2581 for a blank, <0x0A> for a byte
  PieceType type = PieceType::normal;
  std::size_t type_offset = 0;  // of the type's byte in the serialized model; 0: not stated, normal
};

// Reads the vocabulary of a serialized model. Error: not a protocol buffer of that form.
std::vector<Piece> read_pieces(std::span<const std::uint8_t> model);

// Immutable, so thread-safe.
class SentencePiece {
 public:
  // Error: a damaged model.
  explicit SentencePiece(std::span<const std::uint8_t> model);
  ~SentencePiece();

  // As Python's encode(). plain: user-defined symbols that look like marks (<...>) are only text.
  std::vector<int> encode(std::string_view text, bool plain) const;
  // As Python's decode(): control pieces give nothing. Ids out of range are left out.
  std::string decode(std::span<const int> ids) const;
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  struct Library;
  std::vector<Piece> pieces_;
  std::unique_ptr<const Library> library_;
};

}  // namespace tarsier
