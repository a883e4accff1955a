// tarsier chat without its command line: what a question, an answer and each command do.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/chat/boxes.h"
#include "src/chat/commands.h"
#include "src/chat/dialogue.h"
#include "src/chat/prompter.h"
#include "src/chat/settings.h"
#include "src/chat/store.h"
#include "src/cli/chat_console.h"
#include "src/cli/chat_signals.h"
#include "src/cli/picture_plan.h"
#include "src/engine.h"
#include "src/run/encode_need.h"

namespace tarsier::cli {

struct ChatOptions {
  chat::Settings settings;  // at the start
  SessionOptions session;
  std::string system;
  ClipOptions clips;  // that attachments do not say themselves
  SizeFlags sizes;    // of pictures
  bool keep = true;   // sessions on disk
};

class Chat {
 public:
  Chat(std::shared_ptr<const Model> model, const ChatOptions& options, Console& console,
       const ChatSignals& signals);

  // A line that a person typed: a command, paths, a question. False: something failed, and was said.
  bool handle(const std::string& line);
  // To the next question. clip: of clips.
  bool attach(const std::vector<std::string>& paths, const ClipOptions& clip = {});
  void attach(chat::Attachment attachment);
  bool load(const std::string& name);
  bool load_latest();

  // Encodes the pictures that wait for a question while a person types it, until a question needs the model.
  // For every line to come.
  void encode_ahead();
  void stop_ahead() { session_.encode_ahead({}); }  // until other pictures wait

  // Writes the KV cache beside the session where that is wanted: before the session is left.
  void keep_cache();

  bool leaving() const { return leaving_; }
  bool interrupted() const { return interrupted_; }  // the last answer
  // What is to stand in the next line at first: words that could not be sent. Given once.
  std::string take_unsent() { return std::exchange(unsent_, {}); }
  const chat::Store& store() const { return store_; }
  const chat::Dialogue& dialogue() const { return dialogue_; }
  const chat::Settings& settings() const { return settings_; }
  ImageOptions image_options() const;  // of pictures to come, as the settings say

 private:
  bool ask(const std::string& text);
  bool ask(chat::Turn question);
  // Of the head, which is a question, whose prompt may be there already; or goes on with begun, whose parent
  // is the head.
  bool answer(const chat::Turn* begun = nullptr, std::optional<chat::Prompter::Result> made = std::nullopt);
  chat::Prompter::Result make_prompt(const chat::Turn* next);
  bool run(const chat::CommandLine& line);
  using Clock = std::chrono::steady_clock;
  void generate_all(Prompt& prompt, chat::ThinkingSplit& split, chat::Turn& turn);
  void after_answer(const chat::Turn& turn, const SessionStats& before);
  void show_attachment(const chat::Attachment& attachment);
  void remember_speed(const SessionStats& before);
  std::string picture_line(const chat::Attachment& attachment) const;
  void estimate_speed();
  double seconds_of(const chat::Prompter::Seen& seen) const;  // 0: not known
  void size(chat::Attachment& attachment);                    // how large it is seen; says what --fit chose

  // The commands that are longer than a line.
  void resolution(const std::string& arguments);
  void image(const std::string& arguments);
  void paste();
  void save_boxes(const std::string& path);
  bool show_boxes();
  bool regen();
  bool edit();
  void undo();
  bool go_on();
  void branch(const std::string& name);
  void back(const std::string& name);
  void clear();
  void system(const std::string& text);
  void set(const std::string& arguments);
  void think(const std::string& arguments);
  void context();
  void stats();
  void copy(const std::string& arguments);
  void save(const std::string& name);
  void sessions();
  void export_to(const std::string& path);

  void take_cache(const std::string& session);
  void open_session();  // where records go from now on
  void take_settings_of_dialogue();
  const chat::Turn& last_answer() const;         // Error: there is none
  const chat::Attachment* last_picture() const;  // that the conversation has; null: none
  std::string stats_line(const SessionStats& before) const;

  std::shared_ptr<const Model> model_;
  ChatOptions options_;
  Console& console_;
  const ChatSignals& signals_;
  Session session_;
  chat::Prompter prompter_;
  chat::Settings settings_;
  std::optional<PixelLimits> limits_;  // of pictures to come; nothing: as sizes_ says
  std::optional<PictureSizes> sizes_;
  chat::Store store_;
  chat::Dialogue dialogue_;
  std::unique_ptr<chat::SessionFile> file_;  // once something was said
  bool keeps_ = true;                        // false: sessions cannot be written, which was said
  std::string last_trouble_;                 // why a record waits
  std::vector<chat::Attachment> attached_;   // to the next question
  std::size_t attached_last_ = 0;            // from here on by the last line
  bool cache_changed_ = false;               // since it was written or read
  std::string ahead_;                        // what of these is being encoded, or was
  std::string unsent_;
  int dropped_ = 0;
  Clock::time_point asked_;           // when the running answer was asked for
  double seconds_per_patch_ = 0;      // measured; 0: not yet
  std::optional<EncodeSpeed> speed_;  // what is said until then
  double first_token_seconds_ = 0;    // of the last answer, from the question on
  bool leaving_ = false, interrupted_ = false;
};

}  // namespace tarsier::cli
