// A conversation as files for people and programs.
#include "src/chat/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace {

using tarsier::Json;
using tarsier::chat::attach_file;
using tarsier::chat::Attachment;
using tarsier::chat::Box;
using tarsier::chat::Dialogue;
using tarsier::chat::FrameBoxes;
using tarsier::chat::pixels_of;
using tarsier::chat::Prompter;
using tarsier::chat::Role;
using testing::HasSubstr;
using testing::Not;

Dialogue some_dialogue() {
  Dialogue d;
  d.set_system("<b>Be</b> brief.");
  d.add({.role = Role::user,
         .text = "Where is it? <script>alert(1)</script>",
         .attached = {attach_file(std::string(TARSIER_SOURCE) + "/examples/pictures/two-shapes.png")}});
  d.add({.role = Role::assistant, .text = "wrong"});
  d.move_head(1);
  d.add({.role = Role::assistant,
         .text =
             R"([{"bbox_2d": [10, 20, 300, 400], "label": "a & b"}, {"point_2d": [500, 600], "label": "p"}])",
         .thinking = "hm"});
  return d;
}

TEST(Export, boxes_of_a_clip_are_drawn_over_the_frame_of_their_time) {
  Dialogue d;
  d.add({.role = Role::user,
         .text = "Where?",
         .attached = {attach_file(std::string(TARSIER_SOURCE) + "/examples/pictures/clip")}});
  d.add({.role = Role::assistant, .text = R"([{"bbox_2d": [10, 20, 300, 400], "label": "x", "time": 1.5}])"});
  std::string asked;
  const std::string html = to_html(d, "t", [&](const Attachment& clip, const std::vector<Box>& boxes) {
    asked = clip.name;
    const FrameBoxes frame{.frame = 3, .number = 12, .seconds = 1.5, .boxes = boxes};
    return std::vector<Prompter::Boxed>{{pixels_of(clip.pictures.at(12)), boxes, frame}};
  });
  EXPECT_EQ(asked, d.turn(1).attached.front().name);
  const std::size_t answer = html.find("class=assistant");
  ASSERT_NE(answer, std::string::npos);
  EXPECT_THAT(html.substr(answer), HasSubstr("<rect x=\"10\" y=\"20\" width=\"290\" height=\"380\""));
  EXPECT_THAT(html.substr(answer), HasSubstr(", at 1.5 s</figcaption>"));
  EXPECT_THAT(html.substr(0, answer), Not(HasSubstr("<rect")));
}

TEST(Export, html_is_one_page_with_pictures_and_boxes_and_no_script) {
  const std::string html = to_html(some_dialogue(), "x < y", {});
  EXPECT_THAT(html, HasSubstr("src=\"data:image/png;base64,iVBOR"));
  EXPECT_THAT(html, HasSubstr("<rect x=\"10\" y=\"20\" width=\"290\" height=\"380\""));
  EXPECT_THAT(html, HasSubstr("<circle cx=\"500\" cy=\"600\""));
  EXPECT_THAT(html, HasSubstr(">a &amp; b</text>"));
  EXPECT_THAT(html, HasSubstr("<title>x &lt; y</title>"));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<b>")));
  EXPECT_THAT(html, Not(HasSubstr("wrong")));  // not on the way to the head
  EXPECT_THAT(html, Not(HasSubstr("http")));   // nothing is fetched
}

TEST(Export, json_is_a_conversation_that_run_reads) {
  const std::string text = to_json_text(some_dialogue());
  const auto c = tarsier::parse_conversation(text, "folder", "x");
  ASSERT_EQ(c.messages.size(), 3U);
  EXPECT_EQ(c.messages[1].content[0].image, "folder/two-shapes.png");
  EXPECT_EQ(c.messages[2].reasoning_content, "hm");
}

TEST(Export, markdown_names_pictures) {
  EXPECT_THAT(to_markdown(some_dialogue(), "t"),
              HasSubstr("## Question\n\n![two-shapes.png](two-shapes.png) 128x96"));
}

}  // namespace
