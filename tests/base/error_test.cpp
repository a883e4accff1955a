// Messages are put together from parts; each kind of part has one text form.
#include "ggml-like-core/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace {

TEST(Error, joins_its_parts_into_one_sentence) {
  try {
    core::fail("a.gguf: tensor ", std::string("x"), " has ", 3, " rows, wanted ",
               std::uint64_t{18446744073709551615U});
  } catch (const core::Error& e) {
    EXPECT_STREQ(e.what(), "a.gguf: tensor x has 3 rows, wanted 18446744073709551615");
    return;
  }
  FAIL() << "nothing was thrown";
}

TEST(Error, require_throws_only_where_the_condition_is_false) {
  EXPECT_NO_THROW(core::require(true, "never seen"));
  EXPECT_THROW(core::require(false, "seen"), core::Error);
}

TEST(Error, a_character_is_text_and_a_truth_value_a_word) {
  EXPECT_EQ(core::to_text('x'), "x");
  EXPECT_EQ(core::to_text(true), "true");
  EXPECT_EQ(core::to_text(std::int8_t{-5}), "-5");
}

TEST(Error, numbers_read_back_as_they_were) {
  for (const double x : {0.1, 1.0 / 3, 1e-300, -2.5, std::numeric_limits<double>::max()})
    EXPECT_EQ(std::strtod(core::to_text(x).c_str(), nullptr), x) << core::to_text(x);
  EXPECT_EQ(core::to_text(0.1), "0.1");
  EXPECT_EQ(core::to_text(std::nan("")), "nan");
}

TEST(Error, shapes_are_lists) {
  const std::array<std::int64_t, 3> shape = {2, 3, 4};
  EXPECT_EQ(core::to_text(shape), "[2, 3, 4]");
  EXPECT_EQ(core::to_text(std::span<const std::int64_t>{}), "[]");
}

TEST(ErrorDeathTest, a_bug_says_what_and_stops_the_program) {
  EXPECT_NO_FATAL_FAILURE(core::bug_if(false, "never seen"));
  EXPECT_DEATH(core::bug_if(true, "rows do not divide"), "bug: rows do not divide");
}

}  // namespace
