#include "src/cli/chat_app.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/output_file.h"
#include "src/chat/dropped.h"
#include "src/chat/picture.h"

namespace tarsier::cli {
namespace {

using chat::Attachment;
using chat::Role;
using chat::Turn;

constexpr int kReserveShare = 4;  // of the context one part is kept free for the answer
constexpr std::string_view kThinkEnd = "\n</think>\n\n";

std::string speeds_path(const chat::Store& store) { return store.folder() + "/speeds.json"; }

Json read_speeds(const chat::Store& store) {
  std::ifstream in(speeds_path(store));
  Json speeds = Json::parse(in, nullptr, false);
  return speeds.is_object() ? speeds : Json::object();
}

}  // namespace

Chat::Chat(std::shared_ptr<const Model> model, const ChatOptions& options, Console& console,
           const ChatSignals& signals)
    : model_(std::move(model)),
      options_(options),
      console_(console),
      signals_(signals),
      session_(model_, options.session),
      prompter_(model_, options.clips, options.session.threads),
      settings_(options.settings),
      store_(chat::state_folder()),
      keeps_(options.keep) {
  core::require(model_->loaded().template_kind == TemplateKind::instruct ||
                    model_->loaded().template_kind == TemplateKind::thinking,
                model_->path(),
                ": has no chat template that is known here; tarsier run completes text with it");
  console_.set_pictures(settings_.pictures);
  sizes_.emplace(model_, options_.sizes, options_.session);
  const Json speeds = read_speeds(store_);
  const auto known = speeds.find(model_->path());
  if (known != speeds.end() && known->is_number()) seconds_per_patch_ = known->get<double>();
  dialogue_.watch([this](const Json& record) {
    if (file_ == nullptr && !record.contains("turn")) return;  // what opens a session is a question
    open_session();
    if (file_ == nullptr) return;
    const std::string trouble = file_->append(record);
    if (!trouble.empty() && trouble != last_trouble_)
      console_.error(fmt::format("session {} cannot be written: {}. {} records wait and are tried again",
                                 file_->name(), trouble, file_->waiting()));
    if (trouble.empty() && !last_trouble_.empty())
      console_.note("session " + file_->name() + " is written again");
    last_trouble_ = trouble;
  });
  if (!options_.system.empty()) dialogue_.set_system(options_.system);
}

void Chat::open_session() {
  if (file_ != nullptr || !keeps_) return;
  try {
    file_ = store_.create(store_.fresh_name(), model_->path());
    // What came before the first question.
    if (!dialogue_.system().empty()) file_->append({{"system", dialogue_.system()}});
    for (const auto& [name, value] : dialogue_.settings()) file_->append({{"set", name}, {"value", value}});
  } catch (const core::Error& e) {
    keeps_ = false;
    console_.note(fmt::format("this session is not kept: {}", e.what()));
  }
}

bool Chat::handle(const std::string& line) {
  interrupted_ = false;
  try {
    if (const auto command = chat::parse_command(line)) return run(*command);
    core::require(!chat::is_unknown_command(line), "there is no command ", line.substr(0, line.find(' ')),
                  "; /help lists them");
    return ask(line);
  } catch (const core::Error& e) {
    console_.error(e.what());
    return false;
  }
}

std::string Chat::picture_line(const Attachment& a) const {
  const chat::Prompter::Seen seen = prompter_.seen(a);
  const chat::Picture& first = a.pictures.front();
  std::string line = fmt::format("{} {}x{}", a.name, first.width, first.height);
  if (a.clip) line += fmt::format(", {} frames, {:g} a second", a.pictures.size(), a.fps);
  if (a.video && a.video->file != nullptr) {
    const VideoInfo& info = a.video->file->info();
    line += fmt::format(", {}, {} frames, {:.1f} s, {} looked at", info.codec, info.frames, info.seconds,
                        seen.frames);
  }
  if (!first.treatment.empty()) line += ", " + first.treatment;
  line += fmt::format(" -> {}x{}, {} tokens", seen.size.width, seen.size.height, seen.tokens);
  if (const double seconds = seconds_of(seen); seconds > 0) line += ", " + about_text(seconds);
  return line;
}

double Chat::seconds_of(const chat::Prompter::Seen& seen) const {
  if (!speed_) return seconds_per_patch_ * static_cast<double>(seen.patches);
  const int side = model_->config().processor.patch_size;
  const std::int64_t segment = std::int64_t{seen.size.height / side} * (seen.size.width / side);
  return encode_seconds(model_->loaded(), *speed_, seen.patches,
                        seen.patches / std::max<std::int64_t>(segment, 1));
}

// Of the first picture that this model encodes here nobody knows how long it takes: one block of its tower is
// tried, in less than a second.
void Chat::estimate_speed() {
  if (speed_ || seconds_per_patch_ > 0 || console_.mode() != Console::Mode::terminal) return;
  Runner runner(options_.session.threads, options_.session.isa);
  speed_ = measure_encode_speed(model_->loaded(), runner);
}

void Chat::show_attachment(const Attachment& a) {
  const chat::Prompter::Seen seen = prompter_.seen(a);
  console_.show(pixels_of(a.pictures.front()));
  if (console_.mode() == Console::Mode::json)
    console_.event("picture", {{"name", a.name},
                               {"width", a.pictures.front().width},
                               {"height", a.pictures.front().height},
                               {"frames", a.video ? seen.frames : static_cast<int>(a.pictures.size())},
                               {"seen", {seen.size.width, seen.size.height}},
                               {"tokens", seen.tokens}});
  else
    console_.note(picture_line(a));
}

void Chat::size(Attachment& a) {
  a.limits = limits_;
  if (a.video) a.video->options.max_pixels.reset();
  if (limits_ || a.clip || options_.sizes == SizeFlags{}) return;
  if (options_.sizes.fits()) stop_ahead();  // nothing else computes while speed is measured
  std::string said;
  if (!a.video) {
    const chat::Picture& picture = a.pictures.front();
    const auto choice = sizes_->choose(a.name, Size{picture.height, picture.width});
    a.limits = choice.limits;
    said = choice.said;
  } else if (a.video->file != nullptr && options_.sizes.fits()) {
    const auto choice = sizes_->choose(a.name, a.video->file->info(), a.video->options.over(options_.clips));
    a.video->options.max_pixels = choice.options.max_pixels;
    said = choice.said;
  }
  if (!said.empty()) console_.note(said);
}

void Chat::attach(Attachment a) {
  core::require(prompter_.reads_pictures(), "this model reads text only");
  size(a);
  estimate_speed();
  show_attachment(a);
  if (keeps_) {
    try {
      for (const chat::Picture& picture : a.pictures) store_.put(picture);
    } catch (const core::Error& e) {
      console_.note(fmt::format("{} is not kept with the session: {}", a.name, e.what()));
    }
  }
  attached_last_ = attached_.size();
  attached_.push_back(std::move(a));
}

bool Chat::attach(const std::vector<std::string>& paths, const ClipOptions& clip) {
  bool all = true;
  const std::size_t first = attached_.size();
  for (const std::string& path : paths) {
    try {
      attach(chat::attach_file(path, clip, image_options()));
    } catch (const core::Error& e) {
      console_.error(e.what());
      all = false;
    }
  }
  if (attached_.size() > first) attached_last_ = first;
  return all;
}

ImageOptions Chat::image_options() const {
  return {.rotate = settings_.rotate, .background = background_named(settings_.background)};
}

void Chat::encode_ahead() {
  std::string now;
  for (const Attachment& a : attached_) {
    const PixelLimits limits = prompter_.limits(a);
    now += fmt::format("{} {} {} {}\n", a.clip, a.fps, limits.min_pixels, limits.max_pixels);
    for (const chat::Picture& picture : a.pictures)
      now += fmt::format("{} {} {} ", picture.sha256, picture.options.rotate,
                         name_of(picture.options.background));
    if (a.video) now += fmt::format("{} {}", a.video->hash, prompter_.seen(a).frames);
  }
  if (now == ahead_) return;
  ahead_ = now;
  try {
    session_.encode_ahead(prompter_.media_of(attached_));
  } catch (const std::exception&) {
    stop_ahead();  // the question says what is wrong
  }
}

bool Chat::ask(const std::string& line) {
  chat::Dropped dropped = chat::take_paths(line);
  if (!attach(dropped.paths)) {
    unsent_ = dropped.text;  // the pictures that could be read stay attached
    return false;
  }
  if (dropped.text.empty()) return true;  // pictures alone wait for a question
  return ask(Turn{.role = Role::user, .text = std::move(dropped.text), .attached = attached_});
}

chat::Prompter::Result Chat::make_prompt(const Turn* next) {
  const int room = session_.context();
  return prompter_.make(dialogue_, next, room, std::min(settings_.max_tokens, room / kReserveShare));
}

bool Chat::ask(Turn question) {
  asked_ = Clock::now();
  std::optional<chat::Prompter::Result> made;
  try {
    made = make_prompt(&question);  // whether it fits is told before anything changes
  } catch (const core::Error&) {
    unsent_ = question.text;
    throw;
  }
  attached_.clear();
  dialogue_.add(std::move(question));
  return answer(nullptr, std::move(made));
}

void Chat::generate_all(Prompt& prompt, chat::ThinkingSplit& split, Turn& turn) {
  const int room = session_.context();
  chat::LoopWatch loop;
  int thinking_tokens = 0;
  bool over_budget = false;
  const auto show = [&](const std::vector<chat::ThinkingSplit::Part>& parts) {
    for (const auto& part : parts) {
      (part.thinking ? turn.thinking : turn.text) += part.text;
      console_.piece(part);
    }
  };
  GenerateOptions options;
  options.sampling = settings_.sampling;
  options.speculate = settings_.speculate;
  if (!settings_.seed_given) options.sampling->seed = std::random_device{}();
  options.enough = [&](int id) {
    if (first_token_seconds_ == 0)
      first_token_seconds_ = std::chrono::duration<double>(Clock::now() - asked_).count();
    if (split.thinking()) ++thinking_tokens;
    over_budget = settings_.think_budget > 0 && split.thinking() && thinking_tokens >= settings_.think_budget;
    const bool loops = settings_.loops && loop.push(id);
    if (loops) turn.finish = "loop";
    return over_budget || loops;
  };
  const auto go = [&] {
    options.max_tokens = std::max(1, std::min(settings_.max_tokens - static_cast<int>(turn.ids.size()),
                                              room - static_cast<int>(prompt.ids.size())));
    GenerateResult result =
        generate(session_, prompt, options, [&](std::string_view piece) { show(split.push(piece)); },
                 {.progress = console_.progress(), .cancel = signals_.cancel()});
    if (result.finish == FinishReason::stop) result.ids.pop_back();  // the end of the turn
    turn.ids.insert(turn.ids.end(), result.ids.begin(), result.ids.end());
    return result;
  };
  console_.begin_answer(settings_);
  GenerateResult result = go();
  if (over_budget && !*signals_.cancel()) {
    std::vector<int> more = result.ids;
    const std::vector<int> end = model_->tokenizer().encode(kThinkEnd, true);
    more.insert(more.end(), end.begin(), end.end());
    turn.ids.insert(turn.ids.end(), end.begin(), end.end());
    chat::append_answer(prompt, more);
    show(split.push(kThinkEnd));
    if (static_cast<int>(prompt.ids.size()) < room) result = go();
  }
  show(split.finish());
  if (turn.finish.empty()) turn.finish = name_of(result.finish);
  console_.end_answer(thinking_tokens);
}

bool Chat::answer(const Turn* begun, std::optional<chat::Prompter::Result> ready) {
  const ChatSignals::Answering answering(console_.mode() == Console::Mode::terminal);
  if (!ready) asked_ = Clock::now();
  const int room = session_.context();
  chat::Prompter::Result made = ready ? std::move(*ready) : make_prompt(nullptr);
  first_token_seconds_ = 0;
  if (made.dropped > dropped_)
    console_.note(fmt::format("the context is full: the first {} turns stay out of it, and in the session",
                              made.dropped));
  if (!settings_.context_shift)
    session_.timeline().forget_shifted();
  else if (made.dropped > dropped_)
    session_.timeline().shift(made.prompt);
  dropped_ = made.dropped;
  chat::ThinkingSplit split(prompter_.opens_thinking());
  Turn turn{.role = Role::assistant};
  if (begun != nullptr) {
    chat::append_answer(made.prompt, begun->ids);
    core::require(static_cast<int>(made.prompt.ids.size()) < room, "the context of ", room,
                  " tokens is full");
    turn.ids = begun->ids;
    for (const auto& part : split.push(model_->tokenizer().decode(begun->ids, true)))
      (part.thinking ? turn.thinking : turn.text) += part.text;
  }
  const SessionStats before = session_.stats();
  cache_changed_ = true;
  ahead_.clear();  // what the answer does not need is stopped
  generate_all(made.prompt, split, turn);
  interrupted_ = *signals_.cancel();
  after_answer(turn, before);
  return !interrupted_;
}

void Chat::after_answer(const Turn& answered, const SessionStats& before) {
  Turn turn = answered;
  const SessionStats& s = session_.stats();
  turn.stats = {{"first_token_seconds", first_token_seconds_},
                {"images", s.images - before.images},
                {"clips", s.clips - before.clips},
                {"images_from_disk", s.images_from_disk - before.images_from_disk},
                {"image_seconds", s.image_seconds - before.image_seconds},
                {"encoding_seconds", s.encoding_seconds - before.encoding_seconds},
                {"prompt_tokens", s.prompt_tokens - before.prompt_tokens},
                {"prompt_seconds", s.prompt_seconds - before.prompt_seconds},
                {"reused_tokens", s.reused_tokens - before.reused_tokens},
                {"decoded_tokens", s.decoded_tokens - before.decoded_tokens},
                {"decode_seconds", s.decode_seconds - before.decode_seconds},
                {"proposed_tokens", s.proposed_tokens - before.proposed_tokens},
                {"accepted_tokens", s.accepted_tokens - before.accepted_tokens},
                {"context_used", session_.length()},
                {"context", session_.context()}};
  remember_speed(before);
  // What was stopped before its first word leaves the question without an answer: /regen gives one.
  const bool said = !turn.text.empty() || !turn.thinking.empty() || turn.finish != "cancelled";
  if (console_.mode() == Console::Mode::json)
    console_.event(
        "answer",
        {{"text", turn.text}, {"thinking", turn.thinking}, {"finish", turn.finish}, {"stats", turn.stats}});
  if (said) {
    const bool loop = turn.finish == "loop";
    const bool cut = turn.finish == "length";
    dialogue_.add(std::move(turn));
    if (loop) console_.note("stopped: the answer only repeats itself (/continue goes on, /set loops off)");
    if (cut) console_.note("cut off: no more tokens allowed (/continue goes on)");
    if (interrupted_) console_.note("stopped (/continue goes on)");
    if (console_.mode() == Console::Mode::terminal) show_boxes();
  } else if (interrupted_) {
    console_.note("stopped before the answer began (/regen answers)");
  }
  if (said && console_.mode() != Console::Mode::json) console_.note(stats_line(before));
}

std::string Chat::stats_line(const SessionStats& before) const {
  const SessionStats& s = session_.stats();
  std::string line;
  if (const int found = s.images_from_disk - before.images_from_disk; found > 0)
    line += fmt::format("{} image{} from disk · ", found, found == 1 ? "" : "s");
  if (const std::string media = media_text(s.images - before.images, s.clips - before.clips);
      !media.empty()) {
    const double spent = s.encoding_seconds - before.encoding_seconds;
    const double waited = s.image_seconds - before.image_seconds;
    line += fmt::format("{} {:.0f} ms", media, std::max(spent, waited) * 1000);
    if (waited < spent) line += fmt::format(", {:.0f} ms of it waited for", waited * 1000);
    line += " · ";
  }
  const int prompt = s.prompt_tokens - before.prompt_tokens;
  const int decoded = s.decoded_tokens - before.decoded_tokens;
  return line +
         fmt::format(
             "prompt {} new, {} kept, {:.1f} tok/s · answer {} tokens, {:.1f} tok/s{} · context {} of {}",
             prompt, s.reused_tokens - before.reused_tokens,
             tokens_per_second(prompt, s.prompt_seconds - before.prompt_seconds), decoded,
             tokens_per_second(decoded, s.decode_seconds - before.decode_seconds),
             guesses_text(s.proposed_tokens - before.proposed_tokens,
                          s.accepted_tokens - before.accepted_tokens),
             session_.length(), session_.context());
}

void Chat::remember_speed(const SessionStats& before) {
  const SessionStats& s = session_.stats();
  const Turn* question = dialogue_.last(Role::user);
  if (question == nullptr ||
      s.images + s.clips - before.images - before.clips != static_cast<int>(question->attached.size()))
    return;
  double patches = 0;
  for (const Attachment& a : question->attached) patches += static_cast<double>(prompter_.seen(a).patches);
  if (patches == 0) return;
  seconds_per_patch_ = (s.encoding_seconds - before.encoding_seconds) / patches;
  speed_.reset();
  if (!keeps_) return;
  try {
    Json speeds = read_speeds(store_);
    speeds[model_->path()] = seconds_per_patch_;
    const std::string text = speeds.dump(1) + "\n";
    std::filesystem::create_directories(store_.folder());
    core::OutputFile out(speeds_path(store_));
    out.append(std::as_bytes(std::span(text)));
    out.commit();
  } catch (const std::exception&) {
    // An estimate less: nothing to trouble anybody with.
  }
}

void Chat::keep_cache() {
  if (!settings_.keep_cache || !cache_changed_ || file_ == nullptr || session_.length() == 0) return;
  cache_changed_ = false;
  try {
    const std::uint64_t bytes = session_.timeline().save(store_.cache_path(file_->name()));
    console_.note(fmt::format("the cache of {} tokens is kept with the session: {}", session_.length(),
                              bytes_text(static_cast<double>(bytes))));
  } catch (const core::Error& e) {
    console_.note(fmt::format("the cache is not kept: {}", e.what()));
  }
}

void Chat::take_cache(const std::string& session) {
  const std::string path = store_.cache_path(session);
  cache_changed_ = true;
  if (!std::filesystem::exists(path)) return;
  try {
    session_.timeline().restore(path);
    cache_changed_ = false;
  } catch (const core::Error& e) {
    console_.note(fmt::format("the conversation is read again: {}", e.what()));
  }
}

bool Chat::load(const std::string& name) {
  try {
    core::require(keeps_, "sessions are not kept here");
    keep_cache();
    chat::LoadedSession loaded = store_.load(name);
    for (const std::string& notice : loaded.notices) console_.error(notice);
    file_ = std::move(loaded.file);
    loaded.dialogue.watch({});
    const chat::RecordSink sink = dialogue_.sink();
    dialogue_ = std::move(loaded.dialogue);
    dialogue_.watch(sink);
    take_settings_of_dialogue();
    take_cache(name);
    dropped_ = 0;
    const Turn* question = dialogue_.last(Role::user);
    console_.note(fmt::format("session {}: {} turns{}", name, dialogue_.path().size(),
                              question == nullptr ? "" : ", the last question was: " + question->text));
    return true;
  } catch (const core::Error& e) {
    console_.error(e.what());
    return false;
  }
}

bool Chat::load_latest() {
  const auto name = store_.latest();
  if (name) return load(*name);
  console_.error("there is no session to continue");
  return false;
}

void Chat::take_settings_of_dialogue() {
  settings_ = options_.settings;
  for (const auto& [name, value] : dialogue_.settings()) {
    try {
      change_setting(settings_, options_.settings, name, value);
    } catch (const core::Error& e) {
      console_.note(fmt::format("a setting of the session is left out: {}", e.what()));
    }
  }
  console_.set_pictures(settings_.pictures);
}

const Turn& Chat::last_answer() const {
  const Turn* turn = dialogue_.last(Role::assistant);
  core::require(turn != nullptr, "there is no answer yet");
  return *turn;
}

const Attachment* Chat::last_picture() const {
  const std::vector<const Turn*> path = dialogue_.path();
  for (std::size_t i = path.size(); i-- > 0;)
    for (std::size_t a = path[i]->attached.size(); a-- > 0;)
      if (path[i]->attached[a].pictures.front().bytes != nullptr) return &path[i]->attached[a];
  return nullptr;
}

}  // namespace tarsier::cli
