// What is sent to a terminal for a picture, read back as the protocols' descriptions say.
#include "src/terminal/picture_text.h"

#include <glib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "src/input/image.h"

namespace {

using tarsier::Image;
using tarsier::terminal::Abilities;
using tarsier::terminal::Colours;
using tarsier::terminal::picture_text;
using tarsier::terminal::Protocol;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Red left, blue right, green below.
Image three_parts(int width, int height) {
  Image image{.width = width, .height = height};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const bool below = y >= height / 2;
      const bool left = x < width / 2;
      for (const bool on : {!below && left, below, !below && !left})
        image.rgb.push_back(static_cast<std::uint8_t>(on ? 255 : 0));
    }
  return image;
}

std::string text_of(const Image& image, Protocol protocol, bool tmux = false) {
  return picture_text(image, {protocol, tmux, Colours::direct}, {}, 20, 10);
}

std::string decoded(const std::string& base64) {
  gsize n = 0;
  guchar* bytes = g_base64_decode(base64.c_str(), &n);
  std::string out(reinterpret_cast<char*>(bytes), n);
  g_free(bytes);
  return out;
}

// The colour in the middle of each part, whatever size the picture has been given.
void expect_three_parts(const Image& image, int tolerance = 0) {
  ASSERT_GT(image.width, 8);
  ASSERT_GT(image.height, 8);
  ASSERT_EQ(image.rgb.size(), static_cast<std::size_t>(image.width) * image.height * 3);
  const auto expect = [&](int x, int y, int r, int g, int b) {
    const auto at = (static_cast<std::size_t>(y) * image.width + x) * 3;
    const int wanted[] = {r, g, b};
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(image.rgb[at + c], wanted[c], tolerance) << x << " " << y << " " << c;
  };
  for (const int x : {1, image.width / 4, image.width / 2 - 2}) expect(x, image.height / 4, 255, 0, 0);
  for (const int x : {image.width / 2 + 2, image.width - 2}) expect(x, image.height / 4, 0, 0, 255);
  for (const int y : {image.height / 2 + 2, image.height - 2}) expect(image.width / 2, y, 0, 255, 0);
}

// sw.kovidgoyal.net/kitty/graphics-protocol: ESC _G KEYS ; BASE64 ESC \, more of it to come where m=1.
struct KittyPicture {
  std::map<std::string, std::string> keys;  // of the first sequence
  std::string data;
};
KittyPicture read_kitty(const std::string& text, int least_sequences) {
  KittyPicture out;
  std::string base64;
  int sequences = 0;
  bool more = true;
  for (std::size_t at = 0; (at = text.find("\x1b_G", at)) != std::string::npos; ++sequences) {
    EXPECT_TRUE(more) << "sequences behind the last";
    const std::size_t end = text.find("\x1b\\", at);
    const std::size_t semicolon = std::min(text.find(';', at), end);  // there may be no data
    std::map<std::string, std::string> keys;
    for (std::size_t begin = at + 3; begin < semicolon;) {
      const std::size_t comma = std::min(text.find(',', begin), semicolon);
      const std::string pair = text.substr(begin, comma - begin);
      EXPECT_EQ(pair.find('='), 1U) << pair;
      keys[pair.substr(0, 1)] = pair.substr(2);
      begin = comma + 1;
    }
    const std::string data = semicolon < end ? text.substr(semicolon + 1, end - semicolon - 1) : "";
    EXPECT_LE(data.size(), 4096U);
    more = keys["m"] == "1";
    if (more) {
      EXPECT_EQ(data.size() % 4, 0U);
    }
    base64 += data;
    if (sequences == 0) out.keys = keys;
    at = end;
  }
  EXPECT_FALSE(more);
  EXPECT_GE(sequences, least_sequences);
  out.data = decoded(base64);
  return out;
}

TEST(PictureText, kitty_reads_its_protocol_back_to_pixels) {
  const KittyPicture kitty = read_kitty(text_of(three_parts(300, 200), Protocol::kitty), 10);
  EXPECT_EQ(kitty.keys.at("a"), "T");
  const int depth = std::stoi(kitty.keys.at("f")) / 8;
  Image image{.width = std::stoi(kitty.keys.at("s")), .height = std::stoi(kitty.keys.at("v"))};
  ASSERT_EQ(kitty.data.size(), static_cast<std::size_t>(image.width) * image.height * depth);
  for (std::size_t i = 0; i < kitty.data.size(); ++i)
    if (depth == 3 || i % 4 != 3) image.rgb.push_back(static_cast<std::uint8_t>(kitty.data[i]));
  expect_three_parts(image);
}

// In tmux each sequence is wrapped alone, and text says where the picture is.
TEST(PictureText, kitty_finds_a_picture_in_the_text_of_tmux) {
  for (const int side : {64, 1000}) {
    const std::string text = text_of(three_parts(side, side), Protocol::kitty, true);
    std::string unwrapped;
    std::string rest;
    for (std::size_t at = 0; at < text.size();) {
      constexpr std::string_view kOpen = "\x1bPtmux;";
      if (text.compare(at, kOpen.size(), kOpen) != 0) {
        rest += text[at++];
        continue;
      }
      at += kOpen.size();
      for (; text.compare(at, 2, "\x1b\\") != 0; ++at) {
        if (text[at] == '\x1b') ++at;  // doubled
        unwrapped += text[at];
      }
      at += 2;
    }
    const KittyPicture kitty = read_kitty(unwrapped, 1);
    EXPECT_EQ(kitty.keys.at("a"), "T");
    EXPECT_EQ(kitty.keys.at("U"), "1");
    EXPECT_EQ(kitty.keys.at("f"), "100");
    EXPECT_EQ(kitty.keys.at("q"), "2");  // an answer would be taken for keys
    const Image sent = tarsier::decode_image(std::as_bytes(std::span(kitty.data)), "sent");
    EXPECT_LE(sent.width, 20 * 8);
    expect_three_parts(sent, side > 64 ? 1 : 0);
    // Rows of cells in the colour of the number's low byte; the first of a row says which one it is.
    const int number = std::stoi(kitty.keys.at("i"));
    const int columns = std::stoi(kitty.keys.at("c"));
    const std::string colour = "\x1b[38;5;" + std::to_string(number % 256) + "m";
    const std::string cell = "\U0010EEEE";
    int row = 0;
    for (std::size_t at = 0; at < rest.size(); ++row) {
      const std::string line = rest.substr(at, rest.find('\n', at) - at);
      at += line.size() + 1;
      EXPECT_THAT(line, StartsWith(colour + cell));
      const char* first_marks[] = {"\u0305", "\u030D", "\u030E", "\u0310", "\u0312"};  // 0 to 4
      if (row < 5) {
        EXPECT_THAT(line, StartsWith(colour + cell + first_marks[row] + first_marks[0]));
      }
      int cells = 0;
      for (std::size_t c = line.find(cell); c != std::string::npos; c = line.find(cell, c + 1)) ++cells;
      EXPECT_EQ(cells, columns);
    }
    EXPECT_EQ(row, std::stoi(kitty.keys.at("r")));
  }
  const auto number = [](const Image& image) {
    const std::string text = text_of(image, Protocol::kitty, true);
    return text.substr(text.find(",i="), 10);
  };
  EXPECT_EQ(number(three_parts(64, 64)), number(three_parts(64, 64)));
  EXPECT_NE(number(three_parts(64, 64)), number(three_parts(66, 64)));
}

// iterm2.com/documentation-images: ESC ] 1337 ; File = ARGUMENTS : BASE64 BEL. The file is a TIFF.
TEST(PictureText, iterm_reads_its_protocol_back_to_pixels) {
  const std::string text = text_of(three_parts(300, 200), Protocol::iterm);
  const std::size_t begin = text.find("\x1b]1337;File=");
  ASSERT_NE(begin, std::string::npos);
  const std::size_t colon = text.find(':', begin);
  const std::string arguments = text.substr(begin, colon - begin);
  EXPECT_THAT(arguments, HasSubstr("inline=1"));
  EXPECT_THAT(arguments, HasSubstr("width=20"));  // cells
  const std::string tiff = decoded(text.substr(colon + 1, text.find('\x07', colon) - colon - 1));
  const auto number = [&](std::size_t at, int bytes) {
    std::uint32_t value = 0;
    std::memcpy(&value, tiff.data() + at, static_cast<std::size_t>(bytes));
    return value;
  };
  ASSERT_EQ(tiff.substr(0, 4), std::string("II*\0", 4));
  const std::size_t directory = number(4, 4);
  std::map<std::uint32_t, std::uint32_t> tags;
  for (std::size_t i = 0; i < number(directory, 2); ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    tags[number(entry, 2)] =
        number(entry + 2, 2) == 3 && number(entry + 4, 4) == 1 ? number(entry + 8, 2) : number(entry + 8, 4);
  }
  EXPECT_LE(tags[259], 1U);  // not compressed, which need not be said
  EXPECT_EQ(tags[262], 2U);  // RGB
  const std::uint32_t depth = tags[277];
  ASSERT_THAT(depth, testing::AnyOf(3U, 4U));
  Image image{.width = static_cast<int>(tags[256]), .height = static_cast<int>(tags[257])};
  const std::size_t bytes = static_cast<std::size_t>(image.width) * image.height * depth;
  ASSERT_LE(tags[273] + bytes, tiff.size());
  for (std::size_t i = 0; i < bytes; ++i)
    if (i % depth < 3) image.rgb.push_back(static_cast<std::uint8_t>(tiff[tags[273] + i]));
  expect_three_parts(image);
}

// DEC's sixels: ESC P ... q, "raster size, #n;2;r;g;b colours in percent, letters of six pixels each, $ to
// the left end, - to the next six rows, !n repeats, ESC \.
Image read_sixels(const std::string& text) {
  std::size_t at = text.find("\x1bP");
  const std::size_t end = text.find("\x1b\\", at);
  at = text.find('q', at) + 1;
  const auto number = [&] {
    int value = 0;
    while (at < end && std::isdigit(static_cast<unsigned char>(text[at])) != 0)
      value = 10 * value + (text[at++] - '0');
    return value;
  };
  const auto numbers = [&] {
    std::vector<int> out{number()};
    while (text[at] == ';') {
      ++at;
      out.push_back(number());
    }
    return out;
  };
  Image image;
  std::map<int, std::vector<int>> colours;
  int colour = 0;
  int x = 0;
  int y = 0;
  int times = 1;
  while (at < end) {
    const char c = text[at++];
    if (c == '"') {
      const auto raster = numbers();
      image.width = raster.at(2);
      image.height = raster.at(3);
      image.rgb.resize(static_cast<std::size_t>(image.width) * image.height * 3);
    } else if (c == '#') {
      const auto given = numbers();
      colour = given[0];
      if (given.size() == 5) {
        EXPECT_EQ(given[1], 2);
        colours[colour] = {given[2] * 255 / 100, given[3] * 255 / 100, given[4] * 255 / 100};
      }
    } else if (c == '!') {
      times = number();
    } else if (c == '$' || c == '-') {
      x = 0;
      if (c == '-') y += 6;
    } else if (c >= '?' && c <= '~') {
      for (; times > 0; --times, ++x)
        for (int bit = 0; bit < 6; ++bit) {
          if (((c - '?') >> bit & 1) == 0 || x >= image.width || y + bit >= image.height) continue;
          const auto pixel = (static_cast<std::size_t>(y + bit) * image.width + x) * 3;
          std::copy_n(colours.at(colour).begin(), 3, image.rgb.begin() + static_cast<std::ptrdiff_t>(pixel));
        }
      times = 1;
    }
  }
  return image;
}

TEST(PictureText, sixels_are_read_back_to_pixels) {
  // 256 colours of a palette that is the same for all pictures.
  expect_three_parts(read_sixels(text_of(three_parts(300, 200), Protocol::sixel)), 24);
  EXPECT_THAT(text_of(three_parts(64, 64), Protocol::sixel, true), StartsWith("\x1bPtmux;\x1b\x1b"));
}

TEST(PictureText, blocks_are_colours_of_letters) {
  const std::string blocks = text_of(three_parts(64, 64), Protocol::blocks);
  EXPECT_THAT(blocks, HasSubstr("255;0;0"));
  EXPECT_THAT(blocks, HasSubstr("0;0;255"));
  EXPECT_LT(blocks.find("255;0;0"), blocks.find("0;0;255"));
  EXPECT_LT(blocks.find("0;0;255"), blocks.find("0;255;0"));
  EXPECT_EQ(text_of(three_parts(64, 64), Protocol::none), "");
}

TEST(PictureText, keeps_the_shape_and_the_limits) {
  for (const auto& [width, height] :
       {std::pair(640, 320), std::pair(320, 640), std::pair(3000, 20), std::pair(1, 1)}) {
    const std::string text =
        picture_text(three_parts(width, height), {Protocol::blocks, false, Colours::none}, {}, 40, 10);
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
      picture_text(three_parts(64, 64), {Protocol::blocks, false, Colours::none}, {}, 20, 10);
  EXPECT_THAT(text, Not(HasSubstr("38;")));
  EXPECT_THAT(text, Not(HasSubstr("48;")));
}

}  // namespace
