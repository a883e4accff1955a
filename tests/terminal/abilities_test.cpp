// What the environment says about a terminal, and tmux where that stands between.
#include "src/terminal/abilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/temp_folder.h"

namespace {

using tarsier::terminal::Abilities;
using tarsier::terminal::abilities;
using tarsier::terminal::Colours;
using tarsier::terminal::Protocol;
using testing::HasSubstr;

// tmux: what it answers to either format.
Abilities of(const std::map<std::string, std::string>& environment, std::string_view wanted = {},
             const std::string& passes = "", const std::string& sixels = "") {
  return abilities(
      [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? nullptr : found->second.c_str();
      },
      wanted, [&](const std::string& format) { return format == "#{allow-passthrough}" ? passes : sixels; });
}

TEST(Abilities, are_told_from_the_environment) {
  EXPECT_EQ(of({{"TERM", "xterm-kitty"}}).pictures, Protocol::kitty);
  EXPECT_EQ(of({{"TERM", "xterm-256color"}, {"TERM_PROGRAM", "iTerm.app"}}).pictures, Protocol::iterm);
  EXPECT_EQ(of({{"TERM", "foot"}}).pictures, Protocol::sixel);
  EXPECT_EQ(of({{"TERM", "xterm-256color"}}).pictures, Protocol::blocks);
  EXPECT_EQ(of({{"TERM", "dumb"}}).pictures, Protocol::none);
  EXPECT_EQ(of({}).pictures, Protocol::none);
  EXPECT_EQ(of({{"TERM", "xterm"}, {"COLORTERM", "truecolor"}}).colours, Colours::direct);
  EXPECT_EQ(of({{"TERM", "xterm"}}).colours, Colours::palette);
  EXPECT_EQ(of({{"TERM", "xterm"}, {"NO_COLOR", "1"}}).colours, Colours::none);
}

TEST(Abilities, tmux_stands_between) {
  const std::map<std::string, std::string> kitty{
      {"TERM", "tmux-256color"}, {"TMUX", "/tmp/x"}, {"KITTY_WINDOW_ID", "1"}};
  for (const char* passes : {"", "0", "off"}) {
    EXPECT_EQ(of(kitty, "", passes).pictures, Protocol::blocks);
    EXPECT_FALSE(of(kitty, "", passes).through_tmux);
  }
  for (const char* passes : {"1", "on", "all"}) {
    EXPECT_EQ(of(kitty, "", passes).pictures, Protocol::kitty);
    EXPECT_TRUE(of(kitty, "", passes).through_tmux);
  }
  // What is drawn at the cursor is drawn by tmux, or not at all.
  const std::map<std::string, std::string> iterm{
      {"TERM", "screen"}, {"TMUX", "/tmp/x"}, {"LC_TERMINAL", "iTerm2"}};
  EXPECT_EQ(of(iterm, "", "1").pictures, Protocol::blocks);
  EXPECT_EQ(of(iterm, "", "1", "0 256,sixel").pictures, Protocol::blocks);
  EXPECT_EQ(of(iterm, "", "1", "1 256,RGB").pictures, Protocol::blocks);
  const Abilities drawn = of(iterm, "", "0", "1 256,RGB,sixel,title");
  EXPECT_EQ(drawn.pictures, Protocol::sixel);
  EXPECT_FALSE(drawn.through_tmux);
  EXPECT_TRUE(of(iterm, "iterm").through_tmux);
  EXPECT_TRUE(of(iterm, "sixel", "1").through_tmux);
  EXPECT_FALSE(of(iterm, "sixel", "1", "1 sixel").through_tmux);
  EXPECT_FALSE(of(iterm, "sixel", "0").through_tmux);  // an older tmux that does not tell may draw them
  EXPECT_EQ(of({{"TERM", "dumb"}, {"TMUX", "/tmp/x"}}, "", "1", "1 sixel").pictures, Protocol::none);
}

TEST(Abilities, a_person_decides) {
  EXPECT_EQ(of({{"TERM", "xterm-kitty"}}, "sixel").pictures, Protocol::sixel);
  EXPECT_EQ(of({{"TERM", "xterm-kitty"}}, "none").pictures, Protocol::none);
  EXPECT_THAT(test::error_of([] { of({{"TERM", "xterm"}}, "ascii"); }), HasSubstr("wanted auto, kitty"));
}

}  // namespace
