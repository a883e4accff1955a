// tarsier run: one answer to one prompt. The answer goes to standard output as it comes, everything else to
// standard error.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/system_memory.h"
#include "src/cli/answer_boxes.h"
#include "src/cli/commands.h"
#include "src/cli/common_flags.h"
#include "src/cli/sampling_flags.h"
#include "src/cli/terminal.h"
#include "src/engine.h"

namespace tarsier::cli {
namespace {

struct RunFlags {
  SessionFlags session;
  PromptFlags prompt_form;
  std::unique_ptr<SamplingFlags> sampling;
  std::vector<std::string> images, videos;
  std::vector<ContentPart> media;  // both, in the order given
  std::string system, prompt, messages;
  BoxesFlags boxes;
  std::vector<std::string> stop;
  int max_tokens = 1024;
  bool speculate = true;
  bool prompt_given = false;
  bool json = false;
  bool raw = false;
};

std::string prompt_text(const RunFlags& flags) {
  if (flags.prompt_given && flags.prompt != "-") return flags.prompt;
  core::require(flags.prompt_given || !stdin_is_terminal(),
                "there is no prompt: give --prompt, --messages, or text on standard input");
  std::string text = read_standard_input();
  if (!flags.raw && text.ends_with('\n')) text.pop_back();
  return text;
}

Prompt the_prompt(const std::shared_ptr<const Model>& model, const RunFlags& flags) {
  const SessionOptions session = session_options(flags.session);
  if (!flags.messages.empty())
    return make_prompt(model, read_conversation(flags.messages), flags.prompt_form, session);
  const std::string text = prompt_text(flags);
  core::require(!text.empty() || !flags.media.empty(), "the prompt is empty");
  const bool completes = model->config().chat_template.empty();  // such a model goes on with the text
  core::require(!completes || flags.system.empty(), "--system: the model has no chat template to put it in");
  core::require(!completes || flags.videos.empty(), "--video: the model has no chat template to put it in");
  if (flags.raw || completes) return make_raw_prompt(model, text, flags.images, flags.prompt_form, session);
  return make_prompt(model, question_about(flags.media, text, flags.system), flags.prompt_form, session);
}

std::string stats_line(const Session& session, FinishReason finish) {
  const SessionStats& s = session.stats();
  std::string line;
  if (s.images + s.clips > 0)
    line += fmt::format("{} {:.0f} ms · ", media_text(s.images, s.clips), s.image_seconds * 1000);
  line +=
      fmt::format("prompt {} tokens, {:.1f} tok/s · answer {} tokens, {:.1f} tok/s{} · context {} of {}",
                  s.prompt_tokens, tokens_per_second(s.prompt_tokens, s.prompt_seconds), s.decoded_tokens,
                  tokens_per_second(s.decoded_tokens, s.decode_seconds),
                  guesses_text(s.proposed_tokens, s.accepted_tokens), session.length(), session.context());
  const core::ProcessMemory memory = core::process_memory();
  line +=
      fmt::format(" · memory {} MB, and {} MB of the file", memory.own / 1'000'000, memory.files / 1'000'000);
  if (finish == FinishReason::length) line += " · cut off: no more tokens allowed";
  if (finish == FinishReason::cancelled) line += " · interrupted";
  return line;
}

nlohmann::json stats_json(const Session& session) {
  const SessionStats& s = session.stats();
  const core::ProcessMemory memory = core::process_memory();
  return {{"images", s.images},
          {"clips", s.clips},
          {"image_seconds", s.image_seconds},
          {"prompt_tokens", s.prompt_tokens},
          {"prompt_seconds", s.prompt_seconds},
          {"prompt_tokens_per_second", tokens_per_second(s.prompt_tokens, s.prompt_seconds)},
          {"reused_tokens", s.reused_tokens},
          {"decoded_tokens", s.decoded_tokens},
          {"decode_seconds", s.decode_seconds},
          {"decode_tokens_per_second", tokens_per_second(s.decoded_tokens, s.decode_seconds)},
          {"proposed_tokens", s.proposed_tokens},
          {"accepted_tokens", s.accepted_tokens},
          {"context_used", session.length()},
          {"context", session.context()},
          {"memory_bytes", memory.own},
          {"file_memory_bytes", memory.files},
          {"peak_memory_bytes", memory.peak}};
}

std::vector<ContentPart> media_in_order(const CLI::App& command, const RunFlags& flags) {
  std::vector<ContentPart> media;
  auto image = flags.images.begin();
  auto video = flags.videos.begin();
  for (const CLI::Option* option : command.parse_order()) {
    if (option->check_name("--image")) media.push_back({.kind = ContentPart::Kind::image, .image = *image++});
    if (option->check_name("--video"))
      media.push_back({.kind = ContentPart::Kind::video, .video = {.file = *video++}});
  }
  return media;
}

void check_usage(const RunFlags& flags) {
  const auto refuse = [](bool wrong, const char* flag, const char* why) {
    if (wrong) throw CLI::ValidationError(flag, why);
  };
  const bool other_prompt = !flags.media.empty() || flags.prompt_given || !flags.system.empty() || flags.raw;
  refuse(
      !flags.messages.empty() && other_prompt, "--messages",
      "holds the whole conversation: it does not go together with --image, --video, --prompt, --system and "
      "--raw");
  refuse(flags.raw && !flags.videos.empty(), "--raw",
         "takes the prompt as it is: it does not go together with --video");
  refuse(flags.raw && !flags.system.empty(), "--raw",
         "takes the prompt as it is: it does not go together with --system");
  const auto piped = std::count(flags.images.begin(), flags.images.end(), "-");
  const bool piped_prompt = flags.messages.empty() && (!flags.prompt_given || flags.prompt == "-");
  refuse(piped + (piped_prompt ? 1 : 0) > 1 && piped > 0, "--image",
         "- is standard input, which can be read once: give one picture so, and the question with --prompt");
  const bool draws = !flags.boxes.files().empty();
  refuse(draws && flags.media.size() != 1, "--boxes", "wants exactly one --image or --video to draw on");
  refuse(draws && piped > 0, "--boxes", "wants a picture that can be read again to draw on, not -");
}

int run(const RunFlags& flags) {
  ProgressBar bar;
  const bool pictures = !flags.media.empty() || !flags.messages.empty();
  const auto model = open_model(flags.session, pictures ? Fetch::pictures : Fetch::text);
  GenerateOptions options;
  SamplingOptions defaults = SamplingOptions::defaults(model->config().generation);
  defaults.seed = std::random_device{}();
  options.sampling = flags.sampling->apply(defaults);
  options.max_tokens = flags.max_tokens;
  options.stop = flags.stop;
  options.speculate = flags.speculate;
  const Prompt prompt = the_prompt(model, flags);
  const std::atomic<bool>* cancel = cancel_on_interrupt();  // up to here an interrupt simply ends the program
  Session session(
      model, session_options(flags.session, prompt.ids.size() + static_cast<std::size_t>(flags.max_tokens)));

  const bool one_object = flags.json || flags.boxes.json();
  const PieceCallback stream = [](std::string_view piece) { print(piece); };
  const GenerateResult result = generate(session, prompt, options, one_object ? PieceCallback{} : stream,
                                         {.progress = &bar, .cancel = cancel});
  if (!one_object) print("\n");
  const chat::Grounding found =
      flags.boxes.to.empty() ? chat::Grounding{} : chat::parse_grounding(result.text);
  if (result.finish != FinishReason::cancelled)
    for (const std::string& path : flags.boxes.files()) {
      if (flags.images.empty())
        draw_boxes(found, prompt.videos.front(), path);
      else
        draw_boxes(found, flags.images.front(), flags.prompt_form.image, path);
    }
  if (one_object) {
    nlohmann::ordered_json out = {{"text", result.text}};
    if (flags.json)
      out.update({{"ids", result.ids},
                  {"finish", name_of(result.finish)},
                  {"seed", options.sampling->seed},
                  {"stats", stats_json(session)}});
    if (!flags.boxes.to.empty()) out.update(boxes_json(found, prompt));
    print(out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  if (!flags.json) note(stats_line(session, result.finish));
  return result.finish == FinishReason::cancelled ? kInterrupted : kOk;
}

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("run", "Answers one prompt about pictures, a video, or nothing but text");
  const auto flags = std::make_shared<RunFlags>();
  add_model_flag(*command, flags->session);
  command
      ->add_option("--image", flags->images,
                   "A picture: a file, - for standard input, or a data URI; again for more")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--video", flags->videos,
                   "A video file, or a folder of pictures that are its frames; again for more. Pictures and "
                   "videos stand in the prompt in the order given")
      ->type_name("FILE|FOLDER")
      ->allow_extra_args(false);
  CLI::Option* prompt = command->add_option("--prompt", flags->prompt, "The question; - reads standard input")
                            ->default_str("standard input, unless that is a terminal")
                            ->type_name("TEXT");
  command->add_option("--system", flags->system, "The system message")->type_name("TEXT");
  add_messages_flag(*command, flags->messages);
  command->add_option("--max-tokens", flags->max_tokens, "Most tokens of the answer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--stop", flags->stop, "Text that ends the answer; again for more")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command->add_flag("--json", flags->json,
                    "Print one JSON object (text, ids, finish, stats) when the answer is whole");
  command->add_flag("--raw", flags->raw,
                    "No chat template: the prompt as it is, with a <|image_pad|> for each picture");
  add_boxes_flag(*command, flags->boxes);
  flags->sampling = std::make_unique<SamplingFlags>(*command);
  add_prompt_flags(*command, flags->prompt_form);
  add_session_flags(*command, flags->session);
  add_speculate_flag(*command, flags->speculate);
  command->footer(
      "Examples:\n"
      "  tarsier run -m model.gguf --image cat.jpg --prompt 'What is this?'\n"
      "  tarsier run -m model.gguf --image a.png --image b.png --prompt 'What changed?' --temperature 0\n"
      "  tarsier run -m model.gguf --video walk.mp4 --start 0:30 --end 1:00 --prompt 'What happens?'\n"
      "  tarsier run -m model.gguf --image page.tiff --fit-seconds 20 --prompt 'Read it to me.'\n"
      "  tarsier run -m model.gguf --image street.jpg --prompt 'Locate every car.' --boxes boxes.png\n"
      "  tarsier run -m model.gguf --messages conversation.json --json\n"
      "  echo 'Tell me a joke.' | tarsier run -m model.gguf\n"
      "\nCtrl-C ends the answer and keeps what is printed; a second one leaves at once.");
  command->callback([flags, command, prompt, &action] {
    flags->prompt_given = prompt->count() > 0;
    flags->media = media_in_order(*command, *flags);
    check_usage(*flags);
    action = [flags] { return run(*flags); };
  });
}

}  // namespace tarsier::cli
