#include "src/cli/common_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/formats.h"
#include "ggml-like-core/quant/kv_block.h"
#include "src/cli/terminal.h"
#include "src/input/picture_folder.h"
#include "src/input/picture_source.h"
#include "src/input/video_frames.h"

namespace tarsier::cli {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

PromptContext prompt_context(const Model& model, const ProcessorConfig& processor) {
  PromptContext context = model.loaded().prompt_context();
  if (context.processor != nullptr) context.processor = &processor;
  return context;
}

PromptOptions prompt_options(const Model& model, const PromptFlags& flags, const PixelWish& pixels) {
  const bool outer =
      flags.video_markers.empty() ? model.config().video_outer_markers : flags.video_markers == "outer";
  ClipOptions clips = flags.clips;  // what holds of a picture holds of each frame
  clips.frame_min_pixels = pixels.min_pixels;
  clips.frame_max_pixels = pixels.max_pixels;
  return {
      .video_outer_markers = outer, .special_tokens_in_text = flags.special_tokens_in_text, .clips = clips};
}

core::DType kv_type_named(const std::string& name) {
  if (name == "q8") return core::DType::q8_0;
  if (name == "q4") return core::DType::q4_0;
  const auto dtype = core::format_by_name(name);
  const bool known = dtype && (*dtype == core::DType::f32 || core::kv_codes(*dtype) != nullptr);
  core::require(known, "--kv-type: there is no type ", name, "; wanted one of f32, f16, bf16, q8, q4");
  return *dtype;
}

}  // namespace

void add_model_flag(CLI::App& app, SessionFlags& flags) {
  app.add_option("-m,--model", flags.model,
                 "The model: a GGUF file made by tarsier convert, or a text model's (qwen3vl, qwen3, llama)")
      ->required()
      ->type_name("FILE");
  add_mmproj_flag(app, flags);
}

void add_mmproj_flag(CLI::App& app, SessionFlags& flags) {
  app.add_option("--mmproj", flags.mmproj,
                 "The vision tower that belongs to a text model's file: the second file of llama.cpp's pairs")
      ->type_name("FILE");
}

std::shared_ptr<const Model> open_model(const SessionFlags& flags, Fetch fetch) {
  return Model::open(flags.model, flags.mmproj, fetch);
}

void add_session_flags(CLI::App& app, SessionFlags& flags) {
  app.add_option("--threads", flags.threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str()
      ->type_name("N")
      ->group("Machine");
  app.add_option("--context", flags.context,
                 "Tokens that fit; 0: 8192, or more where prompt and answer need it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->type_name("N")
      ->group("Machine");
  app.add_option("--kv-type", flags.kv_type,
                 "Type of the KV cache: f32; f16 or bf16 (both 16 bits in fixed point, nearer to f32 than "
                 "bf16); q8 (half the memory of f16); q4 (a quarter)")
      ->default_str("f16, q8 over 8192 tokens; f32 for a model stored in f32")
      ->type_name("TYPE")
      ->group("Machine");
}

void add_on_off_flag(CLI::App& app, const std::string& name, const char* meaning, bool& value) {
  app.add_option_function<std::string>(
         name, [&value](const std::string& given) { value = given == "on"; }, meaning)
      ->check(CLI::IsMember({"on", "off"}))
      ->default_str(value ? "on" : "off")
      ->type_name("on|off")
      ->group("Machine");
}

void add_speculate_flag(CLI::App& app, bool& speculate) {
  add_on_off_flag(
      app, "--speculate",
      "Read tokens that prompt and answer suggest together with the one before them: the same answer, "
      "sooner where text repeats",
      speculate);
}

SessionOptions session_options(const SessionFlags& flags, std::size_t expected) {
  SessionOptions options;
  options.expected = static_cast<int>(std::min<std::size_t>(expected, std::numeric_limits<int>::max()));
  options.threads = flags.threads;
  options.context = flags.context;
  if (!flags.kv_type.empty()) options.kv_type = kv_type_named(lower(flags.kv_type));
  return options;
}

void add_prompt_flags(CLI::App& app, PromptFlags& flags) {
  app.add_option("--video-markers", flags.video_markers,
                 "Around a clip: 'inner' marks only its frames (transformers 4.57), 'outer' the whole clip, "
                 "too (transformers 5)")
      ->check(CLI::IsMember({"inner", "outer"}))
      ->default_str("as the model file says")
      ->type_name("FORM")
      ->group("Prompt");
  app.add_flag("--special-tokens-in-text", flags.special_tokens_in_text,
               "Special tokens spelled out in the conversation, such as <|im_end|>, take effect")
      ->group("Prompt");
  add_picture_flags(app, flags.image);
  add_size_flags(app, flags.sizes);
  add_clip_flags(app, flags.clips);
}

void add_clip_flags(CLI::App& app, ClipOptions& clips) {
  const auto number = [&](const char* name, auto& to, const char* meaning, const char* otherwise,
                          const char* type) {
    using Value = typename std::remove_reference_t<decltype(to)>::value_type;
    app.add_option_function<Value>(
           name, [&to](const Value& given) { to = given; }, meaning)
        ->check(CLI::PositiveNumber)
        ->default_str(otherwise)
        ->type_name(type)
        ->group("Video");
  };
  number("--fps", clips.fps, "Frames to look at of each second of video", "the checkpoint's, usually 2", "N");
  number("--min-frames", clips.min_frames, "Frames to look at in all, at least",
         "the checkpoint's, usually 4", "N");
  number("--max-frames", clips.max_frames, "Frames to look at in all, at most; they are spread evenly",
         "the checkpoint's, usually 768", "N");
  number("--video-max-pixels", clips.max_pixels,
         "Pixels of all the frames together, after they are made smaller; less is faster", "the checkpoint's",
         "N");
  const auto moment = [&](const char* name, std::optional<double>& to, const char* meaning,
                          const char* otherwise) {
    app.add_option_function<std::string>(
           name,
           [&to, name](const std::string& given) {
             to = parse_seconds(given);
             if (!to) throw CLI::ValidationError(name, "found " + given + ", wanted seconds or MM:SS");
           },
           meaning)
        ->default_str(otherwise)
        ->type_name("TIME")
        ->group("Video");
  };
  moment("--start", clips.start, "Only from here on: seconds, or MM:SS", "the beginning");
  moment("--end", clips.end, "Only up to here: seconds, or MM:SS", "the end");
  number("--frame-rate", clips.frame_rate, "Frames a second of a clip that is a folder of pictures", "1",
         "N");
}

void add_picture_flags(CLI::App& app, ImageOptions& options) {
  app.add_flag_callback(
         "--no-rotate", [&options] { options.rotate = false; },
         "Pictures as they are stored: the EXIF orientation is not applied")
      ->group("Prompt");
  app.add_option_function<std::string>(
         "--background", [&options](const std::string& name) { options.background = background_named(name); },
         "What shows through transparent pixels: white, black, #rrggbb; none drops the alpha, as "
         "transformers does")
      ->default_str("none")
      ->type_name("COLOUR")
      ->group("Prompt");
}

CLI::Option* add_messages_flag(CLI::App& app, std::string& path) {
  return app
      .add_option("--messages", path,
                  "The whole conversation: a JSON file of messages in transformers' form, with pictures and "
                  "clips as paths "
                  "relative to it")
      ->type_name("FILE");
}

namespace {

// Says what was done to the picture, where anything was.
Image load_and_say(const std::string& source, const ImageOptions& options) {
  const std::string name = source_name(source);
  DecodedImage decoded = decode_with_facts(read_picture(source).bytes(), name, options);
  const std::string done = treatment(decoded.facts, options);
  if (!done.empty()) note(name + ": " + done);
  return std::move(decoded.image);
}

int n_media(const Conversation& conversation) {
  std::ptrdiff_t n = 0;
  for (const Message& message : conversation.messages)
    n += std::count_if(message.content.begin(), message.content.end(),
                       [](const ContentPart& part) { return part.kind != ContentPart::Kind::text; });
  return static_cast<int>(n);
}

// Makes pictures and clips, and says what --fit chose for them.
class Maker {
 public:
  Maker(const std::shared_ptr<const Model>& model, const PromptFlags& flags, const SessionOptions& session,
        int n_media)
      : sizes_(model, flags.sizes, session, n_media),
        processor_(model->config().processor),
        options_(prompt_options(*model, flags, sizes_.wish())),
        image_(flags.image) {
    processor_.threads = session.threads;
  }
  const ProcessorConfig& processor() const { return processor_; }
  const PromptOptions& options() const { return options_; }
  MediaMaker functions() {
    return {.image = [this](const ContentPart& part) { return image(part); },
            .clip = [this](const VideoPart& part) { return clip(part); }};
  }

 private:
  Media image(const ContentPart& part) {
    const Image image = load_and_say(part.image, image_);
    const auto chosen = sizes_.choose(source_name(part.image), Size{image.height, image.width}, part.pixels);
    say(chosen.said);
    ProcessorConfig processor = processor_;
    processor.image = chosen.limits;
    return image_media(processor, image);
  }
  Media clip(const VideoPart& part) {
    if (part.file.empty())
      return clip_media(processor_, part, options_.clips,
                        [this](const std::string& frame) { return load_image(frame, image_); });
    const ClipOptions options = part.options.over(options_.clips);
    const auto file = open_clip(part.file, options.frame_rate.value_or(kFolderFrameRate));
    const auto chosen = sizes_.choose(source_name(part.file), file->info(), options);
    say(chosen.said);
    return clip_media(processor_, file, chosen.options);
  }
  static void say(const std::string& plan) {
    if (!plan.empty()) note(plan);
  }

  PictureSizes sizes_;
  ProcessorConfig processor_;
  PromptOptions options_;
  ImageOptions image_;
};

}  // namespace

Prompt make_prompt(const std::shared_ptr<const Model>& model, const Conversation& conversation,
                   const PromptFlags& flags, const SessionOptions& session) {
  Maker maker(model, flags, session, n_media(conversation));
  return build_prompt(prompt_context(*model, maker.processor()), conversation, maker.options(), {},
                      maker.functions());
}

Prompt make_raw_prompt(const std::shared_ptr<const Model>& model, const std::string& text,
                       const std::vector<std::string>& images, const PromptFlags& flags,
                       const SessionOptions& session) {
  Maker maker(model, flags, session, static_cast<int>(images.size()));
  return build_raw_prompt(prompt_context(*model, maker.processor()), text, images, {}, maker.functions());
}

std::string read_standard_input() {
  std::string text;
  char part[65536];
  while (const std::size_t n = std::fread(part, 1, sizeof part, stdin)) text.append(part, n);
  core::require(std::ferror(stdin) == 0, "standard input: ", std::strerror(errno));
  return text;
}

}  // namespace tarsier::cli
