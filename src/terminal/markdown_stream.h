// Markdown as it comes: headings, emphasis, code, lists, quotes, tables become what a terminal can show, and
// lines break between words. A word is shown when it is whole; nothing waits longer, except the first rows of
// a table, which say how wide its columns are.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/terminal/code_colours.h"

namespace tarsier::terminal {

struct MarkdownStyle {
  bool render = true;   // false: the text as it is, only wrapped
  bool colours = true;  // bold and underlined need none
  bool dim = false;     // everything
};

class MarkdownStream {
 public:
  using Sink = std::function<void(std::string_view)>;
  using Width = std::function<int()>;  // of the window in columns, asked for every line; 0: never wrap

  MarkdownStream(Sink sink, Width width, const MarkdownStyle& style);

  void push(std::string_view text);
  // Shows what waits and ends the line. True if anything was shown since it was made.
  bool finish();

 private:
  enum class Block { begin, text, code, code_end, table };
  void take(std::string_view letter);
  void take_inline(std::string_view letter);
  bool begin_block();  // looks at line_; true: it is clear what it is
  void begin_line();
  void end_line();
  void add_word_part(std::string_view text);
  void flush_word();
  void flush_marks();
  void begin_code();
  void code_line();
  void table_row();
  void show_table(bool all);
  std::vector<std::string> cells_of(std::string_view row) const;
  void out(std::string_view text);
  void set_styles();

  Sink sink_;
  Width width_;
  MarkdownStyle style_;
  Block block_ = Block::begin;
  std::string letter_;  // of a character that is not whole yet
  std::string line_;    // the beginning of a line until it is clear what it is; a line of code; a row
  std::string fence_;   // that ends the code
  std::unique_ptr<CodeColours> code_colours_;  // null: of one colour
  std::string indent_;                         // of the lines that follow in this block
  std::string prefix_;                         // shown before each line of a quote
  std::string word_;                           // with escape sequences
  int word_columns_ = 0;
  int column_ = 0;
  bool space_ = false;  // stands between the word and what is before it
  char mark_ = 0;       // of a run of * or _ or ~ or ` that has not ended
  int marks_ = 0;
  char before_ = ' ';  // the character before the marks
  bool escaped_ = false;
  bool bold_ = false, italic_ = false, struck_ = false, heading_ = false;
  int code_ = 0;  // backticks that will end the code
  bool shown_ = false;
  std::vector<std::vector<std::string>> rows_;  // of a table that wait
  std::vector<int> widths_;                     // of its columns, once they are known
};

}  // namespace tarsier::terminal
