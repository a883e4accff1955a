// Words of the pre-tokenizer, and what the pattern becomes for PCRE2.
#include "src/input/pretokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

std::vector<std::string> words(const Pretokenizer& p, const std::string& text) {
  std::vector<std::string> out;
  p.split(text, [&](std::string_view word) { out.emplace_back(word); });
  return out;
}

TEST(Pretokenizer, blanks_and_numbers_are_those_of_unicode_inside_and_outside_of_classes) {
  EXPECT_EQ(pcre_pattern("a\\\\sb[^\\d]"), "a\\\\sb[^\\d]");  // an escaped backslash stays
  EXPECT_EQ(pcre_pattern("\\s").front(), '[');
  EXPECT_EQ(pcre_pattern("[^\\s]").find('[', 1), std::string::npos);
  const Pretokenizer blanks("\\s+");
  EXPECT_EQ(words(blanks, "a\xC2\x85\xE3\x80\x80z"),
            (std::vector<std::string>{"a", "\xC2\x85\xE3\x80\x80", "z"}));
  EXPECT_EQ(words(blanks, "a\x1C\xE1\xA0\x8Ez"), (std::vector<std::string>{"a\x1C\xE1\xA0\x8Ez"}));
}

TEST(Pretokenizer, qwens_pattern_splits_as_its_authors_meant) {
  const Pretokenizer qwen("");
  EXPECT_EQ(words(qwen, "It'S 12  ok!!\n\n x "),
            (std::vector<std::string>{"It", "'S", " ", "1", "2", " ", " ok", "!!\n\n", " x", " "}));
  const std::string kaktovik_zero = "\xF0\x9D\x8B\x80";  // a number since Unicode 15: apart from the blank
  EXPECT_EQ(words(qwen, " " + kaktovik_zero + "\n"), (std::vector<std::string>{" ", kaktovik_zero, "\n"}));
  // Letters of Unicode 15 (U+31350) and 16 (U+105C0), a number of 16 (U+1CCF0).
  const std::string word = "a\xF0\xB1\x8D\x90\xF0\x90\x97\x80z";
  const std::string digit = "\xF0\x9C\xB3\xB0";
  EXPECT_EQ(words(qwen, "." + word + digit + "!"), (std::vector<std::string>{"." + word, digit, "!"}));
  EXPECT_TRUE(words(qwen, "").empty());
}

TEST(Pretokenizer, text_between_matches_and_empty_matches_lose_nothing) {
  EXPECT_EQ(words(Pretokenizer("b"), "abca"), (std::vector<std::string>{"a", "b", "ca"}));
  EXPECT_EQ(words(Pretokenizer("b*"),
                  "\xC3\xA4"
                  "bb"),
            (std::vector<std::string>{"\xC3\xA4", "bb"}));
}

TEST(Pretokenizer, a_pattern_that_does_not_compile_is_an_error) {
  EXPECT_THROW(Pretokenizer("(a"), core::Error);
  EXPECT_THROW(Pretokenizer(std::string(100'000, 'a')), core::Error);
}

}  // namespace
}  // namespace tarsier
