#include "src/chat/grounding.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "src/chat/loose_json.h"

namespace tarsier::chat {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kRetries =
    64;  // inside of braces that held nothing: prose may have swallowed what is behind it
constexpr double kMostSeconds = 1e7;  // what is later is no time in a clip

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text, std::string_view of = " \t\r\n") {
  const std::size_t begin = text.find_first_not_of(of);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(of) - begin + 1);
}

const Json* first_of(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const auto at = object.find(key); at != object.end() && !at->is_null()) return &*at;
  return nullptr;
}

std::string text_of(const Json& object, std::initializer_list<const char*> keys) {
  const Json* found = first_of(object, keys);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

// The n numbers of value, if that is what it is.
std::vector<double> numbers(const Json& value, std::size_t n) {
  std::vector<double> out;
  if (!value.is_array() || value.size() != n) return out;
  for (const Json& x : value)
    if (x.is_number()) out.push_back(x.get<double>());
  return out.size() == n ? out : std::vector<double>{};
}

// A time at the beginning of a text.
struct TimeAt {
  double seconds = 0;
  std::size_t end = 0;  // behind it
  bool sure = false;    // with a colon or a unit: a number alone may be anything
};
std::optional<TimeAt> time_at(std::string_view text) {
  std::size_t at = text.starts_with('<') ? 1 : 0;
  const bool bracket = at == 1;
  TimeAt out;
  int parts = 0;
  while (at < text.size() && is_digit(text[at])) {
    double part = 0;
    const char* const begin = text.data() + at;
    const auto [end, error] =
        std::from_chars(begin, text.data() + text.size(), part, std::chars_format::fixed);
    if (error != std::errc{} || !(part < kMostSeconds)) return std::nullopt;
    const std::string_view written(begin, static_cast<std::size_t>(end - begin));
    at += written.size();
    if (written.ends_with('.')) --at;  // the end of a sentence
    out.seconds = out.seconds * 60 + part;
    ++parts;
    const bool more = written.find('.') == std::string_view::npos && parts < 3 && at + 1 < text.size() &&
                      text[at] == ':' && is_digit(text[at + 1]);
    if (!more) break;
    ++at;
  }
  if (parts == 0 || out.seconds > kMostSeconds) return std::nullopt;
  out.sure = parts > 1;
  std::size_t unit = std::min(text.find_first_not_of(' ', at), text.size());
  for (const std::string_view name : {"seconds", "second", "secs", "sec", "s"}) {
    const std::string_view rest = text.substr(unit);
    const bool whole =
        rest.starts_with(name) &&
        (rest.size() == name.size() || !std::isalpha(static_cast<unsigned char>(rest[name.size()])));
    if (!whole) continue;
    at = unit + name.size();
    out.sure = true;
    break;
  }
  if (bracket) {
    if (at >= text.size() || text[at] != '>') return std::nullopt;
    ++at;
  }
  out.end = at;
  return out;
}

// "00:01 - 00:03" at the beginning of a text, or one time twice.
struct RangeAt {
  double start = 0, end = 0;
  std::size_t length = 0;
  bool sure = false;
};
std::optional<RangeAt> range_at(std::string_view text) {
  const std::optional<TimeAt> first = time_at(text);
  if (!first) return std::nullopt;
  RangeAt out{first->seconds, first->seconds, first->end, first->sure};
  std::size_t at = std::min(text.find_first_not_of(" \t", first->end), text.size());
  for (const std::string_view between : {"-", "\xE2\x80\x93", "\xE2\x80\x94", "~", "to", "until", "and"}) {
    if (!text.substr(at).starts_with(between)) continue;
    at = std::min(text.find_first_not_of(" \t", at + between.size()), text.size());
    const std::optional<TimeAt> second = time_at(text.substr(at));
    if (second && second->seconds >= first->seconds)
      out = {first->seconds, second->seconds, at + second->end, first->sure || second->sure};
    break;
  }
  return out;
}

// What a JSON value says of a time or a range: a number, a text, a list of two.
std::optional<RangeAt> range_of(const Json& value) {
  if (value.is_number()) {
    const auto seconds = value.get<double>();
    if (!(seconds >= 0 && seconds <= kMostSeconds)) return std::nullopt;
    return RangeAt{seconds, seconds, 0, true};
  }
  if (value.is_string()) return range_at(trimmed(value.get_ref<const std::string&>()));
  if (!value.is_array() || value.size() != 2) return std::nullopt;
  const auto start = range_of(value[0]);
  const auto end = range_of(value[1]);
  if (!start || !end || end->end < start->start) return std::nullopt;
  return RangeAt{start->start, end->end, 0, true};
}

std::optional<Event> event_of(const Json& object) {
  const Json* start = first_of(object, {"start", "start_time", "begin", "from"});
  const Json* end = first_of(object, {"end", "end_time", "to"});
  const Json* both = first_of(object, {"timestamps", "timestamp", "time_range", "interval", "time"});
  std::optional<RangeAt> range;
  if (start != nullptr && end != nullptr)
    range = range_of(Json::array({*start, *end}));
  else if (start != nullptr)  // the rest was cut off
    range = range_of(*start);
  else if (both != nullptr)
    range = range_of(*both);
  if (!range) return std::nullopt;
  return Event{range->start, range->end,
               text_of(object, {"text", "description", "event", "caption", "label", "activity", "content"})};
}

void add(Grounding& out, Grounding more) {
  out.boxes.insert(out.boxes.end(), more.boxes.begin(), more.boxes.end());
  out.boxes_3d.insert(out.boxes_3d.end(), more.boxes_3d.begin(), more.boxes_3d.end());
  out.events.insert(out.events.end(), more.events.begin(), more.events.end());
}

void read_object(const Json& object, Grounding& out);

void read_value(const Json& value, Grounding& out) {
  if (value.is_object()) {
    read_object(value, out);
  } else if (value.is_array()) {
    for (const Json& x : value) read_value(x, out);
  }
}

void read_object(const Json& object, Grounding& out) {
  Box box;
  box.label = text_of(object, {"label", "name", "text_content", "text", "description"});
  if (const Json* time = first_of(object, {"time", "timestamp", "frame_time"}))
    if (const auto range = range_of(*time)) box.time = range->start;
  const auto add_box = [&](const std::vector<double>& c) {
    if (c.empty()) return false;
    out.boxes.push_back({c[0], c[1], c[2], c[3], box.label, false, box.time});
    return true;
  };
  const auto add_point = [&](const std::vector<double>& c) {
    if (c.empty()) return false;
    out.boxes.push_back({c[0], c[1], c[0], c[1], box.label, true, box.time});
    return true;
  };
  if (const Json* found = first_of(object, {"bbox_2d", "bbox"})) {
    if (!add_box(numbers(*found, 4)) && found->is_array())
      for (const Json& one : *found) add_box(numbers(one, 4));
  } else if (const Json* point = first_of(object, {"point_2d", "point"})) {
    if (!add_point(numbers(*point, 2)) && point->is_array())
      for (const Json& one : *point) add_point(numbers(one, 2));
  } else if (object.contains("bbox_3d")) {
    out.boxes_3d.push_back(object);
  } else {
    Grounding inside;
    for (const auto& [key, value] : object.items()) read_value(value, inside);
    const std::optional<Event> event = event_of(object);
    if (event && inside.boxes.empty()) {
      out.events.push_back(*event);
      return;
    }
    for (Box& one : inside.boxes)
      if (!one.time) one.time = box.time;  // {"time": 1.5, "objects": [{"bbox_2d": ...}]}
    add(out, std::move(inside));
  }
}

// "(12,34)" at the beginning: the numbers and what is behind.
std::optional<std::array<double, 2>> pair_at(std::string_view& text) {
  const std::string_view before = text;
  std::array<double, 2> out{};
  for (const char open : {'(', ','}) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (!text.starts_with(open)) break;
    text.remove_prefix(1);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    double& number = out[open == '(' ? 0 : 1];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) break;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (open == ',' && text.starts_with(')')) {
      text.remove_prefix(1);
      return out;
    }
  }
  text = before;
  return std::nullopt;
}

void read_qwen2_boxes(std::string_view answer, Grounding& out) {
  constexpr std::string_view kBox = "<|box_start|>";
  constexpr std::string_view kLabel = "<|object_ref_start|>";
  constexpr std::string_view kLabelEnd = "<|object_ref_end|>";
  std::string label;
  for (std::size_t at = 0; at < answer.size();) {
    const std::size_t found = std::min(answer.find(kBox, at), answer.find(kLabel, at));
    if (found == std::string_view::npos) return;
    std::string_view rest = answer.substr(found);
    if (rest.starts_with(kLabel)) {
      rest.remove_prefix(kLabel.size());
      label = trimmed(rest.substr(0, rest.find(kLabelEnd)));
      at = found + kLabel.size();
      continue;
    }
    rest.remove_prefix(kBox.size());
    at = found + kBox.size();
    while (const auto first = pair_at(rest)) {
      if (rest.starts_with(',')) rest.remove_prefix(1);
      const auto second = pair_at(rest);
      if (!second) break;
      out.boxes.push_back({(*first)[0], (*first)[1], (*second)[0], (*second)[1], label, false, std::nullopt});
      if (rest.starts_with(',')) rest.remove_prefix(1);
    }
  }
}

// Times in plain text: the first of each line that is sure to be one.
void read_lines(std::string_view answer, Grounding& out) {
  constexpr std::string_view kAround = " \t\r*_[]()-:,.|\"";
  while (!answer.empty()) {
    const std::string_view line = answer.substr(0, answer.find('\n'));
    answer.remove_prefix(std::min(line.size() + 1, answer.size()));
    for (std::size_t at = 0; at < line.size(); ++at) {
      const bool begins =
          (is_digit(line[at]) || line[at] == '<') &&
          (at == 0 || (!is_digit(line[at - 1]) && line[at - 1] != '.' && line[at - 1] != ':' &&
                       !std::isalpha(static_cast<unsigned char>(line[at - 1]))));
      if (!begins) continue;
      const auto range = range_at(line.substr(at));
      if (!range || !range->sure) continue;
      std::string_view text = trimmed(line.substr(at + range->length), kAround);
      if (text.empty()) text = trimmed(line.substr(0, at), kAround);
      out.events.push_back({range->start, range->end, std::string(text)});
      break;
    }
  }
}

}  // namespace

Grounding parse_grounding(std::string_view answer) {
  Grounding out;
  int retries = kRetries;
  for (std::size_t at = answer.find('{'); at != std::string_view::npos; at = answer.find('{', at)) {
    const auto value = read_loose_json(answer, at);
    const std::size_t before = out.boxes.size() + out.events.size() + out.boxes_3d.size();
    read_value(value->value, out);
    const bool found = out.boxes.size() + out.events.size() + out.boxes_3d.size() > before;
    at = found || retries-- <= 0 ? value->end : at + 1;
  }
  read_qwen2_boxes(answer, out);
  if (out.boxes.empty() && out.events.empty() && out.boxes_3d.empty()) read_lines(answer, out);
  return out;
}

std::optional<double> parse_time(std::string_view text) {
  text = trimmed(text);
  const std::optional<TimeAt> time = time_at(text);
  return time && time->end == text.size() ? std::optional(time->seconds) : std::nullopt;
}

Json to_json(const Grounding& grounding, int width, int height) {
  Json boxes = Json::array();
  Json points = Json::array();
  for (const Box& box : grounding.boxes) {
    Json one = {{"label", box.label}};
    if (box.point)
      one["point_2d"] = {box.left, box.top};
    else
      one["bbox_2d"] = {box.left, box.top, box.right, box.bottom};
    if (width > 0 && height > 0) {
      const PixelBox p = to_pixels(box, width, height);
      one["pixels"] = box.point ? Json{p.left, p.top} : Json{p.left, p.top, p.right, p.bottom};
    }
    if (box.time) one["time"] = *box.time;
    (box.point ? points : boxes).push_back(std::move(one));
  }
  Json events = Json::array();
  for (const Event& event : grounding.events)
    events.push_back({{"start", event.start}, {"end", event.end}, {"text", event.text}});
  return {{"boxes", boxes}, {"points", points}, {"boxes_3d", grounding.boxes_3d}, {"events", events}};
}

}  // namespace tarsier::chat
