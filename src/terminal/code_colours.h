// Code in colours, a line at a time: what a line means may depend on those before it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tarsier::terminal {

class CodeColours {
 public:
  // info: what stands behind a fence, "python" or "cpp title=x". Null: no language that is known here.
  static std::unique_ptr<CodeColours> of(std::string_view info);
  ~CodeColours();
  CodeColours(const CodeColours&) = delete;
  CodeColours& operator=(const CodeColours&) = delete;

  // The next line, in the terminal's own palette; all of its bytes are there, in order.
  std::string line(const std::string& code);

 private:
  struct Highlighter;
  explicit CodeColours(std::unique_ptr<Highlighter> highlighter);
  std::unique_ptr<Highlighter> highlighter_;  // null: it has failed once
};

// Whether this program was built with a library that knows languages (CMake's TARSIER_GPL).
bool code_has_colours();

}  // namespace tarsier::terminal
