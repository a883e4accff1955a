// Reading and repairing UTF-8, and normal form C.
#include "src/input/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace tarsier {
namespace {

const std::string kBad(kReplacement);

TEST(Utf8, every_character_reads_back_as_it_was_written) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    append_utf8(text, code);
    const Utf8Char c = read_utf8(text);
    ASSERT_TRUE(c.valid) << static_cast<std::uint32_t>(code);
    ASSERT_EQ(c.code, code);
    ASSERT_EQ(static_cast<std::size_t>(c.bytes), text.size());
    if (text.size() > 1) {
      ASSERT_TRUE(read_utf8(text.substr(0, text.size() - 1)).partial);
    }
  }
}

TEST(Utf8,
     longest_parts_that_cannot_be_characters_become_one_mark_each) {  // as bytes.decode(errors="replace")
  EXPECT_EQ(repair_utf8("a\x80"
                        "b"),
            "a" + kBad + "b");
  EXPECT_EQ(repair_utf8("\xE2\x82"
                        "b"),
            kBad + "b");
  EXPECT_EQ(repair_utf8("\xC0\xAF"), kBad + kBad);             // overlong
  EXPECT_EQ(repair_utf8("\xED\xA0\x80"), kBad + kBad + kBad);  // a surrogate
  EXPECT_EQ(repair_utf8("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad);
  EXPECT_EQ(repair_utf8("\xF0\x9F\x98"), kBad);
  EXPECT_EQ(repair_utf8("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

TEST(Utf8, normal_form_c_composes) {
  EXPECT_EQ(nfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(nfc("\xE2\x84\xAA"), "K");  // KELVIN SIGN
  EXPECT_EQ(nfc("plain"), "plain");
  EXPECT_EQ(nfc(std::string_view("\0\xC3\xA9", 3)), std::string("\0\xC3\xA9", 3));
}

TEST(Utf8, blanks_and_word_characters) {
  EXPECT_TRUE(is_space(0x85) && is_space(0x3000) && is_space(' '));
  EXPECT_FALSE(is_space(0x1C) || is_space(0x180E) || is_space(0x200B));
  EXPECT_TRUE(is_word('a') && is_word('_') && is_word('7') && is_word(0x4F60) && is_word(0x301));
  EXPECT_FALSE(is_word(' ') || is_word('-') || is_word(0x1F600));
}

}  // namespace
}  // namespace tarsier
