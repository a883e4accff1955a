// Places and times that a model writes into its answer: boxes and points in the picture, boxes in space,
// events of a clip. As JSON for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/chat/boxes.h"

namespace tarsier::chat {

// Of a clip. Seconds from its begin.
struct Event {
  double start = 0, end = 0;  // equal: a moment
  std::string text;
};

// NOLINTNEXTLINE(bugprone-exception-escape): of the JSON library, which aborts and never throws there
struct Grounding {
  std::vector<Box> boxes;                                             // and points, in order
  nlohmann::ordered_json boxes_3d = nlohmann::ordered_json::array();  // the objects as the model wrote them
  std::vector<Event> events;
};

// Reads, whatever stands around them:
// boxes and points, {"bbox_2d": [x0, y0, x1, y1], "label": ..., "time": ...}, also with a list of such lists,
// and "point_2d": [x, y]; the time may also be that of an object around them; boxes in space, {"bbox_3d":
// [...]}; Qwen2-VL's form,
// <|object_ref_start|>label<|object_ref_end|><|box_start|>(x0,y0),(x1,y1)<|box_end|>; events, {"start": ...,
// "end": ..., "description": ...} and {"timestamp": "00:01 - 00:03", ...}, or, where the answer has no such
// objects, lines such as "00:01.5 - 00:03: a car stops" and "<1.0 seconds> it turns red". What is malformed
// or cut off is read as far as it goes (loose_json.h).
Grounding parse_grounding(std::string_view answer);

// A time as models write it: 3, "3.5", "3.5 seconds", "<3.5 seconds>", "01:03.5", "1:00:03". Nothing: it is
// none.
std::optional<double> parse_time(std::string_view text);

// {"boxes": [{"label", "bbox_2d", "pixels", "time"}], "points": [...], "boxes_3d": [...], "events": [...]}.
// pixels are those of a picture of this size, the last column and row being part of a box; without a size
// there are none.
nlohmann::ordered_json to_json(const Grounding& grounding, int width = 0, int height = 0);

}  // namespace tarsier::chat
