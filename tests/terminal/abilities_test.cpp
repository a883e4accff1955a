// What the environment says about a terminal, and what is sent to it for a picture.
#include "src/terminal/abilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "src/terminal/columns.h"
#include "src/terminal/picture_text.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::Image;
using tarsier::terminal::Abilities;
using tarsier::terminal::abilities;
using tarsier::terminal::Colours;
using tarsier::terminal::picture_text;
using tarsier::terminal::Protocol;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Abilities of(const std::map<std::string, std::string>& environment, std::string_view wanted = {}) {
  return abilities(
      [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? nullptr : found->second.c_str();
      },
      wanted);
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
  const Abilities inside = of({{"TERM", "tmux-256color"}, {"TMUX", "/tmp/x"}, {"KITTY_WINDOW_ID", "1"}});
  EXPECT_EQ(inside.pictures, Protocol::blocks);
  EXPECT_FALSE(inside.through_tmux);
  const Abilities iterm = of({{"TERM", "screen"}, {"TMUX", "/tmp/x"}, {"LC_TERMINAL", "iTerm2"}});
  EXPECT_EQ(iterm.pictures, Protocol::iterm);
  EXPECT_TRUE(iterm.through_tmux);
  EXPECT_TRUE(of({{"TERM", "screen"}, {"TMUX", "/tmp/x"}}, "kitty").through_tmux);
}

TEST(Abilities, a_person_decides) {
  EXPECT_EQ(of({{"TERM", "xterm-kitty"}}, "sixel").pictures, Protocol::sixel);
  EXPECT_EQ(of({{"TERM", "xterm-kitty"}}, "none").pictures, Protocol::none);
  EXPECT_THAT(test::error_of([] { of({{"TERM", "xterm"}}, "ascii"); }), HasSubstr("wanted auto, kitty"));
}

Image red_and_blue(int width, int height) {
  Image image{.width = width, .height = height};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const bool left = x < width / 2;
      image.rgb.insert(image.rgb.end(), {static_cast<std::uint8_t>(left ? 255 : 0), 0,
                                         static_cast<std::uint8_t>(left ? 0 : 255)});
    }
  return image;
}

TEST(PictureText, speaks_each_protocol) {
  const Image image = red_and_blue(64, 64);
  const auto text = [&](Protocol protocol, bool tmux = false) {
    return picture_text(image, {protocol, tmux, Colours::direct}, {}, 20, 10);
  };
  EXPECT_THAT(text(Protocol::kitty), HasSubstr("\x1b_G"));
  EXPECT_THAT(text(Protocol::iterm), HasSubstr("\x1b]1337;File="));
  EXPECT_THAT(text(Protocol::sixel), HasSubstr("\x1bP"));
  EXPECT_THAT(text(Protocol::sixel, true), StartsWith("\x1bPtmux;\x1b\x1b"));
  const std::string blocks = text(Protocol::blocks);
  EXPECT_THAT(blocks, HasSubstr("255;0;0"));
  EXPECT_THAT(blocks, HasSubstr("0;0;255"));
  EXPECT_LT(blocks.find("255;0;0"), blocks.find("0;0;255"));
  EXPECT_EQ(text(Protocol::none), "");
}

TEST(PictureText, keeps_the_shape_and_the_limits) {
  for (const auto& [width, height] :
       {std::pair(640, 320), std::pair(320, 640), std::pair(3000, 20), std::pair(1, 1)}) {
    const std::string text =
        picture_text(red_and_blue(width, height), {Protocol::blocks, false, Colours::none}, {}, 40, 10);
    const auto rows = std::count(text.begin(), text.end(), '\n');
    EXPECT_GE(rows, 1);
    EXPECT_LE(rows, 10) << width;
    if (width == 640) {
      EXPECT_EQ(rows, 10);  // 40 x 10 characters of 1:2 are 2:1
    }
  }
}

TEST(PictureText, no_colours_means_none) {
  const std::string text =
      picture_text(red_and_blue(64, 64), {Protocol::blocks, false, Colours::none}, {}, 20, 10);
  EXPECT_THAT(text, Not(HasSubstr("38;")));
  EXPECT_THAT(text, Not(HasSubstr("48;")));
}

}  // namespace
