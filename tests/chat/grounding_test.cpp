// Boxes, points and events out of what models say, well formed or not.
#include "src/chat/grounding.h"

#include <gmock/gmock.h>

#include <limits>

#include "src/chat/loose_json.h"

namespace {

using tarsier::chat::Box;
using tarsier::chat::Event;
using tarsier::chat::Grounding;
using tarsier::chat::parse_grounding;
using tarsier::chat::parse_time;

std::string text_of(const Box& b) {
  std::string out = b.point ? "point" : "box";
  for (const double x : {b.left, b.top, b.right, b.bottom}) out += " " + std::to_string(static_cast<int>(x));
  out += " " + b.label;
  if (b.time) out += " at " + std::to_string(static_cast<int>(*b.time * 1000));
  return out;
}
std::vector<std::string> boxes_of(std::string_view answer) {
  std::vector<std::string> out;
  for (const Box& b : parse_grounding(answer).boxes) out.push_back(text_of(b));
  return out;
}
std::vector<std::string> events_of(std::string_view answer) {
  std::vector<std::string> out;
  for (const Event& e : parse_grounding(answer).events)
    out.push_back(std::to_string(static_cast<int>(e.start * 1000)) + " " +
                  std::to_string(static_cast<int>(e.end * 1000)) + " " + e.text);
  return out;
}

struct Form {
  const char* name;
  const char* answer;
  std::vector<std::string> expected;
};
void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

class Boxes : public testing::TestWithParam<Form> {};
TEST_P(Boxes, are_read_in_this_form) { EXPECT_EQ(boxes_of(GetParam().answer), GetParam().expected); }

const Form kBoxForms[] = {
    {"list",
     R"([{"bbox_2d": [155, 124, 452, 590], "label": "star"}, {"bbox_2d": [5, 15.5, 9, 62], "label": "b c"}])",
     {"box 155 124 452 590 star", "box 5 15 9 62 b c"}},
    {"alone", R"({"bbox_2d": [1, 2, 3, 4]})", {"box 1 2 3 4 "}},
    {"fenced",
     "Here:\n```json\n[{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"a\"}]\n```\nDone {really}.",
     {"box 1 2 3 4 a"}},
    {"behind_prose_in_braces", R"(The {two} things {are: {"bbox_2d": [1, 2, 3, 4]})", {"box 1 2 3 4 "}},
    {"behind_two_objects_in_prose",
     R"({The boxes: {"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7, 8]}.)",
     {"box 1 2 3 4 ", "box 5 6 7 8 "}},
    {"behind_an_apostrophe_in_braces", R"({don't} {"bbox_2d": [1, 2, 3, 4]})", {"box 1 2 3 4 "}},
    {"point", R"([{"point_2d": [500, 250], "label": "p"}, {"point_2d": [1]}])", {"point 500 250 500 250 p"}},
    {"several_boxes_of_a_label",
     R"({"bbox_2d": [[1, 2, 3, 4], [5, 6, 7, 8]], "label": "car"})",
     {"box 1 2 3 4 car", "box 5 6 7 8 car"}},
    {"several_points_of_a_label",
     R"({"label": "p", "point_2d": [[1, 2], [3, 4]]})",
     {"point 1 2 1 2 p", "point 3 4 3 4 p"}},
    {"inside_another_object",
     R"({"objects": [{"bbox_2d": [1, 2, 3, 4], "label": "x"}], "count": 1})",
     {"box 1 2 3 4 x"}},
    {"text_of_a_page", R"({"bbox_2d": [1, 2, 3, 4], "text_content": "Total: 5"})", {"box 1 2 3 4 Total: 5"}},
    {"with_times",
     R"([{"time": 1.5, "bbox_2d": [1, 2, 3, 4], "label": "x"},
                       {"time": "00:02", "bbox_2d": [1, 2, 3, 5], "label": "x"},
                       {"time": "<2.5 seconds>", "bbox_2d": [1, 2, 3, 6]}])",
     {"box 1 2 3 4 x at 1500", "box 1 2 3 5 x at 2000", "box 1 2 3 6  at 2500"}},
    {"comments",
     "[{\"bbox_2d\": [1, 2, 3, 4], // the first\n \"label\": \"a\" /* red */}, # more\n {\"bbox_2d\": [5, 6, "
     "7, 8]}]",
     {"box 1 2 3 4 a", "box 5 6 7 8 "}},
    {"commas_too_many", R"([{"bbox_2d": [1, 2, 3, 4,], "label": "a",},])", {"box 1 2 3 4 a"}},
    {"commas_too_few",
     R"([{"bbox_2d": [1, 2, 3, 4] "label": "a"} {"bbox_2d": [5, 6, 7, 8]}])",
     {"box 1 2 3 4 a", "box 5 6 7 8 "}},
    {"single_quotes", R"([{'bbox_2d': [1, 2, 3, 4], 'label': 'a "b"'}])", {R"(box 1 2 3 4 a "b")"}},
    {"no_quotes", R"({bbox_2d: [1, 2, 3, 4], label: red car})", {"box 1 2 3 4 red car"}},
    {"escapes",
     R"({"bbox_2d": [1, 2, 3, 4], "label": "a\u00e9\n\"b\" \ud83d\ude00"})",
     {"box 1 2 3 4 a\xC3\xA9\n\"b\" \xF0\x9F\x98\x80"}},
    {"an_object_not_closed",
     R"([{"bbox_2d": [1, 2, 3, 4], "label": "a"], [{"bbox_2d": [5, 6, 7, 8]}])",
     {"box 1 2 3 4 a", "box 5 6 7 8 "}},
    {"cut_off_in_a_number",
     R"([{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [5, 6, 7, 8)",
     {"box 1 2 3 4 a"}},
    {"cut_off_behind_the_numbers", R"([{"bbox_2d": [5, 6, 7, 8])", {"box 5 6 7 8 "}},
    {"cut_off_in_a_label", R"([{"bbox_2d": [5, 6, 7, 8], "label": "a re)", {"box 5 6 7 8 a re"}},
    {"cut_off_in_a_key", R"([{"bbox_2d": [5, 6, 7, 8], "lab)", {"box 5 6 7 8 "}},
    {"cut_off_in_an_escape", R"([{"bbox_2d": [5, 6, 7, 8], "label": "a\u00)", {"box 5 6 7 8 a"}},
    {"three_numbers", R"({"bbox_2d": [1, 2, 3], "label": "x"})", {}},
    {"a_number_in_quotes", R"({"bbox_2d": [1, 2, "3", 4]})", {}},
    {"no_list", R"({"bbox_2d": 7})", {}},
    {"a_label_that_is_none", R"({"bbox_2d": [1, 2, 3, 4], "label": 5})", {"box 1 2 3 4 "}},
    {"prose", "A white star.", {}},
    {"nothing", "", {}},
    {"qwen2",
     "<|object_ref_start|>the cat<|object_ref_end|><|box_start|>(10,20),(30,40)<|box_end|> and more",
     {"box 10 20 30 40 the cat"}},
    {"qwen2_cut_off", "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(10,20),(30,4", {}},
};
INSTANTIATE_TEST_SUITE_P(Forms, Boxes, testing::ValuesIn(kBoxForms),
                         [](const auto& form) { return std::string(form.param.name); });

class Events : public testing::TestWithParam<Form> {};
TEST_P(Events, are_read_in_this_form) { EXPECT_EQ(events_of(GetParam().answer), GetParam().expected); }

const Form kEventForms[] = {
    {"seconds", R"([{"start": 1.0, "end": 2.5, "text": "falls"}])", {"1000 2500 falls"}},
    {"clock",
     R"(```json
[{"start": "00:01.50", "end": "01:02", "description": "He runs."},
 {"start": "1:00:00", "end": "1:00:01.5", "description": "end"}]
```)",
     {"1500 62000 He runs.", "3600000 3601500 end"}},
    {"clock_without_quotes", "[{start: 00:12, end: 00:15, event: jump}]", {"12000 15000 jump"}},
    {"other_names", R"({"start_time": "3s", "end_time": "4 seconds", "caption": "c"})", {"3000 4000 c"}},
    {"one_range", R"({"timestamp": "00:01 - 00:03", "event": "x"})", {"1000 3000 x"}},
    {"pair", R"({"timestamps": [2, 3.5], "event": "x"})", {"2000 3500 x"}},
    {"moment", R"({"time": 2.0, "event": "turns red"})", {"2000 2000 turns red"}},
    {"cut_off_in_the_text",
     R"([{"start": 1, "end": 2, "text": "a"}, {"start": 3, "end": 4, "text": "wa)",
     {"1000 2000 a", "3000 4000 wa"}},
    {"cut_off_before_the_end",
     R"([{"start": 1, "end": 2, "text": "a"}, {"start": 3, )",
     {"1000 2000 a", "3000 3000 "}},
    {"end_before_start", R"({"start": 5, "end": 2, "text": "a"})", {}},
    {"lines",
     "1. **00:01 - 00:03**: a car stops.\n2. [00:04.5\xE2\x80\x93"
     "00:06] It goes on\n",
     {"1000 3000 a car stops", "4500 6000 It goes on"}},
    {"frames",
     "<1.0 seconds> The circle is red.\n<2.5 seconds> It is blue.",
     {"1000 1000 The circle is red", "2500 2500 It is blue"}},
    {"sentence", "The man jumps from 10.2 to 15.3 seconds.", {"10200 15300 The man jumps from"}},
    {"units", "5s: start\n7 sec - 9 sec end", {"5000 5000 start", "7000 9000 end"}},
    {"numbers_that_are_no_times", "There are 3 cars and 4 trucks, 12 in all.\nRoom 101.", {}},
    {"not_of_a_word", "The mp3 s", {}},
};
INSTANTIATE_TEST_SUITE_P(Forms, Events, testing::ValuesIn(kEventForms),
                         [](const auto& form) { return std::string(form.param.name); });

TEST(Grounding, boxes_in_space_are_passed_on_as_they_are) {
  const Grounding found = parse_grounding(
      R"(```json
[{"bbox_3d": [0.1, -0.2, 3.5, 1, 2, 3, 0, 0.5, 0], "label": "car", "extra": {"a": [1]}}]```)");
  ASSERT_EQ(found.boxes_3d.size(), 1U);
  EXPECT_EQ(found.boxes_3d[0].dump(),
            R"({"bbox_3d":[0.1,-0.2,3.5,1,2,3,0,0.5,0],"label":"car","extra":{"a":[1]}})");
  EXPECT_TRUE(found.boxes.empty());
}

TEST(Grounding, boxes_have_the_time_of_the_object_around_them) {
  const Grounding found = parse_grounding(
      R"([{"time": 1.0, "bbox_2d": [1, 2, 3, 4], "label": "a"},
          {"time": "<2.5 seconds>", "objects": [{"bbox_2d": [1, 2, 3, 4]}, {"point_2d": [5, 6], "time": 3}]},
          {"time": 4, "label": "it stops"}])");
  ASSERT_EQ(found.boxes.size(), 3U);
  EXPECT_EQ(found.boxes[0].time, 1.0);
  EXPECT_EQ(found.boxes[1].time, 2.5);
  EXPECT_EQ(found.boxes[2].time, 3.0);
  ASSERT_EQ(found.events.size(), 1U);
  EXPECT_EQ(found.events[0].text, "it stops");
}

TEST(Grounding, json_has_the_pixels_of_the_picture_and_the_times) {
  const Grounding found = parse_grounding(
      R"([{"bbox_2d": [100, 250, 500, 1000], "label": "a", "time": 1.5}, {"point_2d": [500, 500]},
          {"start": 1, "end": 2, "text": "x"}])");
  EXPECT_EQ(
      to_json(found, 200, 100).dump(),
      R"({"boxes":[{"label":"a","bbox_2d":[100.0,250.0,500.0,1000.0],"pixels":[20,25,100,99],"time":1.5}],)"
      R"("points":[{"label":"","point_2d":[500.0,500.0],"pixels":[100,50]}],"boxes_3d":[],)"
      R"("events":[{"start":1.0,"end":2.0,"text":"x"}]})");
  EXPECT_FALSE(to_json(found)["boxes"][0].contains("pixels"));
}

TEST(Grounding, times_are_seconds_with_a_colon_a_unit_or_neither) {
  for (const auto& [text, seconds] : {std::pair("3", 3.0),
                                      {"3.5", 3.5},
                                      {"3.5 seconds", 3.5},
                                      {"<3.5 seconds>", 3.5},
                                      {"01:03.5", 63.5},
                                      {" 1:00:03 ", 3603.0},
                                      {"2 s", 2.0}})
    EXPECT_EQ(parse_time(text), seconds) << text;
  for (const char* text : {"", "-1", "x", "3 apples", "<3", "1:2:3:4", "99999999", "1e3"})
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
}

// What a cut or damaged answer holds of the whole one's boxes is the beginning of them.
TEST(Grounding, any_beginning_of_an_answer_gives_the_beginning_of_its_boxes) {
  const std::string answer =
      "Sure:\n```json\n[\n  {\"bbox_2d\": [155, 124, 452, 590], \"label\": \"a\"},\n  {\"point_2d\": [5, 6], "
      "\"label\": \"b\"},\n  {\"bbox_2d\": [1, 2, 3, 4]}\n]\n```";
  const auto whole = parse_grounding(answer).boxes;
  ASSERT_EQ(whole.size(), 3U);
  for (std::size_t n = 0; n <= answer.size(); ++n) {
    const auto some = parse_grounding(std::string_view(answer).substr(0, n)).boxes;
    ASSERT_LE(some.size(), whole.size());
    for (std::size_t i = 0; i < some.size(); ++i) {
      EXPECT_EQ(some[i].left, whole[i].left) << n;
      EXPECT_EQ(some[i].bottom, whole[i].bottom) << n;
    }
  }
}

TEST(Grounding, no_text_is_too_strange) {
  for (const std::string& text :
       {std::string(5000, '{'), std::string(5000, '['), "{" + std::string(3000, '"'),
        std::string("{\"a\": \\"), std::string("{\"bbox_2d\": [1e999, 2, 3, 4]}"), std::string("{'\\u"),
        std::string("{/*"), std::string("{\0\xFF: \xFE}", 7)})
    EXPECT_TRUE(parse_grounding(text).boxes.empty());
}

TEST(LooseJson, equals_json_where_that_is_what_it_is) {
  const std::string text =
      R"({"a": [1, -2.5, 1e3, true, false, null, "x\ty\u20ac"], "b": {}, "c": [], "d": {"e": "f"}})";
  const auto found = tarsier::chat::read_loose_json(text, 0);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, nlohmann::ordered_json::parse(text));
  EXPECT_EQ(found->end, text.size());
  EXPECT_FALSE(tarsier::chat::read_loose_json("x", 0));
  EXPECT_FALSE(tarsier::chat::read_loose_json("{}", 2));
}

}  // namespace
