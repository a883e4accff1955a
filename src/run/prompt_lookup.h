// Guesses how an answer goes on: as it did the last time that its latest tokens stood in the prompt or in the
// answer. Tables, JSON and text read from a picture repeat what is there.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace tarsier {

// Reading n tokens at once takes about as long as 1 + kTokenCost * n one by one (bench/RESULTS.md). So short
// guesses are worth nothing, long ones much if right: their length follows how good the latest were. Text
// that does not repeat must cost nothing: guesses are made in mind first, which is free, and handed out only
// once one has come true; again in mind from the first on that cost more than it gave.
class PromptLookup {
 public:
  explicit PromptLookup(std::span<const int> prompt) : seen_(prompt.begin(), prompt.end()) {}
  void push(int id);  // the next token of the answer
  // Some tokens that may follow, at most `most`; none where nothing repeats, or has not lately.
  std::span<const int> guess(int most);
  // How many of the latest guess's tokens were right, from its beginning on.
  void judge(int right);

 private:
  void look(std::size_t n);  // guess_: n tokens, or none

  std::vector<int> seen_;   // prompt and answer
  std::vector<int> guess_;  // handed out, or in mind
  bool proven_ = false;     // the latest in mind came true, and none that was handed out was too bad since
  std::size_t came_ = 0;    // of the guess in mind
  std::size_t length_ = 0;  // of the next guess, in kLengths

  // With the token before them whole tiles of the kernels.
  static constexpr std::array kLengths = {5, 11, 23};
  static constexpr double kTokenCost = 0.3;
  static constexpr std::size_t kInMind = 6;
};

}  // namespace tarsier
