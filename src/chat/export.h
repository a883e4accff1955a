// A conversation as a file for people (Markdown, one HTML page) or programs (JSON).
#pragma once

#include <string>
#include <string_view>

#include "src/chat/dialogue.h"

namespace tarsier::chat {

// From the first turn to the head. Markdown names the pictures; the HTML page holds them, with the answers'
// boxes and points drawn over them.
std::string to_markdown(const Dialogue& dialogue, std::string_view title);
std::string to_html(const Dialogue& dialogue, std::string_view title);
// In transformers' form of messages, which tarsier run --messages reads where the pictures lie beside it.
std::string to_json_text(const Dialogue& dialogue);

// The boxes of turn's answer belong to this: the last one attached at or before it; nullptr: none.
const Attachment* attachment_of_boxes(const Dialogue& dialogue, const Turn& turn);

}  // namespace tarsier::chat
