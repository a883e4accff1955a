#include "ggml-like-core/base/text_list.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

using core::TextList;
using Texts = std::vector<std::string>;

Texts texts(const TextList& list) { return {list.begin(), list.end()}; }

TEST(TextList, gives_back_what_was_put_in) {
  const Texts some = {"a", "", std::string("\0b", 2), std::string(1000, 'x')};
  TextList list = some;
  EXPECT_EQ(texts(list), some);
  EXPECT_EQ(list.size(), 4U);
  EXPECT_EQ(list[1], "");
  EXPECT_EQ(list[3], some[3]);
  EXPECT_EQ(list, (TextList{"a", "", std::string_view("\0b", 2), some[3]}));
  list.push_back("end");
  EXPECT_EQ(list[4], "end");
  EXPECT_NE(list, TextList(some));
  EXPECT_NE((TextList{"ab", "c"}), (TextList{"a", "bc"}));
  EXPECT_EQ(*std::find(list.begin(), list.end(), "end"), "end");
}

TEST(TextList, leaves_the_first_ones) {
  TextList list = {"one", "two", "three"};
  list.truncate(5);
  EXPECT_EQ(list.size(), 3U);
  list.truncate(2);
  list.push_back("four");
  EXPECT_EQ(texts(list), (Texts{"one", "two", "four"}));
  list.truncate(0);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list, TextList());
  list.push_back("again");
  EXPECT_EQ(texts(list), Texts{"again"});
}

}  // namespace
