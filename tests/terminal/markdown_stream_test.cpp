// Markdown as it comes: the same on the screen however the pieces fall.
#include "src/terminal/markdown_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>

#include "src/terminal/code_colours.h"
#include "src/terminal/columns.h"

namespace {

using tarsier::terminal::columns_of;
using tarsier::terminal::MarkdownStream;
using tarsier::terminal::MarkdownStyle;
using testing::HasSubstr;
using testing::Not;

std::string shown(const std::string& text, int columns = 80, const MarkdownStyle& style = {},
                  std::size_t n = 1000) {
  std::string out;
  MarkdownStream m([&](std::string_view piece) { out += piece; }, [&] { return columns; }, style);
  for (std::size_t at = 0; at < text.size(); at += n) m.push(std::string_view(text).substr(at, n));
  m.finish();
  return out;
}
std::string plain(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
}
std::string seen(const std::string& text, int columns = 80) { return plain(shown(text, columns)); }

constexpr const char* kDocument =
    "# Title\n\nSome **bold**, *italic*, ***both*** and `code *as is*` text, 2 * 3 = 6, snake_case_name.\n"
    "- one\n- two **2**\n  * nested\n10. ten\n> quoted words\n\n---\n```cpp\nint x = 1;\t// **no**\n```\n"
    "| a | bb |\n|---|----|\n| 1 | 2 |\n| 333 | 4 |\nEnd ~~gone~~ \\*plain\\* "
    "\xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97.";

TEST(Markdown, is_the_same_however_the_pieces_fall) {
  const std::string whole = shown(kDocument);
  for (std::size_t n = 1; n < 20; ++n) EXPECT_EQ(shown(kDocument, 80, {}, n), whole) << n;
}

TEST(Markdown, becomes_what_a_terminal_shows) {
  EXPECT_EQ(
      seen(kDocument),
      "Title\n\nSome bold, italic, both and code *as is* text, 2 * 3 = 6, snake_case_name.\n"
      "• one\n• two 2\n  • nested\n10. ten\n│ quoted words\n\n" +
          [] {
            std::string rule;
            for (int i = 0; i < 40; ++i) rule += "─";
            return rule;
          }() +
          "\n  int x = 1;    // **no**\na │ bb\n──┼───\n1 │ 2\n333 │ 4\nEnd gone *plain* 中文字.\n");
}

TEST(Markdown, styles_begin_and_end) {
  const std::string bold = shown("a **b** c");
  EXPECT_THAT(bold, HasSubstr("\x1b[0;1mb\x1b[0m c"));
  EXPECT_THAT(shown("**never closed\nnext"), HasSubstr("\x1b[0m\nnext"));
  EXPECT_EQ(plain(shown("5 ** 2 and a ** b")), "5 ** 2 and a ** b\n");
}

TEST(Markdown, lines_break_between_words_and_wide_characters) {
  for (const int columns : {12, 20, 33, 60}) {
    const std::string text = seen(
        "The quick brown fox jumps over the lazy dog. 中文字中文字中文字中文字中文字中文字中文字 end\n"
        "- an item that is longer than the widest of the lines here, by far\n",
        columns);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      EXPECT_LT(columns_of(text.substr(at, end - at)), columns) << text;
      at = end + 1;
    }
    EXPECT_THAT(text, HasSubstr("\n  "));  // the item's second line stands under its first
  }
}

TEST(Markdown, a_table_fits_its_window) {
  const std::string table =
      "| shape | where it is | remark |\n|---|---|---|\n| cross | left, near the edge | "
      "中文字中文字中文字中文字 |\n"
      "| circle | right | a-word-that-is-longer-than-every-column-of-the-table and more |\n";
  for (const int columns : {26, 40, 60, 140}) {
    const std::string text = seen(table, columns);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      EXPECT_LT(columns_of(text.substr(at, end - at)), columns) << text;
      at = end + 1;
    }
    for (const char* word : {"shape", "cross", "circle", "more"}) EXPECT_THAT(text, HasSubstr(word));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n') == 4, columns == 140) << text;
  }
}

TEST(Markdown, follows_a_window_that_changes) {
  std::string out;
  int columns = 60;
  MarkdownStream m([&](std::string_view piece) { out += piece; }, [&] { return columns; }, {});
  for (int i = 0; i < 40; ++i) {
    if (i == 20) columns = 24;
    m.push("word ");
  }
  m.finish();
  const std::size_t last = out.rfind('\n', out.size() - 2);
  EXPECT_LT(out.size() - last, 26U);
}

TEST(Markdown, a_word_is_shown_when_it_is_whole) {
  std::string out;
  MarkdownStream m([&](std::string_view piece) { out += piece; }, [] { return 80; }, {});
  m.push("Hello wor");
  EXPECT_EQ(out, "Hello");
  m.push("ld ");
  EXPECT_EQ(out, "Hello world");
}

TEST(Markdown, off_shows_the_text_as_it_is) {
  EXPECT_EQ(shown("# a **b**\n- c", 80, {.render = false}), "# a **b**\n- c\n");
}

TEST(Markdown, code_has_the_colours_of_its_language) {
  if (!tarsier::terminal::code_has_colours()) GTEST_SKIP() << "built without Source-highlight";
  const std::string code = "```python\ndef f(x):\n    \"\"\"begun\n    ended\"\"\" # note\n```\n";
  const std::string out = shown(code);
  EXPECT_THAT(out, HasSubstr("\x1b[35mdef\x1b[22;39m"));
  EXPECT_THAT(out, HasSubstr("\x1b[34mf\x1b[22;39m"));
  EXPECT_THAT(out, HasSubstr("ended\"\"\"\x1b[22;39m"));  // what a line is depends on those before it
  EXPECT_THAT(out, HasSubstr("\x1b[2m# note\x1b[22;39m"));
  EXPECT_EQ(plain(out), "  def f(x):\n      \"\"\"begun\n      ended\"\"\" # note\n");
  for (std::size_t n = 1; n < 9; ++n) EXPECT_EQ(shown(code, 80, {}, n), out) << n;
  EXPECT_EQ(shown(code, 80, {.colours = false}), plain(out));
  EXPECT_EQ(shown(code, 80, {.render = false}), code);
}

TEST(Markdown, code_keeps_all_of_its_letters) {
  const std::string lines = "for (;;) { s = \"中文字 \\n\"; } // e\xCC\x81 ### `a` <b> &c; 0x1F 'x'\n";
  for (const char* language : {"cpp", "C++", "python", "json", "bash", "html", "rust", "sql", "diff", "js",
                               "java title=\"x\"", "latex", "makefile", "no-such-language", "../../x", ""}) {
    const std::string out = shown("```" + std::string(language) + "\n" + lines + lines + "```\n");
    EXPECT_EQ(plain(out), "  " + lines + "  " + lines) << language;
    for (const std::string letter : {"中", "文", "字"}) EXPECT_THAT(out, HasSubstr(letter)) << language;
  }
  EXPECT_THAT(shown("```no-such-language\nx\n```\n"), HasSubstr("\x1b[36mx\x1b[39m"));  // of one colour
}

TEST(Markdown, control_characters_never_reach_the_terminal) {
  const std::string out = shown(
      "a\x1b]52;c;evil\x07 b\x9b"
      "31m c\xC2\x9B"
      "2J");
  EXPECT_THAT(out, Not(HasSubstr("\x1b]")));
  EXPECT_THAT(out, Not(HasSubstr("\x07")));
  EXPECT_THAT(out, Not(HasSubstr("\xC2\x9B")));
  EXPECT_THAT(out, HasSubstr("a]52;c;evil"));
  EXPECT_THAT(shown("```\n\x1b[2Jcode\n```\n"), Not(HasSubstr("\x1b[2J")));
}

}  // namespace
