// What /set changes: every sampling option, and how a chat behaves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/run/sampling_fields.h"

namespace tarsier::chat {

struct Settings {
  SamplingOptions sampling;
  bool seed_given = false;  // else every answer has a new one
  int max_tokens = 4096;
  bool markdown = true;
  bool loops = true;           // a looping answer is stopped
  bool keep_cache = false;     // with the session, so that going on reads nothing again
  bool show_thinking = false;  // else folded
  int think_budget = 0;        // tokens; 0: no end is set
  bool context_shift = true;   // Timeline::shift where turns leave
  bool speculate = true;       // GenerateOptions::speculate
  std::string pictures = "auto";
  bool rotate = true;               // ImageOptions::rotate of pictures to come
  std::string background = "none";  // and their background, by its name
};

struct SettingRow {
  std::string name;
  std::string meaning;
  std::string value;  // now
};
std::vector<SettingRow> setting_rows(const Settings& settings);

// Changes the setting; value empty: to what it is in start. _ and - are the same in a name, and its beginning
// is enough where it fits one. Returns the full name. Error: no such setting, no such value.
std::string change_setting(Settings& settings, const Settings& start, std::string_view name,
                           std::string_view value);

}  // namespace tarsier::chat
