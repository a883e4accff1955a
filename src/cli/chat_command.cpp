// tarsier chat: a conversation about pictures, in a terminal or through pipes.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/chat/commands.h"
#include "src/chat/picture.h"
#include "src/cli/chat_app.h"
#include "src/cli/commands.h"
#include "src/cli/common_flags.h"
#include "src/cli/sampling_flags.h"
#include "src/cli/terminal.h"
#include "src/input/utf8.h"
#include "src/terminal/line_editor.h"

namespace tarsier::cli {
namespace {

constexpr std::string_view kFence = "\"\"\"";
constexpr double kCacheGb = 2;

struct ChatFlags {
  SessionFlags session;
  std::unique_ptr<SamplingFlags> sampling;
  std::vector<std::string> images, prompts;
  std::string system, load, pictures = "auto";
  int max_tokens = 4096;
  bool latest = false, json = false, keep_nothing = false;
  bool seed_given = false;
  std::optional<double> cache_gb;
  ClipOptions clips;
  SizeFlags sizes;
  bool speculate = true;
  bool context_shift = true;
  ImageOptions image;
};

// A text between """ and """ that began in line; more gives the lines that follow, false at the end of input.
template <class More>
std::string fenced_text(const std::string& line, const More& more) {
  const std::size_t open = line.find(kFence);
  std::string text = line.substr(open + kFence.size());
  for (std::string next; text.find(kFence) == std::string::npos && more(next);) text += "\n" + next;
  const std::size_t close = text.find(kFence);
  std::string body = text.substr(0, close);
  if (body.starts_with('\n')) body.erase(0, 1);
  if (body.ends_with('\n')) body.pop_back();
  return line.substr(0, open) + body + (close == std::string::npos ? "" : text.substr(close + kFence.size()));
}

terminal::Completions completions(const Chat& chat, std::string_view line, std::string_view word) {
  terminal::Completions out;
  const auto offer = [&](std::string_view name) {
    if (name.starts_with(word)) out.words.emplace_back(name);
  };
  const auto offer_commands = [&] {
    for (const chat::CommandRow& row : chat::commands()) offer("/" + std::string(row.name));
  };
  if (line == word) {
    if (word.starts_with('/')) offer_commands();
    return out;
  }
  const auto command = chat::parse_command(line);
  if (!command) return out;
  out.paths = false;
  const bool first = command->arguments == word;
  switch (command->row->completes) {
    case chat::Completes::paths:
      out.paths = true;
      break;
    case chat::Completes::settings:
      if (first)
        for (const chat::SettingRow& row : chat::setting_rows(chat.settings())) offer(row.name);
      break;
    case chat::Completes::sessions:
      for (const chat::SessionInfo& s : chat.store().sessions()) offer(s.name);
      break;
    case chat::Completes::resolutions:
      for (const char* name : {"low", "auto", "high", "max", "fit"}) offer(name);
      break;
    case chat::Completes::marks:
      for (const auto& [name, turn] : chat.dialogue().marks()) offer(name);
      break;
    case chat::Completes::commands:
      offer_commands();
      break;
    case chat::Completes::nothing:
      break;
  }
  return out;
}

int talk(Chat& chat, Console& console, const ChatSignals& signals, const Model& model) {
  terminal::LineEditor editor(
      [&](std::string_view line, std::string_view word) { return completions(chat, line, word); },
      signals.flags());
  const std::string trouble = editor.keep_history(chat.store().folder() + "/history");
  console.note(fmt::format("tarsier · {} · /help lists the commands, Ctrl-D leaves", model.path()));
  if (!trouble.empty()) console.note("what you type is not remembered: " + trouble);
  bool asked_to_leave = false;
  while (!chat.leaving() && !signals.hung_up()) {
    chat.encode_ahead();
    const terminal::Typed typed = editor.read(console.prompt(), chat.take_unsent());
    if (typed.kind == terminal::Typed::Kind::end) break;
    if (typed.kind == terminal::Typed::Kind::interrupted) {
      if (asked_to_leave && typed.text.empty()) return kInterrupted;
      asked_to_leave = typed.text.empty();
      if (asked_to_leave) {
        chat.stop_ahead();
        console.note("Ctrl-C again leaves");
      }
      continue;
    }
    asked_to_leave = false;
    std::string line = typed.text;
    if (line.find(kFence) != std::string::npos)
      line = fenced_text(line, [&](std::string& next) {
        const terminal::Typed more = editor.read("... ");
        next = more.text;
        return more.kind == terminal::Typed::Kind::text;
      });
    if (line.find_first_not_of(" \t\n") == std::string::npos) continue;
    editor.remember(line);
    chat.handle(line);
    asked_to_leave = chat.interrupted();
  }
  if (signals.hung_up()) return signals.exit_code();
  if (!chat.leaving()) console.say("\n");
  return kOk;
}

// Standard input by lines: questions and commands. Goes on after a failure, which the exit code tells.
int read_lines(Chat& chat, const ChatSignals& signals, std::istream& in) {
  bool all = true;
  for (std::string line; !chat.leaving() && !signals.hung_up() && std::getline(in, line);) {
    if (line.find(kFence) != std::string::npos)
      line = fenced_text(line, [&](std::string& next) { return static_cast<bool>(std::getline(in, next)); });
    if (line.find_first_not_of(" \t\r\n") == std::string::npos) continue;
    all = chat.handle(line) && all;
    if (chat.interrupted()) return signals.hung_up() ? signals.exit_code() : kInterrupted;
  }
  return signals.hung_up() ? signals.exit_code() : all ? kOk : kFailed;
}

// --prompt: what standard input holds belongs to the first question, a picture or text.
int ask_prompts(Chat& chat, const ChatFlags& flags, const ChatSignals& signals) {
  bool all = true;
  std::string piped = stdin_is_terminal() ? "" : read_standard_input();
  if (piped.find('\0') != std::string::npos || repair_utf8(piped) != piped) {  // no text
    chat::Bytes bytes(piped.size());
    std::memcpy(bytes.data(), piped.data(), piped.size());
    chat.attach({.name = "standard input",
                 .pictures = {chat::make_picture("standard input", std::move(bytes), chat.image_options())}});
    piped.clear();
  }
  while (piped.ends_with('\n')) piped.pop_back();
  for (std::size_t i = 0; i < flags.prompts.size(); ++i) {
    std::string line = flags.prompts[i];
    if (i == 0 && !piped.empty()) line += "\n\n" + piped;
    all = chat.handle(line) && all;
    if (chat.interrupted()) return signals.hung_up() ? signals.exit_code() : kInterrupted;
  }
  return all ? kOk : kFailed;
}

int chat_main(const ChatFlags& flags) {
  const ChatSignals signals;
  const bool terminal =
      stdin_is_terminal() && ::isatty(STDOUT_FILENO) == 1 && !flags.json && flags.prompts.empty();
  Console console(flags.json ? Console::Mode::json
                  : terminal ? Console::Mode::terminal
                             : Console::Mode::plain,
                  signals);
  const auto model = open_model(flags.session, flags.images.empty() ? Fetch::text : Fetch::pictures);
  ChatOptions options;
  options.session = session_options(flags.session);
  options.system = flags.system;
  options.sizes = flags.sizes;
  options.clips = flags.clips;
  const PixelWish pixels = pixel_wish(model->config().processor, flags.sizes);
  options.clips.frame_min_pixels = pixels.min_pixels;  // what holds of a picture holds of each frame
  options.clips.frame_max_pixels = pixels.max_pixels;
  options.keep = !flags.keep_nothing && (terminal || flags.latest || !flags.load.empty());
  // What is not to be remembered leaves no trace of its pictures either, unless that is asked for.
  options.session.row_bytes =
      static_cast<std::uint64_t>(flags.cache_gb.value_or(options.keep ? kCacheGb : 0) * 1e9);
  options.session.row_folder = chat::cache_folder() + "/pictures";
  options.settings.sampling = flags.sampling->apply(SamplingOptions::defaults(model->config().generation));
  options.settings.seed_given = flags.seed_given;
  options.settings.max_tokens = flags.max_tokens;
  options.settings.pictures = flags.pictures;
  options.settings.rotate = flags.image.rotate;
  options.settings.background = name_of(flags.image.background);
  options.settings.speculate = flags.speculate;
  options.settings.context_shift = flags.context_shift;
  Chat chat(model, options, console, signals);
  if (flags.latest && !chat.load_latest() && !terminal) return kFailed;
  if (!flags.load.empty() && !chat.load(flags.load)) return kFailed;
  if (!chat.attach(flags.images) && !terminal) return kFailed;
  const int code = terminal                ? talk(chat, console, signals, *model)
                   : flags.prompts.empty() ? read_lines(chat, signals, std::cin)
                                           : ask_prompts(chat, flags, signals);
  chat.keep_cache();
  return code;
}

}  // namespace

void add_chat_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("chat", "A conversation about pictures in the terminal");
  const auto flags = std::make_shared<ChatFlags>();
  add_model_flag(*command, flags->session);
  command
      ->add_option("image", flags->images,
                   "Pictures and videos for the first question: files, - for standard input, data URIs; a "
                   "folder is a clip")
      ->type_name("IMAGE");
  command
      ->add_option(
          "-p,--prompt", flags->prompts,
          "Ask this and leave; again for more. What standard input holds, a picture or text, belongs "
          "to the first")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command->add_option("--system", flags->system, "The system message")->type_name("TEXT");
  command->add_flag("--continue", flags->latest, "Go on with the latest session");
  command->add_option("--load", flags->load, "Go on with this session")->type_name("NAME");
  command->add_flag("--no-save", flags->keep_nothing, "Keep no session on disk");
  command
      ->add_option(
          "--disk-cache", flags->cache_gb,
          "Most GB on disk for what the model made of pictures, so that the same picture costs nothing "
          "in another session; 0: nothing is kept")
      ->check(CLI::Range(0.0, 1e6))
      ->default_str("2 where sessions are saved, else 0")
      ->type_name("GB");
  command->add_option("--max-tokens", flags->max_tokens, "Most tokens of an answer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->type_name("N");
  command
      ->add_option("--pictures", flags->pictures,
                   "How pictures are shown: auto, kitty, iterm, sixel, blocks, none")
      ->check(CLI::IsMember({"auto", "kitty", "iterm", "sixel", "blocks", "none"}))
      ->capture_default_str()
      ->type_name("WAY");
  command->add_flag("--json", flags->json, "Print one JSON object a line: pictures, answers, notes, errors");
  flags->sampling = std::make_unique<SamplingFlags>(*command);
  add_session_flags(*command, flags->session);
  add_clip_flags(*command, flags->clips);
  add_picture_flags(*command, flags->image);
  add_size_flags(*command, flags->sizes);
  add_speculate_flag(*command, flags->speculate);
  add_on_off_flag(
      *command, "--context-shift",
      "When turns leave a full context, what stays is not read again: nearly the same, and sooner",
      flags->context_shift);
  command->footer(
      "Examples:\n"
      "  tarsier chat -m model.gguf cat.jpg\n"
      "  tarsier chat -m model.gguf --continue\n"
      "  cat cat.jpg | tarsier chat -m model.gguf -p 'What is this?'\n"
      "  printf 'What is 2 + 2?\\nAnd twice that?\\n' | tarsier chat -m model.gguf --json\n"
      "\nCommands in the conversation:\n" +
      chat::help_text(100));
  command->callback([flags, command, &action] {
    flags->seed_given = command->get_option("--seed")->count() > 0;
    action = [flags] { return chat_main(*flags); };
  });
}

}  // namespace tarsier::cli
