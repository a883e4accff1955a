// The commands of a chat, one function each.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/output_file.h"
#include "src/chat/dropped.h"
#include "src/chat/export.h"
#include "src/chat/grounding.h"
#include "src/cli/answer_boxes.h"
#include "src/cli/chat_app.h"
#include "src/input/video_frames.h"
#include "src/terminal/clipboard.h"
#include "src/terminal/columns.h"
#include "src/terminal/line_editor.h"

namespace tarsier::cli {
namespace {

using chat::Attachment;
using chat::Command;
using chat::Role;
using chat::Turn;

constexpr const char* kHere = "before";  // the mark that /back leaves behind

// In pixels: of one token, and what each word of /resolution means in tokens.
struct Resolution {
  const char* name;
  std::int64_t least, most;  // tokens; 0: the checkpoint's
};
constexpr Resolution kResolutions[] = {
    {"low", 1, 256}, {"auto", 0, 0}, {"high", 1024, 4096}, {"max", 4096, 16384}};

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(" \t\n", at);
    if (begin == std::string::npos) break;
    const std::size_t end = std::min(text.find_first_of(" \t\n", begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    at = end;
  }
  return out;
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  core::OutputFile out(path, bytes.size());
  out.append(bytes);
  out.commit();
}

// The text of the n-th fenced block, from 1 on.
std::string code_block(const std::string& text, int n) {
  std::size_t at = 0;
  for (int i = 1;; ++i) {
    const std::size_t open = text.find("```", at);
    const std::size_t begin = open == std::string::npos ? open : text.find('\n', open);
    const std::size_t end = begin == std::string::npos ? begin : text.find("```", begin);
    core::require(end != std::string::npos, "the answer has ", i - 1, " code blocks");
    if (i == n) return text.substr(begin + 1, end - begin - 1);
    at = end + 3;
  }
}

std::string when(std::int64_t seconds) {
  const auto at = static_cast<std::time_t>(seconds);
  std::tm broken{};
  ::localtime_r(&at, &broken);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &broken)};
}

}  // namespace

bool Chat::run(const chat::CommandLine& line) {
  const std::string& arguments = line.arguments;
  switch (line.row->command) {
    case Command::image:
      image(arguments);
      break;
    case Command::paste:
      paste();
      break;
    case Command::resolution:
      resolution(arguments);
      break;
    case Command::boxes:
      core::require(show_boxes(), "the last answer holds no boxes or points, or there is no picture");
      break;
    case Command::save_boxes:
      save_boxes(arguments);
      break;
    case Command::regen:
      return regen();
    case Command::edit:
      return edit();
    case Command::undo:
      undo();
      break;
    case Command::go_on:
      return go_on();
    case Command::branch:
      branch(arguments);
      break;
    case Command::back:
      back(arguments);
      break;
    case Command::clear:
      clear();
      break;
    case Command::system:
      system(arguments);
      break;
    case Command::set:
      set(arguments);
      break;
    case Command::think:
      think(arguments);
      break;
    case Command::context:
      context();
      break;
    case Command::stats:
      stats();
      break;
    case Command::copy:
      copy(arguments);
      break;
    case Command::raw:
      console_.say(last_answer().text + "\n");
      break;
    case Command::save:
      save(arguments);
      break;
    case Command::load:
      core::require(!arguments.empty(), "/load wants the name of a session; /sessions lists them");
      return load(arguments);
    case Command::sessions:
      sessions();
      break;
    case Command::export_to:
      export_to(arguments);
      break;
    case Command::help:
      console_.say(chat::help_text(terminal::window_size().columns, arguments));
      break;
    case Command::quit:
      leaving_ = true;
      break;
  }
  return true;
}

void Chat::image(const std::string& arguments) {
  ClipOptions clip;
  std::string rest = arguments;
  // NAME=VALUE words before the paths.
  for (std::size_t equals = 0; (equals = rest.find('=')) != std::string::npos;) {
    const std::string name = lower(rest.substr(0, equals));
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (equals > end) break;
    const std::string value = rest.substr(equals + 1, end - equals - 1);
    std::optional<double>* const to = name == "fps"     ? &clip.fps
                                      : name == "start" ? &clip.start
                                      : name == "end"   ? &clip.end
                                                        : nullptr;
    if (to != nullptr) {
      *to = name == "fps" ? number<double>(value) : parse_seconds(value);
      core::require(*to && (name != "fps" || (**to > 0 && **to <= 1000)), name, ": found ", value,
                    ", wanted ", name == "fps" ? "a number over 0" : "seconds or MM:SS");
    } else if (name == "frames") {
      clip.max_frames = number<int>(value);
      core::require(clip.max_frames && *clip.max_frames > 0, "frames: found ", value,
                    ", wanted a number over 0");
    } else {
      break;
    }
    rest.erase(0, std::min(rest.find_first_not_of(' ', end), rest.size()));
  }
  const std::vector<std::string> paths = chat::path_words(rest);
  core::require(!paths.empty(), "/image wants the paths of pictures or videos");
  attach(paths, clip);
}

void Chat::paste() {
  attach({.name = "clipboard.png",
          .pictures = {
              chat::make_picture("clipboard.png", terminal::picture_from_clipboard(), image_options())}});
}

void Chat::resolution(const std::string& arguments) {
  const std::vector<std::string> given = words(arguments);
  const ProcessorConfig& config = model_->config().processor;
  const std::int64_t token = config.token_pixels();
  if (!given.empty() && given[0] == "fit") {
    const auto seconds = given.size() == 1 ? 0 : number<double>(given[1]).value_or(-1);
    core::require(given.size() <= 2 && seconds >= 0, "fit: found ", arguments,
                  ", wanted nothing or seconds behind it");
    limits_.reset();
    options_.sizes.fit = true;
    options_.sizes.fit_seconds = seconds;
    sizes_.emplace(model_, options_.sizes, options_.session);
  } else if (given.size() == 2) {
    const auto least = number<std::int64_t>(given[0]);
    const auto most = number<std::int64_t>(given[1]);
    core::require(least && most && *least > 0 && *least <= *most, "pixels: found ", arguments,
                  ", wanted the least and the most");
    limits_ = PixelLimits{*least, *most};
  } else if (given.size() == 1) {
    const auto* row = std::find_if(std::begin(kResolutions), std::end(kResolutions),
                                   [&](const Resolution& r) { return given[0] == r.name; });
    core::require(row != std::end(kResolutions), "resolution ", given[0],
                  ": wanted low, auto, high, max, fit, or the least and the most pixels");
    limits_.reset();
    options_.sizes.fit = false;
    options_.sizes.fit_seconds = 0;
    if (row->most == 0)
      sizes_.emplace(model_, options_.sizes, options_.session);
    else
      limits_ = PixelLimits{row->least * token, row->most * token};
  }
  if (!given.empty())
    for (std::size_t i = attached_last_; i < attached_.size(); ++i) {
      size(attached_[i]);
      show_attachment(attached_[i]);
    }
  const PixelLimits now = limits_.value_or(sizes_->wish().over(config.image));
  console_.note(fmt::format("pictures are seen with {} to {} pixels, {} to {} tokens", now.min_pixels,
                            now.max_pixels, now.min_pixels / token, now.max_pixels / token));
}

bool Chat::show_boxes() {
  const Turn* turn = dialogue_.last(Role::assistant);
  if (turn == nullptr) return false;
  const std::vector<chat::Box> boxes = chat::parse_grounding(turn->text).boxes;
  const Attachment* seen = chat::attachment_of_boxes(dialogue_, *turn);
  if (boxes.empty() || seen == nullptr) return false;
  std::vector<chat::Prompter::Boxed> pictures = prompter_.boxed(*seen, boxes);
  for (chat::Prompter::Boxed& one : pictures) {
    chat::draw_boxes(one.image, one.boxes);
    if (one.frame) console_.note(seen->name + ": " + frame_text(*one.frame));
    console_.show(one.image);
  }
  return !pictures.empty();
}

void Chat::save_boxes(const std::string& arguments) {
  const std::vector<std::string> paths = chat::path_words(arguments);
  core::require(paths.size() == 1, "/save-boxes wants the name of a PNG file");
  const Turn& turn = last_answer();
  const std::vector<chat::Box> boxes = chat::parse_grounding(turn.text).boxes;
  core::require(!boxes.empty(), "the last answer holds no boxes or points");
  const Attachment* seen = chat::attachment_of_boxes(dialogue_, turn);
  std::vector<chat::Prompter::Boxed> pictures;
  if (seen != nullptr) pictures = prompter_.boxed(*seen, boxes);
  core::require(!pictures.empty(), "there is no picture to draw them on");
  for (chat::Prompter::Boxed& one : pictures) {
    chat::draw_boxes(one.image, one.boxes);
    const std::string path = pictures.size() == 1 ? paths[0] : frame_path(paths[0], *one.frame);
    write_file(path, encode_png(one.image));
    for (const chat::Box& box : one.boxes) console_.note(place_text(box, one.image));
    console_.note(fmt::format("{}: {}x{}{}", path, one.image.width, one.image.height,
                              one.frame ? ", " + frame_text(*one.frame) : ""));
  }
}

bool Chat::regen() {
  const Turn* question = dialogue_.last(Role::user);
  core::require(question != nullptr, "there is no question yet");
  const int before = dialogue_.head();
  const int asked = question->id;
  // The answer that is there stays until another one has begun.
  const auto keep = [&] {
    if (dialogue_.head() == asked && before != asked) dialogue_.move_head(before);
  };
  dialogue_.move_head(asked);
  try {
    const bool answered = answer();
    keep();
    return answered;
  } catch (const core::Error&) {
    keep();
    throw;
  }
}

bool Chat::edit() {
  const Turn* question = dialogue_.last(Role::user);
  core::require(question != nullptr, "there is no question yet");
  core::require(console_.mode() == Console::Mode::terminal, "/edit wants a terminal");
  std::string text = terminal::edit_text(question->text);
  while (text.ends_with('\n')) text.pop_back();
  core::require(!text.empty(), "the question is empty: nothing is changed");
  Turn changed{.role = Role::user, .text = std::move(text), .attached = question->attached};
  const int before = dialogue_.head();
  dialogue_.move_head(question->parent);
  console_.send(console_.prompt());
  console_.say(changed.text + "\n");
  try {
    return ask(std::move(changed));
  } catch (const core::Error&) {
    if (dialogue_.head() == question->parent) dialogue_.move_head(before);
    throw;
  }
}

void Chat::undo() {
  if (!attached_.empty()) {
    std::string names;
    for (const Attachment& a : attached_) names += (names.empty() ? "" : ", ") + a.name;
    attached_.clear();
    console_.note("taken back: " + names);
    return;
  }
  const Turn* question = dialogue_.last(Role::user);
  core::require(question != nullptr, "there is nothing to take back");
  dialogue_.move_head(question->parent);
  attached_ = question->attached;
  attached_last_ = 0;
  console_.note(fmt::format("taken back: {}{}", terminal::shortened(question->text, 60),
                            attached_.empty() ? "" : " (its pictures wait for the next question)"));
}

bool Chat::go_on() {
  const int head = dialogue_.head();
  core::require(head != 0 && dialogue_.turn(head).role == Role::assistant,
                "there is no answer to go on with");
  const Turn& begun = dialogue_.turn(head);
  core::require(!begun.ids.empty(), "the answer has no tokens to go on from");
  dialogue_.move_head(begun.parent);
  try {
    return answer(&begun);
  } catch (const core::Error&) {
    dialogue_.move_head(head);
    throw;
  }
}

void Chat::branch(const std::string& given) {
  std::string name = given;
  for (int n = 1; name.empty(); ++n)
    if (!dialogue_.marks().contains(std::to_string(n))) name = std::to_string(n);
  dialogue_.mark(name, dialogue_.head());
  console_.note(fmt::format("mark {} is here; /back {} returns", name, name));
}

void Chat::back(const std::string& given) {
  const auto& marks = dialogue_.marks();
  core::require(!marks.empty(), "there is no mark to go back to; /branch sets one");
  std::string name = given;
  if (name.empty())  // the latest in the conversation that is not what /back itself left
    for (const auto& [mark, turn] : marks)
      if (mark != kHere && (name.empty() || turn >= marks.at(name))) name = mark;
  if (name.empty()) name = kHere;
  std::string all;
  for (const auto& [mark, turn] : marks) all += (all.empty() ? "" : ", ") + mark;
  core::require(marks.contains(name), "there is no mark ", name, "; there are ", all);
  const int to = marks.at(name);
  dialogue_.mark(kHere, dialogue_.head());
  dialogue_.move_head(to);
  const Turn* question = dialogue_.last(Role::user);
  console_.note(fmt::format("back at mark {}{}; /back {} returns to where you were", name,
                            question == nullptr ? "" : ", behind: " + terminal::shortened(question->text, 40),
                            kHere));
}

void Chat::clear() {
  // The old session stays on disk; a new one begins with the next question.
  const chat::RecordSink sink = dialogue_.sink();
  const std::string system = dialogue_.system();
  const auto settings = dialogue_.settings();
  keep_cache();
  file_.reset();
  dialogue_ = {};
  if (!system.empty()) dialogue_.set_system(system);
  for (const auto& [name, value] : settings) dialogue_.set(name, value);
  dialogue_.watch(sink);
  attached_.clear();
  dropped_ = 0;
  console_.note("a new conversation begins");
}

void Chat::system(const std::string& text) {
  if (!text.empty()) dialogue_.set_system(text == "-" ? "" : text);
  console_.note(dialogue_.system().empty() ? "there is no system message" : "system: " + dialogue_.system());
}

void Chat::set(const std::string& arguments) {
  const std::vector<std::string> given = words(arguments);
  core::require(given.size() <= 2, "/set wants a name and a value");
  if (given.empty()) {
    std::vector<chat::TextRow> rows;
    for (const chat::SettingRow& row : chat::setting_rows(settings_))
      rows.push_back({fmt::format("{:<20} {}", row.name, row.value), row.meaning});
    console_.say(chat::rows_text(rows, terminal::window_size().columns));
    return;
  }
  const std::string name =
      change_setting(settings_, options_.settings, given[0], given.size() > 1 ? given[1] : "");
  if (name == "pictures") {
    try {
      console_.set_pictures(settings_.pictures);
    } catch (const core::Error&) {
      change_setting(settings_, options_.settings, name, "");
      throw;
    }
  }
  if (name == "keep-cache") {
    cache_changed_ = true;
    if (!settings_.keep_cache && file_ != nullptr) std::filesystem::remove(store_.cache_path(file_->name()));
  }
  dialogue_.set(name, given.size() > 1 ? given[1] : "");
  for (const chat::SettingRow& row : chat::setting_rows(settings_))
    if (row.name == name) console_.note(row.name + " " + row.value);
}

void Chat::think(const std::string& arguments) {
  if (arguments.empty()) {
    const Turn& turn = last_answer();
    core::require(!turn.thinking.empty(), "the last answer was given without thinking");
    console_.passage(turn.thinking);
  } else if (arguments == "on" || arguments == "off") {
    set("show-thinking " + arguments);
  } else {
    set("think-budget " + arguments);
  }
}

void Chat::context() {
  std::string out;
  int pictures = 0;
  int n_pictures = 0;
  int questions = 0;
  int answers = 0;
  const auto count = [&](const std::string& text) {
    return static_cast<int>(model_->tokenizer().encode(text, false).size());
  };
  const std::vector<const Turn*> path = dialogue_.path();
  for (std::size_t i = static_cast<std::size_t>(dropped_); i < path.size(); ++i) {
    const Turn* turn = path[i];
    (turn->role == Role::user ? questions : answers) += count(turn->text);
    for (const Attachment& a : turn->attached) {
      pictures += prompter_.seen(a).tokens;
      ++n_pictures;
    }
  }
  const int used = session_.length();
  const int system = count(dialogue_.system());
  const int rest = std::max(0, used - pictures - questions - answers - system);
  const int room = session_.context();
  const auto row = [&](const std::string& what, int n) {
    out += fmt::format("{:<28} {:>7}  {:>5.1f} %\n", what, n, 100.0 * n / room);
  };
  row("system message", system);
  row(fmt::format("{} picture{}", n_pictures, n_pictures == 1 ? "" : "s"), pictures);
  row("questions", questions);
  row("answers", answers);
  row("template and thinking", rest);
  row("used", used);
  row("free", room - used);
  if (dropped_ > 0) out += fmt::format("The first {} turns are not in the context any more.\n", dropped_);
  for (const Attachment& a : attached_) out += "waiting: " + picture_line(a) + "\n";
  console_.say(out);
}

void Chat::stats() {
  const auto block = [&](const char* name, int images, double image_s, int prompt, double prompt_s,
                         int reused, int decoded, double decode_s, int proposed, int accepted) {
    console_.say(
        fmt::format("{}\n  pictures {} in {:.2f} s\n  prompt   {} tokens read, {} kept, {:.1f} tok/s\n"
                    "  answer   {} tokens, {:.1f} tok/s{}\n",
                    name, images, image_s, prompt, reused, tokens_per_second(prompt, prompt_s), decoded,
                    tokens_per_second(decoded, decode_s), guesses_text(proposed, accepted)));
  };
  const Turn* turn = dialogue_.last(Role::assistant);
  if (turn != nullptr && turn->stats.is_object()) {
    const Json& s = turn->stats;
    block("last answer", s.value("images", 0) + s.value("clips", 0), s.value("image_seconds", 0.0),
          s.value("prompt_tokens", 0), s.value("prompt_seconds", 0.0), s.value("reused_tokens", 0),
          s.value("decoded_tokens", 0), s.value("decode_seconds", 0.0), s.value("proposed_tokens", 0),
          s.value("accepted_tokens", 0));
    console_.say(fmt::format("  first    token after {:.2f} s\n", s.value("first_token_seconds", 0.0)));
  }
  const SessionStats& s = session_.stats();
  block("since the start", s.images + s.clips, s.image_seconds, s.prompt_tokens, s.prompt_seconds,
        s.reused_tokens, s.decoded_tokens, s.decode_seconds, s.proposed_tokens, s.accepted_tokens);
  const MemoryNeed need = memory_need(*model_, options_.session);
  console_.say(fmt::format("memory\n  weights {}, KV cache {}\n",
                           bytes_text(static_cast<double>(need.weights)),
                           bytes_text(static_cast<double>(need.kv_cache))));
}

void Chat::copy(const std::string& arguments) {
  const Turn& turn = last_answer();
  std::string text = turn.text;
  if (!arguments.empty()) {
    const auto n = number<int>(arguments);
    core::require(n && *n > 0, "/copy wants the number of a code block, from 1 on");
    text = code_block(text, *n);
  }
  const std::string sequence = terminal::text_to_clipboard(text);
  if (console_.mode() == Console::Mode::terminal && !sequence.empty()) console_.send(sequence);
  console_.note(
      fmt::format("copied {} bytes{}", text.size(), sequence.empty() ? "" : " (by the terminal: OSC 52)"));
}

void Chat::save(const std::string& name) {
  core::require(!name.empty(), "/save wants a name");
  core::require(keeps_, "sessions are not kept here");
  open_session();
  core::require(file_ != nullptr, "the session cannot be written");
  if (file_->name() != name) store_.rename(*file_, name);
  console_.note("saved as " + name + "; it goes on being saved");
  keep_cache();
}

void Chat::sessions() {
  const auto all = store_.sessions();
  if (all.empty()) console_.note("there are no sessions");
  std::string out;
  const int columns = terminal::window_size().columns;
  for (const chat::SessionInfo& s : all) {
    const bool open = file_ != nullptr && file_->name() == s.name;
    const std::string head = fmt::format("{}{:<22} {}  {:>3} question{}  ", open ? "*" : " ", s.name,
                                         when(s.modified), s.questions, s.questions == 1 ? " " : "s");
    constexpr int kLeast = 20;  // columns for the question beside the rest
    const int room = columns - static_cast<int>(head.size()) - 1;
    out += head + (room < kLeast ? "\n    " : "") +
           terminal::shortened(s.first_question, room < kLeast ? std::max(columns - 5, kLeast) : room) + "\n";
  }
  console_.say(out);
}

void Chat::export_to(const std::string& arguments) {
  const std::vector<std::string> paths = chat::path_words(arguments);
  core::require(paths.size() == 1, "/export wants the name of a file: .md, .json or .html");
  const std::string ending = std::filesystem::path(paths[0]).extension();
  const std::string title = file_ != nullptr ? file_->name() : "tarsier";
  std::string text;
  if (ending == ".md")
    text = to_markdown(dialogue_, title);
  else if (ending == ".html")
    text = to_html(dialogue_, title, [&](const Attachment& clip, const std::vector<chat::Box>& boxes) {
      return prompter_.boxed(clip, boxes);
    });
  else if (ending == ".json")
    text = to_json_text(dialogue_);
  else
    core::fail(paths[0], ": wanted a name that ends with .md, .json or .html");
  write_file(paths[0], std::as_bytes(std::span(text)));
  console_.note(fmt::format("{}: {}", paths[0], bytes_text(static_cast<double>(text.size()))));
}

}  // namespace tarsier::cli
