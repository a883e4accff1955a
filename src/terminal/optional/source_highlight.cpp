// Code in colours by GNU Source-highlight. In its place where it is not there: without_source_highlight.cpp.
#include <srchilite/formatter.h>
#include <srchilite/formattermanager.h>
#include <srchilite/langdefmanager.h>
#include <srchilite/langmap.h>
#include <srchilite/regexrulefactory.h>
#include <srchilite/settings.h>
#include <srchilite/sourcehighlighter.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <utility>

#include "src/terminal/code_colours.h"

namespace tarsier::terminal {
namespace {

// Elements of the library's languages, and how they begin on a terminal; others are as plain text.
constexpr std::pair<const char*, const char*> kStyles[] = {
    {"keyword", "\x1b[35m"},     {"preproc", "\x1b[35m"}, {"type", "\x1b[36m"},     {"usertype", "\x1b[36m"},
    {"classname", "\x1b[36m"},   {"string", "\x1b[32m"},  {"regexp", "\x1b[32m"},   {"number", "\x1b[33m"},
    {"specialchar", "\x1b[33m"}, {"comment", "\x1b[2m"},  {"function", "\x1b[34m"}, {"variable", "\x1b[36m"},
    {"oldfile", "\x1b[31m"},     {"newfile", "\x1b[32m"}, {"difflines", "\x1b[36m"}};
constexpr std::string_view kPlain = "\x1b[22;39m";

// Names that models write and lang.map does not know.
constexpr std::pair<std::string_view, const char*> kAlso[] = {
    {"c++", "cpp"}, {"c#", "cs"},  {"rust", "rs"},       {"console", "sh"}, {"typescript", "js"},
    {"ts", "js"},   {"jsx", "js"}, {"objective-c", "c"}, {"vb", "vbs"},     {"svg", "xml"}};

std::string name_of_language(std::string_view info) {
  std::string name(info.substr(0, info.find_first_of(" \t,{:")));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& [written, known] : kAlso)
    if (name == written) return known;
  return name;
}

// Appends what the library hands over, in this style.
class Styled final : public srchilite::Formatter {
 public:
  Styled(std::string& line, std::string_view begin) : line_(&line), begin_(begin) {}
  void format(const std::string& text, const srchilite::FormatterParams* /*where*/) override {
    // An element may end within a letter of several bytes, where no sequence may stand.
    const bool within = !text.empty() && (static_cast<unsigned char>(text[0]) & 0xC0) == 0x80;
    if (begin_.empty() || within)
      *line_ += text;
    else
      (((*line_ += begin_) += text) += kPlain);
  }

 private:
  std::string* line_;
  std::string begin_;
};

}  // namespace

struct CodeColours::Highlighter {
  Highlighter(const std::string& folder, const std::string& file)
      : languages(&rules),
        source(languages.getHighlightState(folder, file)),
        styles(srchilite::FormatterPtr(new Styled(line, ""))) {
    for (const auto& [element, begin] : kStyles)
      styles.addFormatter(element, srchilite::FormatterPtr(new Styled(line, begin)));
    source.setFormatterManager(&styles);
    source.setOptimize(true);  // neighbours of one element are handed over together
  }
  std::string line;
  srchilite::RegexRuleFactory rules;
  srchilite::LangDefManager languages;
  srchilite::SourceHighlighter source;
  srchilite::FormatterManager styles;
};

CodeColours::CodeColours(std::unique_ptr<Highlighter> highlighter) : highlighter_(std::move(highlighter)) {}
CodeColours::~CodeColours() = default;

std::unique_ptr<CodeColours> CodeColours::of(std::string_view info) {
  const std::string name = name_of_language(info);
  if (name.empty()) return nullptr;
  try {
    const std::string folder = srchilite::Settings::retrieveDataDir();
    srchilite::LangMap map(folder, "lang.map");
    const std::string file = map.getMappedFileName(name);  // only files that the map names are opened
    if (file.empty()) return nullptr;
    return std::unique_ptr<CodeColours>(new CodeColours(std::make_unique<Highlighter>(folder, file)));
  } catch (const std::exception&) {
    return nullptr;  // its data is not there: code without colours
  }
}

std::string CodeColours::line(const std::string& code) {
  if (highlighter_ == nullptr) return code;
  try {
    highlighter_->line.clear();
    highlighter_->source.highlightParagraph(code);
    return highlighter_->line;
  } catch (const std::exception&) {  // an expression that a strange line makes too expensive
    highlighter_.reset();
    return code;
  }
}

bool code_has_colours() { return true; }

}  // namespace tarsier::terminal
