#include "src/chat/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ggml-like-core/base/error.h"
#include "src/input/image.h"

namespace tarsier::chat {
namespace {

struct ChatField {
  const char* name;
  const char* meaning;
  std::variant<int Settings::*, bool Settings::*, std::string Settings::*> member;
};
constexpr ChatField kChatFields[] = {
    {"max-tokens", "Most tokens of an answer", &Settings::max_tokens},
    {"markdown", "on: answers are formatted; off: shown as the model writes them", &Settings::markdown},
    {"loops", "on: an answer that repeats itself without end is stopped", &Settings::loops},
    {"keep-cache", "on: the KV cache is kept with the session, and going on with it reads nothing again",
     &Settings::keep_cache},
    {"show-thinking", "on: thinking is shown as it comes; off: folded to a line", &Settings::show_thinking},
    {"think-budget", "Tokens after which thinking is ended; 0: never", &Settings::think_budget},
    {"context-shift",
     "on: what stays when turns leave a full context is not read again, which is nearly the same; off: it is",
     &Settings::context_shift},
    {"speculate", "on: tokens that the text suggests are read several at once; the answer is the same",
     &Settings::speculate},
    {"pictures", "How pictures are shown: auto, kitty, iterm, sixel, blocks, none", &Settings::pictures},
    {"rotate", "on: pictures to come are turned as their EXIF orientation says; off: they stay as stored",
     &Settings::rotate},
    {"background",
     "What shows through transparent pixels of pictures to come: white, black, #rrggbb; none: alpha is "
     "dropped",
     &Settings::background},
};

template <class T>
T number(std::string_view name, std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool fine = error == std::errc{} && end == text.data() + text.size();
  if constexpr (std::is_floating_point_v<T>) fine = fine && std::isfinite(value);
  core::require(fine, name, ": found \"", text, "\", wanted ",
                std::string_view(std::is_floating_point_v<T> ? "a number" : "a whole number"));
  return value;
}

std::string text_of(double x) { return core::to_text(x); }
std::string text_of(bool x) { return x ? "on" : "off"; }
std::string text_of(const std::string& x) { return x; }
template <std::integral T>
std::string text_of(T x) {
  return std::to_string(x);
}

std::string all_names() {
  std::string out;
  for (const SettingRow& row : setting_rows({})) out += (out.empty() ? "" : ", ") + row.name;
  return out;
}

std::string full_name(std::string_view given) {
  std::string name(given);
  std::replace(name.begin(), name.end(), '_', '-');
  std::string found;
  for (const SettingRow& row : setting_rows({})) {
    if (row.name == name) return name;
    if (!name.empty() && row.name.starts_with(name)) {
      core::require(found.empty(), "\"", given, "\" may be ", found, " or ", row.name);
      found = row.name;
    }
  }
  core::require(!found.empty(), "there is no setting ", given, "; there are ", all_names());
  return found;
}

void check_chat(const Settings& s) {
  check(s.sampling);
  core::require(s.max_tokens > 0, "max-tokens: found ", s.max_tokens, ", wanted at least 1");
  background_named(s.background);  // says what is wrong with it
  core::require(s.think_budget >= 0, "think-budget: found ", s.think_budget, ", wanted at least 0");
}

}  // namespace

std::vector<SettingRow> setting_rows(const Settings& settings) {
  std::vector<SettingRow> out;
  for (const SamplingField& field : kSamplingFields)
    std::visit(
        [&](auto member) {
          out.push_back({field.name, field.meaning, text_of(settings.sampling.*member)});
        },
        field.member);
  for (SettingRow& row : out)
    if (row.name == "seed" && !settings.seed_given) row.value = "a new one each time";
  for (const ChatField& field : kChatFields)
    std::visit(
        [&](auto member) {
          out.push_back({field.name, field.meaning, text_of(settings.*member)});
        },
        field.member);
  return out;
}

std::string change_setting(Settings& settings, const Settings& start, std::string_view given,
                           std::string_view value) {
  std::string name = full_name(given);
  Settings changed = settings;
  for (const SamplingField& field : kSamplingFields) {
    if (name != field.name) continue;
    std::visit(
        [&](auto member) {
          using Value = std::remove_reference_t<decltype(changed.sampling.*member)>;
          changed.sampling.*member = value.empty() ? start.sampling.*member : number<Value>(name, value);
        },
        field.member);
    if (name == "seed") changed.seed_given = value.empty() ? start.seed_given : true;
  }
  const auto from_text = [&](auto& to) {
    using Value = std::remove_reference_t<decltype(to)>;
    if constexpr (std::is_same_v<Value, bool>) {
      core::require(value == "on" || value == "off", name, ": found \"", value, "\", wanted on or off");
      to = value == "on";
    } else if constexpr (std::is_same_v<Value, int>) {
      to = number<int>(name, value);
    } else {
      to = value;
    }
  };
  for (const ChatField& field : kChatFields) {
    if (name != field.name) continue;
    std::visit(
        [&](auto member) {
          if (value.empty())
            changed.*member = start.*member;
          else
            from_text(changed.*member);
        },
        field.member);
  }
  check_chat(changed);
  settings = std::move(changed);
  return name;
}

}  // namespace tarsier::chat
