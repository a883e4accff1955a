// Thinking told from words, however the pieces fall; loops told from tables.
#include "src/chat/answer_watch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using tarsier::chat::LoopWatch;
using tarsier::chat::ThinkingSplit;

// What is thought and what is said, with text given in pieces of n bytes.
std::pair<std::string, std::string> split(const std::string& text, bool inside, std::size_t n) {
  ThinkingSplit s(inside);
  std::string thought, said;
  const auto take = [&](const std::vector<ThinkingSplit::Part>& parts) {
    for (const auto& p : parts) (p.thinking ? thought : said) += p.text;
  };
  for (std::size_t at = 0; at < text.size(); at += n) take(s.push(text.substr(at, n)));
  take(s.finish());
  return {thought, said};
}

TEST(ThinkingSplit, is_the_same_however_the_pieces_fall) {
  struct Case {
    std::string text;
    bool inside;
    std::string thought, said;
  };
  for (const Case& c : std::vector<Case>{
           {"I see\na cat.\n</think>\n\nA cat.", true, "I see\na cat.", "A cat."},
           {"<think>\nhm\n</think>\n\nYes.", false, "hm", "Yes."},
           {"No thinking <think> here </think>.", false, "", "No thinking <think> here </think>."},
           {"a < b and </thin air", true, "a < b and </thin air", ""},
           {"</think>\n\nAt once.", true, "", "At once."},
           {"x</think>one</think>two", true, "x", "one</think>two"},
           {"<thin", false, "", "<thin"},
           {"", true, "", ""}})
    for (std::size_t n = 1; n <= 12; ++n) {
      const auto [thought, said] = split(c.text, c.inside, n);
      EXPECT_EQ(thought, c.thought) << c.text << " by " << n;
      EXPECT_EQ(said, c.said) << c.text << " by " << n;
    }
}

TEST(ThinkingSplit, words_are_given_out_at_once) {
  ThinkingSplit s(false);
  ASSERT_EQ(s.push("Hello").size(), 1U);
  EXPECT_EQ(s.push(" <")[0].text, " <");
}

int first_loop(const std::vector<int>& ids) {
  LoopWatch watch;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (watch.push(ids[i])) return static_cast<int>(i);
  return -1;
}

TEST(LoopWatch, a_run_of_few_tokens_over_and_over_is_a_loop) {
  for (const int period : {1, 2, 7, 30, 128}) {
    std::vector<int> ids = {900, 901, 902};
    for (int i = 0; i < 3000; ++i) ids.push_back(i % period);
    const int at = first_loop(ids);
    EXPECT_GT(at, 150) << period;
    EXPECT_LT(at, 3 + period + std::max(160, 8 * period) + 1) << period;
  }
}

TEST(LoopWatch, tables_whose_rows_differ_are_none) {
  std::vector<int> ids;
  for (int row = 0; row < 300; ++row)
    for (const int id : {1, 2, 3, 4, 5, 100 + row, 6, 7, 8}) ids.push_back(id);
  EXPECT_EQ(first_loop(ids), -1);
  // Short repetition: a rule under a heading, an empty column.
  EXPECT_EQ(first_loop(std::vector<int>(100, 7)), -1);
}

}  // namespace
