// A conversation as a file for people (Markdown, one HTML page) or programs (JSON).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "src/chat/dialogue.h"
#include "src/chat/prompter.h"

namespace tarsier::chat {

// The frames of a clip that boxes belong to: Prompter::boxed.
using BoxedFrames =
    std::function<std::vector<Prompter::Boxed>(const Attachment& clip, const std::vector<Box>& boxes)>;

// From the first turn to the head. Markdown names the pictures; the HTML page holds them, with the answers'
// boxes and points drawn over them, of a clip over the frames of their times.
std::string to_markdown(const Dialogue& dialogue, std::string_view title);
std::string to_html(const Dialogue& dialogue, std::string_view title, const BoxedFrames& frames_of);
// In transformers' form of messages, which tarsier run --messages reads where the pictures lie beside it.
std::string to_json_text(const Dialogue& dialogue);

// The boxes of turn's answer belong to this: the last one attached at or before it; nullptr: none.
const Attachment* attachment_of_boxes(const Dialogue& dialogue, const Turn& turn);

}  // namespace tarsier::chat
