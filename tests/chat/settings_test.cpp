// /set, and the list of commands.
#include "src/chat/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "src/chat/commands.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::chat::change_setting;
using tarsier::chat::Command;
using tarsier::chat::commands;
using tarsier::chat::help_text;
using tarsier::chat::is_unknown_command;
using tarsier::chat::parse_command;
using tarsier::chat::setting_rows;
using tarsier::chat::Settings;
using testing::HasSubstr;

TEST(ChatSettings, every_sampling_option_can_be_set) {
  for (const tarsier::SamplingField& field : tarsier::kSamplingFields) {
    Settings s;
    const Settings start;
    EXPECT_EQ(change_setting(s, start, field.name, "1"), field.name);
    std::visit([&](auto member) { EXPECT_EQ(s.sampling.*member, 1) << field.name; }, field.member);
    change_setting(s, start, field.name, "");
    std::visit([&](auto member) { EXPECT_EQ(s.sampling.*member, start.sampling.*member) << field.name; },
               field.member);
  }
}

TEST(ChatSettings, names_may_be_short_and_written_both_ways) {
  Settings s;
  EXPECT_EQ(change_setting(s, {}, "temp", "0.2"), "temperature");
  EXPECT_EQ(s.sampling.temperature, 0.2);
  EXPECT_EQ(change_setting(s, {}, "top_k", "7"), "top-k");
  EXPECT_EQ(change_setting(s, {}, "markdown", "off"), "markdown");
  EXPECT_FALSE(s.markdown);
  EXPECT_THAT(test::error_of([&] { change_setting(s, {}, "to", "1"); }), HasSubstr("may be top-k or top-p"));
}

TEST(ChatSettings, a_wrong_value_changes_nothing) {
  Settings s;
  s.sampling.temperature = 0.5;
  EXPECT_NE(test::error_of([&] { change_setting(s, {}, "temperature", "warm"); }), "");
  EXPECT_NE(test::error_of([&] { change_setting(s, {}, "temperature", "-1"); }), "");
  EXPECT_NE(test::error_of([&] { change_setting(s, {}, "temperature", "0.2x"); }), "");
  EXPECT_NE(test::error_of([&] { change_setting(s, {}, "max-tokens", "0"); }), "");
  EXPECT_NE(test::error_of([&] { change_setting(s, {}, "markdown", "yes"); }), "");
  EXPECT_NE(test::error_of([&] { change_setting(s, {}, "background", "red"); }), "");
  EXPECT_THAT(test::error_of([&] { change_setting(s, {}, "warmth", "1"); }),
              HasSubstr("there are temperature"));
  EXPECT_EQ(s.sampling.temperature, 0.5);
}

TEST(ChatCommands, every_name_finds_its_row_and_is_in_the_help) {
  std::set<Command> seen;
  const std::string help = help_text(100);
  for (const auto& row : commands()) {
    const auto parsed = parse_command("/" + std::string(row.name) + "  some words ");
    ASSERT_TRUE(parsed) << row.name;
    EXPECT_EQ(parsed->row, &row);
    EXPECT_EQ(parsed->arguments, "some words");
    EXPECT_TRUE(seen.insert(row.command).second) << row.name;
    EXPECT_THAT(help, HasSubstr("/" + std::string(row.name))) << row.name;
  }
}

TEST(ChatCommands, beginnings_count_where_they_fit_one_command) {
  ASSERT_TRUE(parse_command("/reg"));
  EXPECT_EQ(parse_command("/reg")->row->command, Command::regen);
  EXPECT_EQ(parse_command("/?")->row->command, Command::help);
  EXPECT_FALSE(parse_command("/re"));  // regen, resolution
  EXPECT_TRUE(is_unknown_command("/re"));
  EXPECT_TRUE(is_unknown_command("/imgae x.png"));
}

TEST(ChatCommands, paths_and_words_are_no_commands) {
  for (const char* line : {"/tmp", "/tmp/x.png what", "hello", "1/2", ""}) {
    EXPECT_FALSE(parse_command(line)) << line;
    EXPECT_FALSE(is_unknown_command(line)) << line;
  }
}

TEST(ChatCommands, help_fits_the_window) {
  for (const int columns : {40, 60, 80, 140}) {
    std::size_t widest = 0;
    const std::string list = help_text(columns);
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t end = std::min(list.find('\n', at), list.size());
      widest = std::max(widest, end - at);
      at = end + 1;
    }
    EXPECT_LE(widest, static_cast<std::size_t>(std::max(columns, 42))) << columns;
  }
}

}  // namespace
