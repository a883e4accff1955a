// Guesses how an answer goes on: as it did the last time that its latest tokens stood in the prompt or in the
// answer. Tables, JSON and text read from a picture repeat what is there.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace tarsier {

// Reading n tokens at once takes about as long as 1 + kTokenCost * n one by one (bench/RESULTS.md). So short
// guesses are worth nothing, long ones much if right: their length follows how good the latest were, and
// behind those that cost more than they gave come pauses, twice as long each time.
class PromptLookup {
 public:
  explicit PromptLookup(std::span<const int> prompt) : seen_(prompt.begin(), prompt.end()) {}
  void push(int id) { seen_.push_back(id); }  // the next token of the answer
  // Some tokens that may follow, at most `most`; none where nothing repeats, or during a pause.
  std::span<const int> guess(int most);
  // How many of the latest guess's tokens were right, from its beginning on.
  void judge(int right);

 private:
  std::vector<int> seen_;  // prompt and answer
  std::vector<int> guess_;
  std::size_t length_ = 0;  // of the next guess, in kLengths
  int pause_ = 0;           // tokens until the next guess
  int next_pause_ = kFirstPause;

  // With the token before them whole tiles of the kernels.
  static constexpr std::array kLengths = {5, 11, 23};
  static constexpr double kTokenCost = 0.3;
  static constexpr int kFirstPause = 8;
  static constexpr int kLongestPause = 128;
};

}  // namespace tarsier
