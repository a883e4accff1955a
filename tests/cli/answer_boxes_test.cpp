// Boxes of an answer about a clip: on the frames of their times, in files and as JSON.
#include "src/cli/answer_boxes.h"

#include <gmock/gmock.h>

#include "src/input/video_frames.h"
#include "tests/cli/program.h"

namespace {

using tarsier::Media;
using tarsier::chat::parse_grounding;

// Eight frames a second, four of them looked at.
Media clip() {
  return clip_media(tarsier::ProcessorConfig{.video = {64 * 64, 4 * 64 * 64}},
                    tarsier::open_clip(TARSIER_SOURCE "/examples/pictures/clip", 8), {.fps = 2});
}

// The picture of that number in the folder, with the boxes of an answer on it.
tarsier::Image drawn(const char* picture, const std::string& answer) {
  tarsier::Image image =
      tarsier::load_image(TARSIER_SOURCE "/examples/pictures/clip/" + std::string(picture) + ".png");
  tarsier::chat::draw_boxes(image, parse_grounding(answer).boxes);
  return image;
}

TEST(AnswerBoxes, are_drawn_on_the_frame_of_their_time) {
  const test::TemporaryFolder folder;
  const Media media = clip();
  ASSERT_EQ(media.frames_indices, (std::vector<int>{0, 5, 10, 15}));
  const std::string first = R"({"time": 0.7, "bbox_2d": [100, 200, 500, 800], "label": "a"})";
  const std::string second = R"({"time": "1.8 seconds", "bbox_2d": [300, 300, 600, 600], "label": "b"})";
  tarsier::cli::draw_boxes(parse_grounding(first), media, folder / "one.png");
  EXPECT_EQ(tarsier::load_image(folder / "one.png").rgb, drawn("05", first).rgb);

  tarsier::cli::draw_boxes(parse_grounding("[" + first + "," + second + "]"), media, folder / "two.png");
  EXPECT_EQ(tarsier::load_image(folder / "two-5.png").rgb, drawn("05", first).rgb);
  EXPECT_EQ(tarsier::load_image(folder / "two-15.png").rgb, drawn("15", second).rgb);
  EXPECT_FALSE(std::filesystem::exists(folder / "two.png"));

  tarsier::cli::draw_boxes(parse_grounding("nothing"), media, folder / "none.png");
  EXPECT_EQ(tarsier::load_image(folder / "none.png").rgb, drawn("00", "").rgb);
}

TEST(AnswerBoxes, json_has_the_frame_of_each_time) {
  tarsier::Prompt prompt;
  prompt.videos.push_back(clip());
  const auto out = tarsier::cli::boxes_json(
      parse_grounding(R"([{"time": 0.7, "bbox_2d": [0, 0, 500, 1000]}, {"point_2d": [1, 2]},
                          {"time": 1.2, "point_2d": [500, 500]}])"),
      prompt);
  EXPECT_EQ(out["width"], 64);
  EXPECT_EQ(out["boxes"][0]["time"], 0.7);
  EXPECT_EQ(out["boxes"][0]["frame"], 5);
  EXPECT_EQ(out["boxes"][0]["frame_time"], 5 / 8.0);
  EXPECT_FALSE(out["points"][0].contains("frame"));
  EXPECT_EQ(out["points"][1]["frame"], 10);
  prompt.images.push_back(clip());  // now nobody knows what is meant
  EXPECT_FALSE(tarsier::cli::boxes_json(parse_grounding(R"({"time": 0.7, "bbox_2d": [0, 0, 5, 10]})"),
                                        prompt)["boxes"][0]
                   .contains("frame"));
}

}  // namespace
