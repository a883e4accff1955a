#include "src/chat/export.h"

#include <fmt/core.h>
#include <glib.h>

#include <algorithm>
#include <vector>

#include "src/chat/grounding.h"

namespace tarsier::chat {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string base64(const Bytes& bytes) {
  gchar* text = g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size());
  std::string out(text);
  g_free(text);
  return out;
}

// What browsers show as it is; "" for other formats.
std::string_view browser_type(const Bytes& bytes) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 12));
  if (head.starts_with("\x89PNG")) return "image/png";
  if (head.starts_with("\xFF\xD8")) return "image/jpeg";
  if (head.starts_with("GIF8")) return "image/gif";
  if (head.starts_with("BM")) return "image/bmp";
  if (head.starts_with("RIFF") && head.substr(8) == "WEBP") return "image/webp";
  return "";
}

std::string data_address(std::string_view type, const Bytes& bytes) {
  return fmt::format("data:{};base64,{}", type, base64(bytes));
}
std::string data_address(const Image& image) { return data_address("image/png", encode_png(image)); }
std::string data_address(const Picture& picture) {
  const std::string_view type = browser_type(*picture.bytes);
  return type.empty() ? data_address(pixels_of(picture)) : data_address(type, *picture.bytes);
}

// Boxes over a picture of this size, in the model's coordinates of 0..1000.
std::string svg(const std::vector<Box>& boxes) {
  std::string out = "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\">";
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const Box& b = boxes[i];
    const auto c = box_colour(i);
    const std::string colour = fmt::format("rgb({},{},{})", c[0], c[1], c[2]);
    if (b.point)
      out += fmt::format("<circle cx=\"{:g}\" cy=\"{:g}\" r=\"10\" fill=\"{}\"/>", b.left, b.top, colour);
    else
      out += fmt::format("<rect x=\"{:g}\" y=\"{:g}\" width=\"{:g}\" height=\"{:g}\" stroke=\"{}\"/>",
                         std::min(b.left, b.right), std::min(b.top, b.bottom), std::abs(b.right - b.left),
                         std::abs(b.bottom - b.top), colour);
    out += fmt::format("<text x=\"{:g}\" y=\"{:g}\" fill=\"{}\">{}</text>", std::min(b.left, b.right) + 8,
                       std::min(b.top, b.bottom) + 36, colour, escaped(b.label));
  }
  return out + "</svg>";
}

std::string figure(const std::string& address, const std::string& name, const std::string& about,
                   const std::vector<Box>& boxes) {
  return fmt::format(
      "<figure><div><img src=\"{}\" alt=\"{}\">{}</div><figcaption>{} {}</figcaption></figure>\n", address,
      escaped(name), boxes.empty() ? "" : svg(boxes), escaped(name), about);
}

std::string figure(const Picture& picture, const std::vector<Box>& boxes) {
  if (picture.bytes == nullptr)
    return "<p class=gone>" + escaped(picture.name) + ": not there any more</p>\n";
  return figure(data_address(picture), picture.name, fmt::format("{}x{}", picture.width, picture.height),
                boxes);
}

// What an answer about this shows.
std::string figures(const Attachment& seen, const std::vector<Box>& boxes, const BoxedFrames& frames_of) {
  if (!seen.clip && !seen.video) return figure(seen.pictures.front(), boxes);
  std::string out;
  for (const Prompter::Boxed& one : frames_of(seen, boxes))
    out += figure(data_address(one.image), seen.name,
                  fmt::format("{}x{}, at {:.1f} s", one.image.width, one.image.height, one.frame->seconds),
                  one.boxes);
  return out;
}

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em;color:#222;"
    "background:#fff}"
    "section{margin:1em 0;padding:.6em 1em;border-radius:.6em;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".user{background:#eef2f7}.assistant{border:1px solid #ddd}.system{color:#666}"
    "details{color:#777}figure{margin:.5em 0;white-space:normal}"
    "figure div{position:relative;display:inline-block}img{max-width:100%;display:block}"
    "svg{position:absolute;inset:0;width:100%;height:100%}"
    "rect{fill:none;stroke-width:3;vector-effect:non-scaling-stroke}text{font-size:32px}"
    "figcaption{font-size:.8em;color:#777}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}.user{background:#26303c}"
    ".assistant{border-color:#444}}";

}  // namespace

const Attachment* attachment_of_boxes(const Dialogue& dialogue, const Turn& turn) {
  for (int id = turn.id; id != 0; id = dialogue.turn(id).parent) {
    const auto& attached = dialogue.turn(id).attached;
    if (!attached.empty()) return &attached.back();
  }
  return nullptr;
}

std::string to_markdown(const Dialogue& dialogue, std::string_view title) {
  std::string out = fmt::format("# {}\n", title);
  if (!dialogue.system().empty()) out += "\n*" + dialogue.system() + "*\n";
  for (const Turn* turn : dialogue.path()) {
    out += turn->role == Role::user ? "\n## Question\n\n" : "\n## Answer\n\n";
    for (const Attachment& a : turn->attached)
      for (const Picture& p : a.pictures)
        out += fmt::format("![{}]({}) {}x{}\n\n", p.name, p.name, p.width, p.height);
    out += turn->text + "\n";
  }
  return out;
}

std::string to_html(const Dialogue& dialogue, std::string_view title, const BoxedFrames& frames_of) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{}</title><style>{}</style></head><body>\n<h1>{}</h1>\n",
      escaped(title), kStyle, escaped(title));
  if (!dialogue.system().empty())
    out += "<section class=system>" + escaped(dialogue.system()) + "</section>\n";
  for (const Turn* turn : dialogue.path()) {
    out += fmt::format("<section class={}>", turn->role == Role::user ? "user" : "assistant");
    for (const Attachment& a : turn->attached)
      for (const Picture& p : a.pictures) out += figure(p, {});
    if (!turn->thinking.empty())
      out += "<details><summary>Thinking</summary>" + escaped(turn->thinking) + "</details>\n";
    out += escaped(turn->text);
    if (turn->role == Role::assistant) {
      const std::vector<Box> boxes = parse_grounding(turn->text).boxes;
      const Attachment* seen = boxes.empty() ? nullptr : attachment_of_boxes(dialogue, *turn);
      if (seen != nullptr) out += "\n" + figures(*seen, boxes, frames_of);
    }
    out += "</section>\n";
  }
  return out + "</body></html>\n";
}

namespace {

// As read_conversation takes it.
Json to_message_part(const AttachedVideo& video) {
  Json part = {{"type", "video"}, {"video", video.path}};
  const ClipOptions& o = video.options;
  const auto put = [&](const char* name, const auto& value) {
    if (value) part[name] = *value;
  };
  put("fps", o.fps);
  put("min_frames", o.min_frames);
  put("max_frames", o.max_frames);
  put("total_pixels", o.max_pixels);
  put("video_start", o.start);
  put("video_end", o.end);
  return part;
}

}  // namespace

std::string to_json_text(const Dialogue& dialogue) {
  Json messages = Json::array();
  if (!dialogue.system().empty()) messages.push_back({{"role", "system"}, {"content", dialogue.system()}});
  for (const Turn* turn : dialogue.path()) {
    if (turn->role == Role::assistant) {
      Json message = {{"role", "assistant"}, {"content", turn->text}};
      if (!turn->thinking.empty()) message["reasoning_content"] = turn->thinking;
      messages.push_back(std::move(message));
      continue;
    }
    Json content = Json::array();
    for (const Attachment& a : turn->attached) {
      Json names = Json::array();
      for (const Picture& p : a.pictures) names.push_back(p.name);
      if (a.video) {
        content.push_back(to_message_part(*a.video));
      } else if (a.clip) {
        content.push_back({{"type", "video"}, {"video", names}, {"fps", a.fps}, {"sample", true}});
      } else {
        content.push_back({{"type", "image"}, {"image", names[0]}});
      }
      if (a.limits)
        content.back().update({{"min_pixels", a.limits->min_pixels}, {"max_pixels", a.limits->max_pixels}});
    }
    content.push_back({{"type", "text"}, {"text", turn->text}});
    messages.push_back({{"role", "user"}, {"content", content}});
  }
  return Json{{"messages", messages}}.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tarsier::chat
