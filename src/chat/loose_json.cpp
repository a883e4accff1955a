#include "src/chat/loose_json.h"

#include <charconv>
#include <cmath>
#include <string>

namespace tarsier::chat {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 100;  // of brackets: the reader calls itself

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

void append_utf8(std::string& out, unsigned code) {
  if (code >= 0xD800 && code <= 0xDFFF) code = 0xFFFD;  // a half of a pair
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// Every read_ function begins at the value's first character. None: what is there has no meaning, or was cut
// off before it had one.
class Reader {
 public:
  Reader(std::string_view text, std::size_t at) : text_(text), at_(at) {}
  std::size_t at() const { return at_; }

  std::optional<Json> value(int depth) {
    skip();
    if (ended()) return std::nullopt;
    const char c = text_[at_];
    if (c == '{' && depth < kMaxDepth) return object(depth + 1);
    if (c == '[' && depth < kMaxDepth) return array(depth + 1);
    if (c == '{' || c == '[') {
      ++at_;
      return std::nullopt;
    }
    if (c == '"' || c == '\'') return string();
    return word();
  }

  Json object(int depth) {
    Json out = Json::object();
    ++at_;
    while (true) {
      skip(",;");
      if (ended()) return out;
      if (take('}')) return out;
      if (text_[at_] == ']') return out;             // of what is around it: this was not closed
      if (text_[at_] == '{' || text_[at_] == '[') {  // a value without a key
        const std::string name = "#" + std::to_string(out.size());
        if (std::optional<Json> found = value(depth)) out[name] = std::move(*found);
        continue;
      }
      const std::size_t before = at_;
      const std::optional<Json> key = text_[at_] == '"' || text_[at_] == '\'' ? string() : word();
      skip();
      if (!key || !key->is_string() || !(take(':') || take('='))) {
        if (at_ == before) ++at_;
        continue;
      }
      if (std::optional<Json> found = value(depth)) out[key->get<std::string>()] = std::move(*found);
    }
  }

  Json array(int depth) {
    Json out = Json::array();
    ++at_;
    while (true) {
      skip(",;");
      if (ended()) return out;
      if (take(']')) return out;
      if (text_[at_] == '}') return out;
      const std::size_t before = at_;
      if (std::optional<Json> found = value(depth)) out.push_back(std::move(*found));
      if (at_ == before) ++at_;
    }
  }

 private:
  bool ended() const { return at_ >= text_.size(); }
  bool take(char c) {
    if (ended() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // Passes space, comments, and any of also.
  void skip(std::string_view also = {}) {
    while (!ended()) {
      const std::string_view rest = text_.substr(at_);
      if (is_space(rest[0]) || also.find(rest[0]) != std::string_view::npos) {
        ++at_;
      } else if (rest.starts_with("//") || rest[0] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (rest.starts_with("/*")) {
        const std::size_t end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return;
      }
    }
  }

  std::optional<Json> string() {
    const char quote = text_[at_++];
    std::string out;
    while (!ended() && text_[at_] != quote) {
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      ++at_;
      if (!ended()) escape(out);
    }
    take(quote);
    return Json(std::move(out));
  }

  void escape(std::string& out) {
    const char c = text_[at_++];
    constexpr std::string_view kFrom = "ntrbf";
    constexpr std::string_view kTo = "\n\t\r\b\f";
    if (const std::size_t plain = kFrom.find(c); plain != std::string_view::npos) {
      out += kTo[plain];
    } else if (c != 'u') {
      out += c;
    } else if (const std::optional<unsigned> high = hex4()) {
      unsigned code = *high;
      if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
        const std::size_t before = at_;
        at_ += 2;
        const std::optional<unsigned> low = hex4();
        if (low && *low >= 0xDC00 && *low < 0xE000)
          code = 0x10000 + (code - 0xD800) * 0x400 + (*low - 0xDC00);
        else
          at_ = before;
      }
      append_utf8(out, code);
    }
  }
  std::optional<unsigned> hex4() {
    if (text_.size() - at_ < 4) {
      at_ = text_.size();
      return std::nullopt;
    }
    unsigned code = 0;
    for (std::size_t i = 0; i < 4; ++i)
      if (!is_hex(text_[at_ + i])) return std::nullopt;
    std::from_chars(text_.data() + at_, text_.data() + at_ + 4, code, 16);
    at_ += 4;
    return code;
  }

  // A number, a name, or words without quotes.
  std::optional<Json> word() {
    const std::size_t begin = at_;
    while (!ended()) {
      const char c = text_[at_];
      const bool clock = c == ':' && at_ > begin && text_[at_ - 1] >= '0' && text_[at_ - 1] <= '9' &&
                         at_ + 1 < text_.size() && text_[at_ + 1] >= '0' && text_[at_ + 1] <= '9';
      if (std::string_view(",;{}[]\"'\n=").find(c) != std::string_view::npos || (c == ':' && !clock)) break;
      if (text_.substr(at_).starts_with("//") || text_.substr(at_).starts_with("/*")) break;
      ++at_;
    }
    std::string_view found = text_.substr(begin, at_ - begin);
    while (!found.empty() && is_space(found.back())) found.remove_suffix(1);
    if (found.empty()) return std::nullopt;
    if (found == "true" || found == "True") return Json(true);
    if (found == "false" || found == "False") return Json(false);
    if (found == "null" || found == "None") return Json(nullptr);
    std::string_view digits = found;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    double number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc{} && end == digits.data() + digits.size() && std::isfinite(number)) {
      if (ended()) return std::nullopt;
      if (digits.find_first_of(".eE") == std::string_view::npos && std::abs(number) < 1e15)
        return Json(static_cast<std::int64_t>(number));
      return Json(number);
    }
    return Json(std::string(found));
  }

  std::string_view text_;
  std::size_t at_;
};

}  // namespace

std::optional<LooseValue> read_loose_json(std::string_view text, std::size_t at) {
  if (at >= text.size() || (text[at] != '{' && text[at] != '[')) return std::nullopt;
  Reader reader(text, at);
  std::optional<Json> value = reader.value(0);
  return LooseValue{std::move(*value), reader.at()};
}

}  // namespace tarsier::chat
