// A conversation as a tree of turns: nothing that was said is lost, every command only moves the place (the
// head) where it goes on. All changes are records; the session file is the list of them
// (session-spec.md).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "src/chat/picture.h"
#include "src/input/conversation.h"

namespace tarsier::chat {

enum class Role { user, assistant };

// NOLINTNEXTLINE(bugprone-exception-escape): of the JSON library, which aborts and never throws there
struct Turn {
  int id = 0;      // from 1 on
  int parent = 0;  // 0: it begins the conversation
  Role role = Role::user;
  std::string text;
  std::string thinking;              // of an answer of a Thinking model
  std::vector<Attachment> attached;  // of a question
  std::vector<int> ids;              // of an answer: the tokens sampled, without the end of the turn
  std::string finish;                // of an answer: stop, length, cancelled, loop
  Json stats;                        // of an answer, for people
};

// Where the pictures of a record come from: their bytes, or nothing.
using PictureSource = std::function<std::shared_ptr<const Bytes>(const std::string& sha256)>;
using RecordSink = std::function<void(const Json& record)>;

class Dialogue {
 public:
  // Every change from now on is also handed to sink.
  void watch(RecordSink sink) { sink_ = std::move(sink); }
  const RecordSink& sink() const { return sink_; }

  const std::string& system() const { return system_; }
  const std::map<std::string, std::string>& settings() const { return settings_; }
  const std::map<std::string, int>& marks() const { return marks_; }
  const std::deque<Turn>& turns() const { return turns_; }  // in the order in which they were said
  int head() const { return head_; }
  const Turn& turn(int id) const { return turns_.at(static_cast<std::size_t>(id) - 1); }
  // From the first turn to the head.
  std::vector<const Turn*> path() const;
  // The last turn of this role on the path; nullptr: there is none.
  const Turn* last(Role role) const;

  // Behind the head, which moves to it. Its id and parent are given here.
  const Turn& add(Turn turn);
  void move_head(int id);  // 0: before the first turn
  void set_system(std::string text);
  void set(const std::string& name, const std::string& value);  // value empty: as it was at the start
  void mark(const std::string& name, int turn);
  void unmark(const std::string& name);

  // One record of a file. Error: it does not fit what was there before. A picture without bytes stays, with
  // none.
  void apply(const Json& record, const PictureSource& pictures);
  // The records that make this dialogue.
  std::vector<Json> records() const;

 private:
  void put(Turn turn);
  void keep_setting(const std::string& name, const std::string& value);
  void tell(const Json& record) const {
    if (sink_) sink_(record);
  }

  RecordSink sink_;
  std::string system_;
  std::map<std::string, std::string> settings_;
  std::map<std::string, int> marks_;
  std::deque<Turn> turns_;  // references to turns stay valid
  int head_ = 0;
};

}  // namespace tarsier::chat
