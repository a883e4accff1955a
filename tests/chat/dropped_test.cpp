// Paths out of what is typed, as terminals and people write them.
#include "src/chat/dropped.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "tests/temp_folder.h"

namespace {

using tarsier::chat::Dropped;
using tarsier::chat::path_words;
using tarsier::chat::take_paths;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

class DroppedPaths : public testing::Test {
 protected:
  DroppedPaths() {
    for (const char* name : {"a.png", "b.jpg", "two words.png", "it's.png", "notes.txt"})
      folder_.write(name, "x");
    std::filesystem::current_path(folder_.path());
  }
  ~DroppedPaths() override { std::filesystem::current_path("/"); }
  std::string at(const std::string& name) const { return folder_.path(name); }
  test::TempFolder folder_;
};

TEST_F(DroppedPaths, quoted_escaped_and_file_addresses_are_taken) {
  for (const std::string& form :
       {"'" + at("two words.png") + "'", "\"" + at("two words.png") + "\"",
        folder_.path() + "/two\\ words.png", "file://" + folder_.path() + "/two%20words.png",
        "file://localhost" + folder_.path() + "/two%20words.png"}) {
    const Dropped d = take_paths(form + " What is this?");
    EXPECT_THAT(d.paths, ElementsAre(at("two words.png"))) << form;
    EXPECT_EQ(d.text, "What is this?") << form;
  }
}

TEST_F(DroppedPaths, a_path_may_stand_anywhere_and_there_may_be_several) {
  const Dropped d = take_paths("Compare a.png with ./b.jpg please");
  EXPECT_THAT(d.paths, ElementsAre("a.png", "./b.jpg"));
  EXPECT_EQ(d.text, "Compare with please");
}

TEST_F(DroppedPaths, words_that_name_no_picture_stay) {
  for (const std::string text : {"What's in notes.txt?", "Is it 'red' or \"blue\"?", "gone.png is missing",
                                 "a * b and c:\\temp", "don't", "mail anna@home", "@anna knows"}) {
    const Dropped d = take_paths(text);
    EXPECT_THAT(d.paths, IsEmpty()) << text;
    EXPECT_EQ(d.text, text);
  }
}

TEST_F(DroppedPaths, words_longer_than_any_path_are_words) {
  const std::string word(5000, 'a');
  for (const std::string& text : {word + "*", "@" + word, "@/" + word + "[", "~/" + word + "?"})
    EXPECT_EQ(take_paths("see " + text + " there").text.substr(0, 3), "see") << text.substr(0, 9);
}

TEST_F(DroppedPaths, an_at_sign_asks_for_a_file_that_may_not_be_there) {
  EXPECT_THAT(take_paths("@gone.png what").paths, ElementsAre("gone.png"));
  EXPECT_THAT(take_paths("look @'two words.png'").paths, ElementsAre("two words.png"));
  EXPECT_THAT(take_paths("@notes.txt").paths, ElementsAre("notes.txt"));
}

TEST_F(DroppedPaths, what_ends_a_sentence_is_no_part_of_a_path) {
  for (const auto& [text, rest] : {std::pair("What is in a.png?", "What is in?"),
                                   std::pair("Compare 'two words.png', and @a.png!", "Compare, and!"),
                                   std::pair("(look at a.png)", "(look at)"), std::pair("a.png...", "...")}) {
    const Dropped d = take_paths(text);
    EXPECT_THAT(d.paths, Contains("a.png")) << text;
    EXPECT_EQ(d.text, rest);
  }
  EXPECT_THAT(take_paths("@gone.png?").paths, ElementsAre("gone.png"));
  EXPECT_EQ(take_paths("Is gone.png there?").text, "Is gone.png there?");
}

TEST_F(DroppedPaths, a_folder_is_dropped_as_a_path_from_the_root) {
  std::filesystem::create_directory(at("frames"));
  folder_.write("frames/1.png", "x");
  EXPECT_EQ(take_paths("in " + at("frames")).text, "in " + at("frames"));  // one picture is no clip
  folder_.write("frames/2.png", "x");
  for (const std::string& form : {at("frames"), at("frames") + "/", "file://" + at("frames")})
    EXPECT_THAT(take_paths(form + " What moves?").paths, ElementsAre(StartsWith(at("frames")))) << form;
  EXPECT_EQ(take_paths("the frames").text, "the frames");
  EXPECT_EQ(take_paths("what is in /usr").text, "what is in /usr");
}

TEST_F(DroppedPaths, home_and_globs_are_expanded) {
  ::setenv("HOME", folder_.path().c_str(), 1);
  EXPECT_THAT(take_paths("~/a.png hello").paths, ElementsAre(at("a.png")));
  EXPECT_THAT(path_words("*.png"), ElementsAre("a.png", "it's.png", "two words.png"));
  EXPECT_THAT(path_words("'*.png' nothing*.gif"), ElementsAre("*.png", "nothing*.gif"));
  EXPECT_THAT(take_paths("[ab].??g").paths, ElementsAre("a.png", "b.jpg"));
}

TEST_F(DroppedPaths, a_quote_without_its_partner_is_a_character) {
  EXPECT_THAT(path_words("it's.png"), ElementsAre("it's.png"));
  EXPECT_THAT(take_paths("it's.png").paths, ElementsAre("it's.png"));
}

TEST_F(DroppedPaths, line_breaks_in_a_text_stay) {
  EXPECT_EQ(take_paths("one\n  two\n\nthree a.png").text, "one\n  two\n\nthree");
}

}  // namespace
