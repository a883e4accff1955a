#include "src/terminal/markdown_stream.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "src/input/utf8.h"
#include "src/terminal/columns.h"

namespace tarsier::terminal {
namespace {

constexpr std::size_t kWaitingRows = 3;  // of a table: its head, the line under it, and the first row
constexpr int kLeastWrap = 10;           // narrower windows are not wrapped for

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Three or more of one of -*_ and blanks.
bool is_rule(std::string_view line) {
  line = trimmed(line);
  if (line.empty() || (line[0] != '-' && line[0] != '*' && line[0] != '_')) return false;
  const auto marks = std::count(line.begin(), line.end(), line[0]);
  const auto blanks = std::count(line.begin(), line.end(), ' ');
  return marks >= 3 && marks + blanks == static_cast<std::ptrdiff_t>(line.size());
}

bool is_table_line(std::string_view row) {
  return row.find_first_not_of("|-: ") == std::string_view::npos && row.find('-') != std::string_view::npos;
}

// "- ", "* ", "+ ", "12. ", "3) ": bytes of the marker without blanks before it; 0: none.
std::size_t list_marker(std::string_view text) {
  if (text.size() >= 2 && (text[0] == '-' || text[0] == '*' || text[0] == '+') && text[1] == ' ') return 2;
  std::size_t digits = 0;
  while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) ++digits;
  if (digits == 0 || digits > 9 || digits + 1 >= text.size()) return 0;
  return (text[digits] == '.' || text[digits] == ')') && text[digits + 1] == ' ' ? digits + 2 : 0;
}

// What stays of a cell: emphasis marks are not worth columns.
std::string plain_cell(std::string_view text) {
  std::string out;
  for (const char c : trimmed(text))
    if (c != '`' && c != '*') out += c;
  return out;
}

// Columns of a table: at least as wide as row's cells.
std::vector<int> widths_of(const std::vector<std::string>& row, std::vector<int> widths) {
  if (widths.size() < row.size()) widths.resize(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  return widths;
}

// Takes from the widest columns until a row fits the window, but not until nothing can be read.
void narrow(std::vector<int>& widths, int window) {
  constexpr int kLeast = 4;
  if (window < kLeastWrap || widths.empty()) return;
  int all = std::accumulate(widths.begin(), widths.end(), 3 * (static_cast<int>(widths.size()) - 1));
  for (; all > window - 1; --all) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kLeast) return;
    --*widest;
  }
}

// A cell in lines of so many columns: words, or parts of longer ones.
std::vector<std::string> lines_of(const std::string& cell, int columns) {
  std::vector<std::string> out(1);
  int used = 0;
  for (std::string_view rest = cell; !rest.empty();) {
    std::string_view word = rest.substr(0, rest.find(' ', rest[0] == ' ' ? 1 : 0));  // with the blank before
    rest.remove_prefix(word.size());
    if (used > 0 && used + columns_of(word) > columns) {
      out.emplace_back();
      used = 0;
      if (word[0] == ' ') word.remove_prefix(1);
    }
    for (; !word.empty();) {
      const auto n = static_cast<std::size_t>(std::max(read_utf8(word).bytes, 1));
      const int more = columns_of(word.substr(0, n));
      if (used > 0 && used + more > columns) {
        out.emplace_back();
        used = 0;
      }
      out.back() += word.substr(0, n);
      used += more;
      word.remove_prefix(n);
    }
  }
  return out;
}

}  // namespace

MarkdownStream::MarkdownStream(Sink sink, Width width, const MarkdownStyle& style)
    : sink_(std::move(sink)), width_(std::move(width)), style_(style) {}

void MarkdownStream::push(std::string_view text) {
  letter_ += text;
  std::string_view rest = letter_;
  while (!rest.empty()) {
    const Utf8Char c = read_utf8(rest);
    if (c.partial) break;
    const auto n = static_cast<std::size_t>(std::max(c.bytes, 1));
    if (!c.valid || !is_control(c.code)) take(rest.substr(0, n));
    rest.remove_prefix(n);
  }
  letter_ = std::string(rest);
}

bool MarkdownStream::finish() {
  const bool open = column_ > 0 || !word_.empty() || !line_.empty() || marks_ > 0;
  if (open) take("\n");
  show_table(true);
  block_ = Block::begin;
  return shown_;
}

void MarkdownStream::out(std::string_view text) {
  shown_ = shown_ || !text.empty();
  sink_(text);
}

void MarkdownStream::take(std::string_view letter) {
  const bool newline = letter == "\n";
  switch (block_) {
    case Block::code:
    case Block::table:
      if (newline)
        block_ == Block::code ? code_line() : table_row();
      else
        line_ += letter;
      return;
    case Block::code_end:  // behind the opening fence
      if (newline) {
        begin_code();
      } else {
        line_ += letter;
      }
      return;
    case Block::begin:
      if (style_.render) {
        if (!newline) line_ += letter;
        if (newline || begin_block()) begin_line();
        if (newline && block_ != Block::code_end && block_ != Block::table) end_line();
        if (newline && block_ == Block::code_end) {
          begin_code();
        } else if (newline && block_ == Block::table) {
          table_row();
        }
        return;
      }
      block_ = Block::text;
      [[fallthrough]];
    case Block::text:
      newline ? end_line() : take_inline(letter);
  }
}

// Whether what stands at the beginning of the line already tells its kind.
bool MarkdownStream::begin_block() {
  const std::string_view text =
      std::string_view(line_).substr(std::min(line_.find_first_not_of(' '), line_.size()));
  if (text.empty()) return false;
  switch (text[0]) {
    case '#':
      return text.find_first_not_of('#') != std::string_view::npos;
    case '`':
    case '~':
      return text.size() >= 3 || text.find_first_not_of(text[0]) != std::string_view::npos;
    case '-':
    case '*':
    case '_':
      // "--" may be a rule, "- x" is an item, "**x" is emphasis.
      return text.find_first_not_of("-*_ ") != std::string_view::npos;
    case '+':
    case '>':
      return text.size() >= 2;
    case '|':
      return true;
    default:
      if (std::isdigit(static_cast<unsigned char>(text[0])) == 0) return true;
      const std::size_t end = text.find_first_not_of("0123456789");
      return end != std::string_view::npos &&
             (end + 1 < text.size() || (text[end] != '.' && text[end] != ')'));
  }
}

// line_ is the beginning of a line, or all of it.
void MarkdownStream::begin_line() {
  std::string line = std::move(line_);
  line_.clear();
  indent_.clear();
  prefix_.clear();
  heading_ = false;
  block_ = Block::text;
  const std::size_t blanks = std::min(line.find_first_not_of(' '), line.size());
  std::string_view text = std::string_view(line).substr(blanks);
  if (!text.starts_with('|')) show_table(true);
  if (text.starts_with("```") || text.starts_with("~~~")) {
    fence_ = text.substr(0, 3);
    line_ = text.substr(3);
    block_ = Block::code_end;
    return;
  }
  if (text.starts_with('|')) {
    line_ = text;
    block_ = Block::table;
    return;
  }
  if (is_rule(text)) {
    const int width = width_();
    const int n = width > 0 ? std::min(width - 1, 40) : 40;
    std::string rule;
    for (int i = 0; i < n; ++i) rule += "─";
    word_ = rule;
    word_columns_ = n;
    return;
  }
  const std::size_t level = std::min(text.find_first_not_of('#'), text.size());
  if (level > 0 && level <= 6 && level < text.size() && text[level] == ' ') {
    heading_ = true;
    set_styles();
    text.remove_prefix(level + 1);
  } else if (text.starts_with("> ") || text == ">") {
    prefix_ = style_.colours ? "\x1b[2m│\x1b[22m " : "│ ";
    out(prefix_);
    column_ = 2;
    text.remove_prefix(std::min<std::size_t>(text.size(), 2));
  } else if (const std::size_t marker = list_marker(text); marker > 0) {
    const bool dot = marker == 2 && std::isdigit(static_cast<unsigned char>(text[0])) == 0;
    const std::string shown = std::string(blanks, ' ') + (dot ? "• " : std::string(text.substr(0, marker)));
    out(shown);
    column_ = columns_of(shown);
    indent_ = std::string(static_cast<std::size_t>(column_), ' ');
    text.remove_prefix(marker);
  } else if (blanks > 0 && !text.empty()) {
    out(std::string(blanks, ' '));
    column_ = static_cast<int>(blanks);
    indent_ = std::string(blanks, ' ');
  }
  before_ = ' ';
  const std::string rest(text);
  for (std::string_view left = rest; !left.empty();) {
    const auto n = static_cast<std::size_t>(std::max(read_utf8(left).bytes, 1));
    take_inline(left.substr(0, n));
    left.remove_prefix(n);
  }
}

void MarkdownStream::end_line() {
  flush_marks();
  flush_word();
  const bool styled = bold_ || italic_ || struck_ || heading_ || code_ > 0;
  bold_ = italic_ = struck_ = heading_ = false;
  code_ = 0;
  if (styled) set_styles();
  if (!word_.empty()) {
    out(word_);
    word_.clear();
  }
  out("\n");
  column_ = 0;
  space_ = false;
  before_ = ' ';
  escaped_ = false;
  block_ = Block::begin;
}

void MarkdownStream::take_inline(std::string_view letter) {
  const char c = letter[0];
  if (!style_.render) {
    if (is_blank(c)) {
      // All blanks are shown; the last of several is where the line may break.
      for (int n = c == '\t' ? 4 : 1; n > 0; --n) {
        flush_word();
        if (space_ || column_ == 0) {
          out(" ");
          ++column_;
        } else {
          space_ = true;
        }
      }
    } else {
      add_word_part(letter);
    }
    return;
  }
  const bool mark = !escaped_ && (c == '`' || (code_ == 0 && (c == '*' || c == '_' || c == '~')));
  if (marks_ > 0 && (!mark || c != mark_)) {
    // The run of marks has ended; what follows decides what it means.
    const char run = mark_;
    const int n = marks_;
    const bool space_after = is_blank(c);
    marks_ = 0;
    bool* style = nullptr;
    if (run == '`') {
      if (code_ == 0)
        code_ = n;
      else if (code_ == n)
        code_ = 0;
      else
        add_word_part(std::string(static_cast<std::size_t>(n), run));
      set_styles();
    } else {
      const bool inside_word = run == '_' && is_letter(before_) && is_letter(c);
      if (run == '~')
        style = n == 2 ? &struck_ : nullptr;
      else
        style = n == 1 ? &italic_ : n == 2 ? &bold_ : nullptr;
      const bool both = n == 3 && run != '~';
      const bool on = both ? bold_ && italic_ : style != nullptr && *style;
      const bool may = on ? !is_blank(before_) : !space_after;
      if ((style != nullptr || both) && may && !inside_word) {
        if (both)
          bold_ = italic_ = !on;
        else
          *style = !on;
        set_styles();
      } else {
        add_word_part(std::string(static_cast<std::size_t>(n), run));
      }
    }
  }
  if (mark) {
    if (marks_ == 0 && before_ == 0) before_ = ' ';
    mark_ = c;
    ++marks_;
    return;
  }
  before_ = letter.back();
  if (!escaped_ && c == '\\' && code_ == 0) {
    escaped_ = true;
    return;
  }
  if (escaped_ && std::ispunct(static_cast<unsigned char>(c)) == 0) add_word_part("\\");
  escaped_ = false;
  if (is_blank(c)) {
    flush_word();
    space_ = true;
    return;
  }
  add_word_part(letter);
}

// Marks at the end of a line close, or are plain.
void MarkdownStream::flush_marks() {
  if (escaped_) add_word_part("\\");
  escaped_ = false;
  if (marks_ == 0) return;
  const char run = mark_;
  const int n = marks_;
  marks_ = 0;
  const bool closes = run == '`'   ? code_ == n
                      : run == '~' ? struck_ && n == 2
                                   : (n == 1 && italic_) || (n == 2 && bold_) || (n == 3 && bold_ && italic_);
  if (!closes) add_word_part(std::string(static_cast<std::size_t>(n), run));
}

void MarkdownStream::set_styles() {
  std::string codes = "\x1b[0";
  if (style_.dim) codes += ";2";
  if (bold_ || heading_) codes += ";1";
  if (italic_) codes += ";3";
  if (heading_) codes += ";4";
  if (struck_) codes += ";9";
  if (code_ > 0 && style_.colours) codes += ";36";
  word_ += codes + "m";
}

void MarkdownStream::add_word_part(std::string_view text) {
  const int columns = columns_of(text);
  // Wide characters (Chinese, Japanese) may break anywhere.
  const bool wide = columns == 2 && text.size() >= 3;
  // A word longer than a line is broken where the line ends, so that it does not wait for an end that may
  // never come.
  const int width = width_();
  const bool full = width >= kLeastWrap && word_columns_ + columns > width - 1 - columns_of(indent_);
  if (wide || full) flush_word();
  word_ += text;
  word_columns_ += columns;
  if (wide) flush_word();
}

void MarkdownStream::flush_word() {
  if (word_columns_ == 0) return;  // escape sequences wait for the word they begin
  const int width = width_();
  const bool wraps = width >= kLeastWrap;
  if (wraps && column_ > 0 && column_ + (space_ ? 1 : 0) + word_columns_ > width - 1 &&
      column_ > columns_of(indent_)) {
    out("\n" + indent_ + prefix_);
    column_ = columns_of(indent_) + (prefix_.empty() ? 0 : 2);
    space_ = false;
  }
  if (space_) {
    out(" ");
    ++column_;
  }
  space_ = false;
  out(word_);
  column_ += word_columns_;
  word_.clear();
  word_columns_ = 0;
}

// line_ is what stands behind the opening fence.
void MarkdownStream::begin_code() {
  code_colours_ = style_.colours && !style_.dim ? CodeColours::of(trimmed(line_)) : nullptr;
  line_.clear();
  block_ = Block::code;
}

void MarkdownStream::code_line() {
  std::string line = std::move(line_);
  line_.clear();
  if (trimmed(line).starts_with(fence_) &&
      trimmed(line).find_first_not_of(fence_[0]) == std::string_view::npos) {
    block_ = Block::begin;
    return;
  }
  for (std::size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', tab))
    line.replace(tab, 1, "    ");
  if (code_colours_ != nullptr)
    out("  " + code_colours_->line(line) + "\n");
  else
    out(style_.colours ? "  \x1b[36m" + line + "\x1b[39m\n" : "  " + line + "\n");
}

std::vector<std::string> MarkdownStream::cells_of(std::string_view row) const {
  row = trimmed(row);
  if (row.starts_with('|')) row.remove_prefix(1);
  if (row.ends_with('|')) row.remove_suffix(1);
  std::vector<std::string> out;
  for (;;) {
    const std::size_t bar = row.find('|');
    out.push_back(plain_cell(row.substr(0, bar)));
    if (bar == std::string_view::npos) return out;
    row.remove_prefix(bar + 1);
  }
}

void MarkdownStream::table_row() {
  const std::string line = std::move(line_);
  line_.clear();
  block_ = Block::begin;
  rows_.push_back(is_table_line(line) ? std::vector<std::string>{} : cells_of(line));
  show_table(false);
}

void MarkdownStream::show_table(bool all) {
  if (widths_.empty() && rows_.size() < kWaitingRows && !all) return;
  const bool head = widths_.empty();
  if (head) {
    for (const auto& row : rows_) widths_ = widths_of(row, std::move(widths_));
    narrow(widths_, width_());
  }
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const std::vector<std::string>& row = rows_[r];
    if (row.empty()) {
      std::string rule;
      for (std::size_t i = 0; i < widths_.size(); ++i) {
        if (i > 0) rule += "─┼─";
        for (int n = 0; n < widths_[i]; ++n) rule += "─";
      }
      out(rule + "\n");
      continue;
    }
    // A cell that is wider than its column makes its own row wider, as far as the window allows.
    std::vector<int> widths = widths_of(row, widths_);
    narrow(widths, width_());
    std::vector<std::vector<std::string>> cells;
    std::size_t n_lines = 1;
    for (std::size_t i = 0; i < row.size(); ++i) {
      cells.push_back(lines_of(row[i], widths[i]));
      n_lines = std::max(n_lines, cells.back().size());
    }
    const bool bold = head && r == 0 && rows_.size() > 1 && rows_[1].empty();
    for (std::size_t l = 0; l < n_lines; ++l) {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        if (i > 0) line += " │ ";
        const std::string text = l < cells[i].size() ? cells[i][l] : "";
        line += text + std::string(static_cast<std::size_t>(std::max(0, widths[i] - columns_of(text))), ' ');
      }
      while (line.ends_with(' ')) line.pop_back();
      out((bold ? "\x1b[1m" + line + "\x1b[22m" : line) + "\n");
    }
  }
  rows_.clear();
  if (all) widths_.clear();
}

}  // namespace tarsier::terminal
