#include "src/input/sentencepiece.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/input/sentencepiece_charsmap.h"

namespace tarsier {
namespace {

// Reads the wire format of protocol buffers: enough to walk over the fields of a message.
class Fields {
 public:
  Fields(std::span<const std::uint8_t> bytes, std::size_t begin, std::size_t end)
      : bytes_(bytes), at_(begin), end_(end) {}

  struct Field {
    std::uint64_t number = 0;
    unsigned wire = 0;
    std::uint64_t value = 0;         // of a varint
    std::size_t begin = 0, end = 0;  // of the value in the bytes
  };
  std::optional<Field> next() {
    if (at_ == end_) return std::nullopt;
    Field f;
    const std::uint64_t key = varint();
    f.number = key >> 3;
    f.wire = static_cast<unsigned>(key & 7);
    f.begin = at_;
    switch (f.wire) {
      case 0:
        f.value = varint();
        break;
      case 1:
        skip(8);
        break;
      case 2: {
        const std::uint64_t n = varint();
        f.begin = at_;
        skip(n);
        break;
      }
      case 5:
        skip(4);
        break;
      default:
        damaged();
    }
    f.end = at_;
    return f;
  }

 private:
  [[noreturn]] void damaged() const {
    core::fail("SentencePiece model: damaged at byte ", at_, " of ", bytes_.size());
  }
  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) damaged();
      const std::uint8_t b = bytes_[at_++];
      out |= static_cast<std::uint64_t>(b & 0x7F) << shift;
      if ((b & 0x80) == 0) return out;
    }
    damaged();
  }
  void skip(std::uint64_t n) {
    if (n > end_ - at_) damaged();
    at_ += static_cast<std::size_t>(n);
  }
  std::span<const std::uint8_t> bytes_;
  std::size_t at_, end_;
};

// ModelProto.SentencePiece of sentencepiece_model.proto: 1 piece, 2 score, 3 type.
Piece read_piece(std::span<const std::uint8_t> model, std::size_t begin, std::size_t end) {
  Piece out;
  Fields fields(model, begin, end);
  while (const auto f = fields.next()) {
    if (f->number == 1 && f->wire == 2)
      out.text.assign(reinterpret_cast<const char*>(model.data()) + f->begin, f->end - f->begin);
    if (f->number != 3 || f->wire != 0) continue;
    core::require(f->value >= 1 && f->value <= 6 && f->end - f->begin == 1, "SentencePiece model: piece ",
                  out.text, " has the type ", f->value, ", wanted 1 to 6");
    out.type = static_cast<PieceType>(f->value);
    out.type_offset = f->begin;
  }
  return out;
}

// ModelProto: 3 normalizer_spec, 5 denormalizer_spec. NormalizerSpec: 2 precompiled_charsmap.
void check_normalizers(std::span<const std::uint8_t> model) {
  Fields fields(model, 0, model.size());
  while (const auto f = fields.next()) {
    if ((f->number != 3 && f->number != 5) || f->wire != 2) continue;
    Fields spec(model, f->begin, f->end);
    while (const auto g = spec.next())
      if (g->number == 2 && g->wire == 2) check_charsmap(model.subspan(g->begin, g->end - g->begin));
  }
}

bool looks_like_a_mark(const Piece& p) {
  return p.type == PieceType::user_defined && p.text.size() > 2 && p.text.front() == '<' &&
         p.text.back() == '>';
}

void load(sentencepiece::SentencePieceProcessor& processor, std::span<const std::uint8_t> model) {
  try {
    const auto status =
        processor.LoadFromSerializedProto({reinterpret_cast<const char*>(model.data()), model.size()});
    core::require(status.ok(), "SentencePiece model: ", status.ToString());
  } catch (const core::Error&) {
    throw;
  } catch (const std::exception& e) {  // of the tree that it builds of the pieces
    core::fail("SentencePiece model: ", e.what());
  }
}

}  // namespace

std::vector<Piece> read_pieces(std::span<const std::uint8_t> model) {
  std::vector<Piece> out;
  Fields fields(model, 0, model.size());
  while (const auto f = fields.next())
    if (f->number == 1 && f->wire == 2) {
      out.push_back(read_piece(model, f->begin, f->end));
      core::require(out.back().text.find('\0') == std::string::npos,
                    "SentencePiece model: the text of piece ", out.size() - 1, " has a byte 0");
    }
  core::require(!out.empty(), "SentencePiece model: holds no pieces");
  return out;
}

struct SentencePiece::Library {
  sentencepiece::SentencePieceProcessor full;
  std::optional<sentencepiece::SentencePieceProcessor> plain;  // where it differs
};

SentencePiece::SentencePiece(std::span<const std::uint8_t> model) : pieces_(read_pieces(model)) {
  check_normalizers(model);
  auto library = std::make_unique<Library>();
  load(library->full, model);
  core::require(std::cmp_equal(library->full.GetPieceSize(), pieces_.size()), "SentencePiece model: holds ",
                pieces_.size(), " pieces, the library sees ", library->full.GetPieceSize());
  if (std::any_of(pieces_.begin(), pieces_.end(), looks_like_a_mark)) {
    std::vector<std::uint8_t> without(model.begin(), model.end());
    for (const Piece& p : pieces_)
      if (looks_like_a_mark(p)) without[p.type_offset] = static_cast<std::uint8_t>(PieceType::unused);
    load(library->plain.emplace(), without);
  }
  library_ = std::move(library);
}

SentencePiece::~SentencePiece() = default;

std::vector<int> SentencePiece::encode(std::string_view text, bool plain) const {
  const auto& processor = plain && library_->plain ? *library_->plain : library_->full;
  std::vector<int> ids;
  const auto status = processor.Encode({text.data(), text.size()}, &ids);
  core::require(status.ok(), "SentencePiece: the text cannot be encoded: ", status.ToString());
  return ids;
}

std::string SentencePiece::decode(std::span<const int> ids) const {
  std::vector<int> known;
  known.reserve(ids.size());
  for (const int id : ids)
    if (id >= 0 && std::cmp_less(id, pieces_.size())) known.push_back(id);
  std::string out;
  if (known.empty()) return out;
  const auto status = library_->full.Decode(known, &out);
  core::require(status.ok(), "SentencePiece: the ids cannot be decoded: ", status.ToString());
  return out;
}

}  // namespace tarsier
