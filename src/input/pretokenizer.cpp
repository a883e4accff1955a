// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): the library's header asks for it
#define PCRE2_CODE_UNIT_WIDTH 8
#include "src/input/pretokenizer.h"

#include <pcre2.h>

#include <array>
#include <cstdint>

#include "ggml-like-core/base/error.h"
#include "src/input/pretokenizer_tables.h"

namespace tarsier {

const std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

constexpr std::uint32_t kMaxSteps = 20'000'000;  // of one match; Qwen's pattern needs one a byte
constexpr std::size_t kMaxPatternBytes = std::size_t{64} * 1024;  // no pattern of a tokenizer comes near
constexpr std::size_t kJitStackBytes = std::size_t{1024} * 1024;  // at most, for one call
constexpr std::string_view kSpaces =                              // White_Space as the inside of a class
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

std::string error_text(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

struct FreeMatch {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct FreeContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct FreeStack {
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

}  // namespace

struct Pretokenizer::Code {
  pcre2_code* regex = nullptr;
  ~Code() { pcre2_code_free(regex); }
};

Pretokenizer::Pretokenizer(Pretokenizer&&) noexcept = default;
Pretokenizer& Pretokenizer::operator=(Pretokenizer&&) noexcept = default;
Pretokenizer::~Pretokenizer() = default;

std::string pcre_pattern(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (const auto escape = pattern.substr(i, 5); escape == "\\p{L}" || escape == "\\p{N}") {
      const std::string_view newer = escape == "\\p{L}" ? kNewerLetters : kNewerNumbers;
      if (!in_class) out += '[';
      out.append(escape).append(newer);
      if (!in_class) out += ']';
      i += escape.size() - 1;
      continue;
    }
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 's') {
        out += in_class ? std::string(kSpaces) : "[" + std::string(kSpaces) + "]";
      } else if (next == 'S' && !in_class) {
        out += "[^" + std::string(kSpaces) + "]";
      } else {
        out += {c, next};
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

Pretokenizer::Pretokenizer(std::string_view pattern) {
  if (pattern.empty()) pattern = kQwen2Pattern;
  core::require(pattern.size() <= kMaxPatternBytes, "tokenizer: the pattern of the pre-tokenizer has ",
                pattern.size(), " bytes, wanted at most ", kMaxPatternBytes);
  const std::string text = pcre_pattern(pattern);
  auto code = std::make_unique<Code>();
  int error = 0;
  std::size_t offset = 0;
  code->regex = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  core::require(code->regex != nullptr,
                "tokenizer: the pattern of the pre-tokenizer does not compile: ", error_text(error),
                " at byte ", offset, " of ", text);
  pcre2_jit_compile(code->regex, PCRE2_JIT_COMPLETE);  // without it matching is only slower
  code_ = std::move(code);
}

void Pretokenizer::split(std::string_view text, const std::function<void(std::string_view)>& word) const {
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(
      pcre2_match_data_create_from_pattern(code_->regex, nullptr));
  const std::unique_ptr<pcre2_match_context, FreeContext> context(pcre2_match_context_create(nullptr));
  const std::unique_ptr<pcre2_jit_stack, FreeStack> stack(
      pcre2_jit_stack_create(kJitStackBytes / 32, kJitStackBytes, nullptr));
  core::require(match && context, "tokenizer: no memory for matching");
  pcre2_set_match_limit(context.get(), kMaxSteps);
  pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
  std::size_t done = 0;  // bytes given out
  for (std::size_t at = 0; at < text.size();) {
    const int found =
        pcre2_match(code_->regex, subject, text.size(), at, PCRE2_NO_UTF_CHECK, match.get(), context.get());
    if (found == PCRE2_ERROR_NOMATCH) break;
    core::require(found > 0,
                  "tokenizer: the pattern of the pre-tokenizer failed on this text: ", error_text(found));
    const std::size_t begin = range[0];
    const std::size_t end = range[1];
    if (end <= begin) {  // an empty match: go on behind the next character
      at = std::max(at, end) + 1;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
      continue;
    }
    if (begin > done) word(text.substr(done, begin - done));
    word(text.substr(begin, end - begin));
    done = at = end;
  }
  if (done < text.size()) word(text.substr(done));
}

}  // namespace tarsier
