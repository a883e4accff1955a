#include "src/input/tokenizer.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/input/added_tokens.h"
#include "src/input/bpe.h"
#include "src/input/pretokenizer.h"
#include "src/input/sentencepiece.h"
#include "src/input/utf8.h"

namespace tarsier {
namespace {

constexpr std::string_view kBlank = "\xE2\x96\x81";  // U+2581, SentencePiece's blank

// A text made of parts that follow one another, valid UTF-8, and where each begins.
struct Joined {
  struct Part {
    std::size_t begin;  // in text
    int number;
    bool parse_special;
  };
  std::string text;
  std::vector<Part> parts;

  std::vector<Part>::const_iterator part_at(std::size_t byte) const {  // parts without bytes hold none
    return std::upper_bound(parts.begin(), parts.end(), byte,
                            [](std::size_t b, const Part& p) { return b < p.begin; }) -
           1;
  }
  bool may_be_special(std::size_t begin, std::size_t end) const {
    for (auto p = part_at(begin); p != parts.end() && p->begin < end; ++p)
      if (!p->parse_special) return false;
    return true;
  }
};

Joined join(std::span<const TextPart> parts) {
  Joined out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    out.parts.push_back({out.text.size(), static_cast<int>(i), parts[i].parse_special});
    out.text += repair_utf8(parts[i].text);
  }
  return out;
}

// The stretch [begin, end) of in, in normal form C if nfc. Where that changes something, each part's share is
// as long as the part alone normalised: a character made of two parts counts to the first.
Joined stretch(const Joined& in, std::size_t begin, std::size_t end, bool normalise) {
  const std::string_view raw = std::string_view(in.text).substr(begin, end - begin);
  Joined out{.text = normalise ? nfc(raw) : std::string(raw)};
  const bool same = out.text == raw;
  std::size_t at = 0;
  for (auto p = in.part_at(begin); p != in.parts.end() && p->begin < end; ++p) {
    const std::size_t from = std::max(p->begin, begin);
    const std::size_t to = p + 1 == in.parts.end() ? end : std::min((p + 1)->begin, end);
    out.parts.push_back({at, p->number, p->parse_special});
    const std::string_view own = raw.substr(from - begin, to - from);
    at += same ? own.size() : nfc(own).size();
  }
  return out;
}

// Those that are matched in normalised text are normalised themselves, as in HF.
std::vector<AddedToken> as_matched(const TokenizerData& data) {
  std::vector<AddedToken> out = data.added;
  for (AddedToken& t : out)
    if (t.normalized && data.nfc) t.text = nfc(repair_utf8(t.text));
  return out;
}

std::vector<const AddedToken*> select(const std::vector<AddedToken>& added, bool normalized) {
  std::vector<const AddedToken*> out;
  for (const AddedToken& t : added)
    if (t.normalized == normalized) out.push_back(&t);
  return out;
}

// Calls token(id, begin) for the matches of finder that may be special, between(begin, end) for what lies
// between.
template <class Token, class Between>
void walk(const AddedTokenFinder& finder, const Joined& in, const Token& token, const Between& between) {
  std::size_t done = 0;
  for (std::size_t from = 0;;) {
    const AddedMatch match = finder.next(in.text, from, done);
    if (match.id < 0) break;
    if (!in.may_be_special(match.begin, match.end)) {
      from = std::max(match.begin, from) + 1;
      continue;
    }
    if (match.begin > done) between(done, match.begin);
    token(match.id, match.begin);
    done = from = match.end;
  }
  if (done < in.text.size()) between(done, in.text.size());
}

// The bytes of a SentencePiece piece, for streaming.
std::string piece_bytes(const Piece& piece) {
  if (piece.type == PieceType::byte && piece.text.size() == 6)  // <0x0A>
    return {static_cast<char>(std::strtol(piece.text.substr(3, 2).c_str(), nullptr, 16))};
  std::string out;
  for (std::string_view rest = piece.text; !rest.empty();) {
    const bool blank = rest.starts_with(kBlank);
    out += blank ? ' ' : rest[0];
    rest.remove_prefix(blank ? kBlank.size() : 1);
  }
  return out;
}

}  // namespace

struct Tokenizer::State {
  explicit State(TokenizerData d);
  EncodedParts encode_bpe(const Joined& in) const;
  EncodedParts encode_sentencepiece(const Joined& in) const;

  TokenizerData data;
  TokenTable table;
  std::vector<bool> special, added;                    // by id
  std::vector<AddedToken> matched;                     // the added tokens as the two finders look for them
  AddedTokenFinder raw, normalized;                    // matched before and after normalisation
  std::unique_ptr<const SentencePiece> sentencepiece;  // or bpe and pretokenizer
  std::unique_ptr<const Bpe> bpe;
  std::unique_ptr<const Pretokenizer> pretokenizer;
};

Tokenizer::State::State(TokenizerData d)
    : data(std::move(d)),
      matched(as_matched(data)),
      raw(select(matched, false)),
      normalized(select(matched, true)) {
  if (!data.sentencepiece.empty()) {
    sentencepiece = std::make_unique<SentencePiece>(data.sentencepiece);
    const std::span<const Piece> pieces = sentencepiece->pieces();
    if (data.tokens.empty())
      for (const Piece& p : pieces) data.tokens.push_back(p.text);
    core::require(data.tokens.size() >= pieces.size(), "tokenizer: ", data.tokens.size(), " tokens, but ",
                  pieces.size(), " pieces of SentencePiece");
  }
  core::require(std::cmp_less(data.tokens.size(), std::numeric_limits<std::int32_t>::max() / 4),
                "tokenizer: ", data.tokens.size(), " tokens are too many");
  special.resize(data.tokens.size());
  added.resize(data.tokens.size());
  for (const AddedToken& t : data.added) {
    core::require(t.id >= 0 && std::cmp_less(t.id, data.tokens.size()), "tokenizer: added token ", t.text,
                  " has the id ", t.id, ", wanted less than ", data.tokens.size());
    const auto id = static_cast<std::size_t>(t.id);
    core::require(data.tokens[id] == t.text, "tokenizer: added token ", t.text, " has the id ", t.id,
                  " of the token ", data.tokens[id]);
    special[id] = t.special;
    added[id] = true;
  }
  table = TokenTable(data.tokens);
  if (sentencepiece) return;
  bpe = std::make_unique<Bpe>(data.tokens, table, data.merges, data.ignore_merges);
  pretokenizer = std::make_unique<Pretokenizer>(data.pattern);
}

EncodedParts Tokenizer::State::encode_bpe(const Joined& in) const {
  EncodedParts out;
  std::vector<std::size_t> ends;
  const auto put_words = [&](const Joined& normal, std::size_t begin, std::size_t end) {
    const std::string_view text = std::string_view(normal.text).substr(begin, end - begin);
    pretokenizer->split(text, [&](std::string_view word) {
      ends.clear();
      bpe->encode(word, out.ids, ends);
      auto at = static_cast<std::size_t>(word.data() - normal.text.data());
      const std::size_t word_begin = at;
      for (const std::size_t token_end : ends) {
        out.part.push_back(normal.part_at(at)->number);
        at = word_begin + token_end;
      }
    });
  };
  const auto put_token = [&](const Joined& text, int id, std::size_t begin) {
    out.ids.push_back(id);
    out.part.push_back(text.part_at(begin)->number);
  };
  walk(
      raw, in, [&](int id, std::size_t begin) { put_token(in, id, begin); },
      [&](std::size_t begin, std::size_t end) {
        const Joined normal = stretch(in, begin, end, data.nfc);
        walk(
            normalized, normal, [&](int id, std::size_t at) { put_token(normal, id, at); },
            [&](std::size_t from, std::size_t to) { put_words(normal, from, to); });
      });
  return out;
}

// Each run of parts that are special alike is a text of its own for the library, and so is each stretch
// between control pieces.
EncodedParts Tokenizer::State::encode_sentencepiece(const Joined& in) const {
  EncodedParts out;
  const auto put = [&](int id, int part) {
    out.ids.push_back(id);
    out.part.push_back(part);
  };
  const auto put_text = [&](std::size_t begin, std::size_t end) {
    for (auto p = in.part_at(begin); p != in.parts.end() && p->begin < end;) {
      auto next = p;
      while (next != in.parts.end() && next->parse_special == p->parse_special) ++next;
      const std::size_t from = std::max(begin, p->begin);
      const std::size_t to = next == in.parts.end() ? end : std::min(end, next->begin);
      for (const int id :
           sentencepiece->encode(std::string_view(in.text).substr(from, to - from), !p->parse_special))
        put(id, p->number);
      p = next;
    }
  };
  walk(
      raw, in, [&](int id, std::size_t begin) { put(id, in.part_at(begin)->number); }, put_text);
  return out;
}

Tokenizer::Tokenizer(TokenizerData data) : state_(std::make_unique<const State>(std::move(data))) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<int> Tokenizer::encode(std::string_view text, bool parse_special) const {
  const TextPart part{text, parse_special};
  return encode(std::span(&part, 1)).ids;
}

EncodedParts Tokenizer::encode(std::span<const TextPart> parts) const {
  const Joined in = join(parts);
  core::require(in.text.size() < std::numeric_limits<std::int32_t>::max(), "tokenizer: a text of ",
                in.text.size(), " bytes is too long");
  return state_->sentencepiece ? state_->encode_sentencepiece(in) : state_->encode_bpe(in);
}

std::string Tokenizer::decode(std::span<const int> ids, bool skip_special) const {
  std::string out;
  std::vector<int> run;  // for the library, which puts blanks between pieces
  const auto finish_run = [&] {
    if (!run.empty()) out += state_->sentencepiece->decode(run);
    run.clear();
  };
  for (const int id : ids) {
    if (id < 0 || id >= size()) continue;
    const auto i = static_cast<std::size_t>(id);
    if (skip_special && state_->special[i]) continue;
    if (state_->sentencepiece && !state_->added[i] && i < state_->sentencepiece->pieces().size()) {
      run.push_back(id);
      continue;
    }
    finish_run();
    out += token_bytes(id);
  }
  finish_run();
  return repair_utf8(out);
}

std::string Tokenizer::token_bytes(int id) const {
  if (id < 0 || id >= size()) return {};
  const auto i = static_cast<std::size_t>(id);
  if (state_->sentencepiece && i < state_->sentencepiece->pieces().size())
    return piece_bytes(state_->sentencepiece->pieces()[i]);
  return stored_to_bytes(state_->data.tokens[i]);
}

std::optional<int> Tokenizer::find(std::string_view token) const { return state_->table.find(token); }

int Tokenizer::size() const { return static_cast<int>(state_->data.tokens.size()); }

bool Tokenizer::is_special(int id) const {
  return id >= 0 && id < size() && state_->special[static_cast<std::size_t>(id)];
}

const TokenizerData& Tokenizer::data() const { return state_->data; }

std::string Utf8Stream::push(std::string_view bytes) {
  waiting_ += bytes;
  std::string out;
  std::string_view rest = waiting_;
  while (!rest.empty()) {
    const Utf8Char c = read_utf8(rest);
    if (c.partial) break;
    const auto n = static_cast<std::size_t>(c.bytes);
    out += c.valid ? rest.substr(0, n) : kReplacement;
    rest.remove_prefix(n);
  }
  waiting_ = std::string(rest);
  return out;
}

std::string Utf8Stream::flush() {
  std::string out = repair_utf8(waiting_);
  waiting_.clear();
  return out;
}

}  // namespace tarsier
