// Looks at an answer as it comes: what of it is thinking, and whether it only repeats itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tarsier::chat {

// Tells thinking from words. The text of <think>, </think> and the line breaks around them belongs to
// neither.
class ThinkingSplit {
 public:
  // inside: the prompt has already opened <think>, as Thinking models' templates do.
  explicit ThinkingSplit(bool inside) : inside_(inside), may_begin_(!inside) {}

  struct Part {
    bool thinking;
    std::string text;
  };
  // What is certain now.
  std::vector<Part> push(std::string_view text);
  std::vector<Part> finish();
  bool thinking() const { return inside_; }

 private:
  std::vector<Part> take(bool all);
  std::string waiting_;
  bool inside_;
  bool may_begin_;        // <think> counts only at the beginning of an answer
  bool at_begin_ = true;  // of a part: line breaks are dropped
};

// Whether the end of a sequence of tokens is one run of tokens over and over. Tables and lists repeat, too:
// only long runs count.
class LoopWatch {
 public:
  // True from the token on that makes it a loop.
  bool push(int id);
  int period() const { return period_; }  // in tokens, of the loop that was found

 private:
  static constexpr int kLongestPeriod = 128;
  static constexpr int kLeastTokens = 160;  // the repeated part, at least
  static constexpr int kLeastTimes = 8;     // how often it stands there again, at least
  std::vector<int> ids_;
  std::vector<int> matches_ = std::vector<int>(kLongestPeriod + 1);  // [period]: tokens in a row that equal
                                                                     // the one a period before
  int period_ = 0;
};

}  // namespace tarsier::chat
