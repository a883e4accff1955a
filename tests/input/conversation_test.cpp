// The forms a conversation may have, and the errors for all others.
#include "src/input/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

using Kind = ContentPart::Kind;

ContentPart only_part(const std::string& part, const std::string& folder = "pictures") {
  const Conversation c =
      parse_conversation(R"([{"role": "user", "content": [)" + part + "]}]", folder, "test");
  return c.messages.at(0).content.at(0);
}

std::string error_of(const std::string& json) {
  try {
    parse_conversation(json, "", "talk.json");
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}
std::string part_error(const std::string& part) {
  return error_of(
      R"([{"role": "user", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": ""}, )" +
      part + "]}]");
}

TEST(Conversation, is_a_list_of_messages_or_an_object) {
  const Conversation list = parse_conversation(
      R"([{"role": "system", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]},
          {"role": "assistant", "content": null, "reasoning_content": "c", "tool_calls": [{"name": "d"}]},
          {"role": "tool", "content": "e", "tool_call_id": "f"}])",
      "", "test");
  ASSERT_EQ(list.messages.size(), 4U);
  EXPECT_EQ(list.messages[0].role, "system");
  EXPECT_EQ(list.messages[0].content.at(0).text, "a");
  EXPECT_EQ(list.messages[1].content.at(0).text, "b");
  EXPECT_TRUE(list.messages[2].content.empty());
  EXPECT_EQ(list.messages[2].reasoning_content, "c");
  EXPECT_EQ(list.messages[2].tool_calls.dump(), R"([{"name":"d"}])");
  EXPECT_TRUE(list.messages[3].tool_calls.is_null());
  EXPECT_TRUE(list.tools.is_null());
  EXPECT_FALSE(list.add_vision_id);
  EXPECT_TRUE(list.add_generation_prompt);

  const Conversation object = parse_conversation(
      R"({"messages": [], "tools": [{"z": 1, "a": 2}], "add_vision_id": true, "add_generation_prompt": false})",
      "", "test");
  EXPECT_TRUE(object.messages.empty());
  EXPECT_EQ(object.tools.dump(), R"([{"z":1,"a":2}])");
  EXPECT_TRUE(object.add_vision_id);
  EXPECT_FALSE(object.add_generation_prompt);
}

TEST(Conversation, pictures_are_written_in_many_ways) {
  for (const char* part :
       {R"({"type": "image", "image": "a.png"})", R"({"type": "image", "path": "a.png"})",
        R"({"type": "image", "url": "a.png"})", R"({"image": "a.png"})", R"({"image_url": "a.png"})",
        R"({"type": "image_url", "image_url": {"url": "a.png"}})",
        R"({"type": "image_url", "image_url": "a.png"})",
        R"({"image_url": {"url": "a.png", "detail": "high"}})"}) {
    const ContentPart found = only_part(part);
    EXPECT_EQ(found.kind, Kind::image) << part;
    EXPECT_EQ(found.image, "pictures/a.png") << part;
  }
  EXPECT_EQ(only_part(R"({"type": "image", "image": "/x/a.png"})").image, "/x/a.png");
  EXPECT_EQ(only_part(R"({"type": "image", "image": "a.png"})", "").image, "a.png");
  EXPECT_EQ(only_part(R"({"type": "image", "url": "file:///x/a%20b%C3%A9.png"})").image, "/x/a bé.png");
  EXPECT_EQ(only_part(R"({"type": "image", "url": "file://localhost/x/100%.png"})").image, "/x/100%.png");
}

TEST(Conversation, clips_are_lists_of_pictures) {
  const VideoPart clip =
      only_part(R"({"type": "video", "video": ["0.png", "/1.png"], "fps": 24, "sample": false,
      "frames_indices": [0, 11], "total_num_frames": 45})")
          .video;
  EXPECT_EQ(clip.frames, (std::vector<std::string>{"pictures/0.png", "/1.png"}));
  EXPECT_EQ(clip.fps, 24.0);
  EXPECT_FALSE(clip.sample);
  EXPECT_EQ(clip.frames_indices, (std::vector<int>{0, 11}));
  EXPECT_EQ(clip.total_num_frames, 45);
  const VideoPart bare = only_part(R"({"video": ["0.png"], "sample": true, "fps": null})").video;
  EXPECT_FALSE(bare.fps.has_value());
  EXPECT_TRUE(bare.sample);
  EXPECT_TRUE(bare.frames_indices.empty());
  EXPECT_FALSE(bare.total_num_frames.has_value());
}

TEST(Conversation, a_picture_may_want_pixels_of_its_own) {
  const ContentPart plain = only_part(R"({"type": "image", "image": "a.png"})");
  EXPECT_EQ(plain.pixels, tarsier::PixelWish{});
  const ContentPart both =
      only_part(R"({"type": "image", "image": "a.png", "min_pixels": 4096, "max_pixels": 65536})");
  EXPECT_EQ(both.pixels, (tarsier::PixelWish{.min_pixels = 4096, .max_pixels = 65536}));
  const ContentPart most = only_part(R"({"type": "image", "image": "a.png", "max_pixels": 65536})");
  EXPECT_EQ(most.pixels, (tarsier::PixelWish{.min_pixels = {}, .max_pixels = 65536}));
}

TEST(Conversation, clips_are_files_with_options) {
  const VideoPart film =
      only_part(R"({"type": "video", "video": "a.mp4", "fps": 1.5, "min_frames": 2, "max_frames": 9,
                    "total_pixels": 100000, "video_start": 0, "video_end": 2.5})")
          .video;
  EXPECT_TRUE(film.frames.empty());
  EXPECT_THAT(film.file, testing::EndsWith("a.mp4"));
  EXPECT_EQ(film.options,
            (ClipOptions{
                .fps = 1.5, .min_frames = 2, .max_frames = 9, .max_pixels = 100000, .start = 0, .end = 2.5}));
  EXPECT_FALSE(film.fps);
}

TEST(Conversation, an_error_names_the_file_the_message_and_the_part) {
  using testing::StartsWith;
  const auto part = [](const char* text) { return part_error(text); };
  const std::string place = "talk.json: message 2, part 2: ";
  EXPECT_EQ(part(R"({"type": "audio", "audio": "a"})"),
            place + "type \"audio\", wanted text, image or video");
  EXPECT_EQ(part("7"), place + "is number, wanted an object with \"type\"");
  EXPECT_EQ(part(R"("text")"), place + "is string, wanted an object with \"type\"");
  EXPECT_EQ(part("{}"), place + "has no type, wanted text, image or video");
  EXPECT_EQ(part(R"({"type": 1})"), place + "type is number, wanted a string");
  EXPECT_EQ(part(R"({"type": "text"})"), place + "is of type text without a text");
  EXPECT_EQ(part(R"({"type": "text", "text": 1})"), place + "text is number, wanted a string");
  EXPECT_EQ(part(R"({"type": "image"})"), place + "no path: wanted one of \"image\", \"path\" and \"url\"");
  EXPECT_EQ(part(R"({"type": "image", "image": ""})"), place + "image is empty, wanted the path of a file");
  EXPECT_EQ(part(R"({"type": "image", "image": ["a"]})"), place + "image is array, wanted a string");
  EXPECT_EQ(part(R"({"type": "image", "image_url": {}})"), place + "image_url is an object without url");
  for (const char* source : {"-", "data:image/png;base64,AAAA"})
    EXPECT_EQ(part((R"({"type": "image", "url": ")" + std::string(source) + "\"}").c_str()), "no error");
  for (const char* url : {"http://x/a.png", "https://x/a.png", "ftp://x/a.png"})
    EXPECT_THAT(part((R"({"type": "image", "url": ")" + std::string(url) + "\"}").c_str()),
                StartsWith(place + "image is " + url + ", wanted the path of a file"));
  EXPECT_THAT(part(R"({"type": "image", "image": "a\u0000b"})"), StartsWith(place + "image has a zero byte"));
  EXPECT_THAT(part(R"({"type": "image", "image": "a", "max_pixels": 0})"),
              StartsWith(place + "max_pixels is 0"));
  for (const char* kind : {"image", "video"})
    EXPECT_EQ(part((R"({")" + std::string(kind) + R"(": "a", "min_pixels": 9, "max_pixels": 8})").c_str()),
              place + "min_pixels is 9, more than max_pixels, 8");
  EXPECT_EQ(part(R"({"type": "video", "video": []})"), place + "video has no frames");
  EXPECT_EQ(part(R"({"type": "video", "video": [1]})"),
            place + "a frame of the video is number, wanted a string");
  EXPECT_EQ(part(R"({"video": ["a"], "fps": 0})"), place + "fps is 0, wanted a number over 0");
  EXPECT_EQ(part(R"({"video": ["a"], "fps": "x"})"), place + "fps is \"x\", wanted a number over 0");
  EXPECT_EQ(part(R"({"video": ["a"], "sample": 1})"), place + "sample is number, wanted true or false");
  EXPECT_EQ(part(R"({"video": ["a"], "frames_indices": [0, 1]})"),
            place + "frames_indices has 2 numbers for 1 frames");
  for (const char* index : {"-1", "0.5", "2147483648", "18446744073709551615", "\"0\""})
    EXPECT_EQ(
        part((R"({"video": ["a"], "frames_indices": [)" + std::string(index) + "]}").c_str()),
        place + "an index of frames_indices is " + index + ", wanted a whole number from 0 to 2147483647");
  EXPECT_THAT(part(R"({"video": ["a"], "total_num_frames": 0})"),
              StartsWith(place + "total_num_frames is 0"));

  EXPECT_EQ(error_of("[1]"), "talk.json: message 1: is number, wanted an object with role and content");
  EXPECT_EQ(error_of(R"([{"content": "x"}])"), "talk.json: message 1: has no role");
  EXPECT_EQ(error_of(R"([{"role": "robot", "content": "x"}])"),
            "talk.json: message 1: role \"robot\", wanted system, user, assistant or tool");
  EXPECT_EQ(error_of(R"([{"role": "user"}])"), "talk.json: message 1: has no content");
  EXPECT_EQ(error_of(R"([{"role": "user", "content": 5}])"),
            "talk.json: message 1: content is number, wanted a string or a list of parts");
  EXPECT_EQ(error_of(R"([{"role": "assistant", "tool_calls": {}}])"),
            "talk.json: message 1: tool_calls is object, wanted a list");
  EXPECT_EQ(error_of(R"([{"role": "assistant", "reasoning_content": 1}])"),
            "talk.json: message 1: reasoning_content is number, wanted a string");
  EXPECT_EQ(error_of("{}"), "talk.json: no \"messages\" in it");
  EXPECT_EQ(error_of("7"), "talk.json: messages is number, wanted a list");
  EXPECT_EQ(error_of(R"({"messages": {}})"), "talk.json: messages is object, wanted a list");
  EXPECT_EQ(error_of(R"({"messages": [], "tools": {}})"), "talk.json: tools is object, wanted a list");
  EXPECT_EQ(error_of(R"({"messages": [], "add_vision_id": "yes"})"),
            "talk.json: add_vision_id is string, wanted true or false");
}

TEST(Conversation, broken_json_is_an_error) {
  using testing::StartsWith;
  for (const char* json : {"", "[", "[{]", "nul", "\"\xff\"", "[\"\\ud800\"]", "[1e999]", "[] []"})
    EXPECT_THAT(error_of(json), StartsWith("talk.json: not JSON: ")) << json;
  EXPECT_THAT(error_of(std::string(100000, '[')), StartsWith("talk.json: brackets nest deeper"));
  EXPECT_THROW(read_conversation("no/such/file.json"), core::Error);
}

TEST(Conversation, pictures_of_a_file_stand_beside_it) {
  const std::string folder = std::string(TARSIER_TEST_DATA) + "/tiny-vl-dense/image";
  const Conversation c = read_conversation(folder + "/messages.json");
  EXPECT_EQ(c.messages.at(0).content.at(0).image, folder + "/a.png");
}

}  // namespace
}  // namespace tarsier
