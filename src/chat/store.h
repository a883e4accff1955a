// Where sessions lie on disk: NAME.jsonl, one record a line, only ever appended; pictures once each, under
// the hash of their bytes. session-spec.md describes the format.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/chat/dialogue.h"
#include "src/chat/picture.h"

namespace tarsier::chat {

constexpr int kSessionVersion = 1;

// $XDG_STATE_HOME/tarsier, else ~/.local/state/tarsier.
std::string state_folder();
// $XDG_CACHE_HOME/tarsier, else ~/.cache/tarsier: what may be thrown away.
std::string cache_folder();

struct SessionInfo {
  std::string name;
  std::int64_t modified = 0;  // seconds since 1970
  int questions = 0;
  std::string first_question;
};

// One open session file. What cannot be written (a full disk) waits and is written before the next record.
class SessionFile {
 public:
  ~SessionFile();
  SessionFile(const SessionFile&) = delete;
  SessionFile& operator=(const SessionFile&) = delete;

  const std::string& name() const { return name_; }
  // Writes record and what waits through to the disk. "" or why it cannot.
  std::string append(const Json& record);
  std::size_t waiting() const { return waiting_.size(); }

 private:
  friend class Store;
  SessionFile(std::string name, int fd, std::uint64_t size) : name_(std::move(name)), fd_(fd), size_(size) {}

  std::string name_;
  int fd_;
  std::uint64_t size_;  // of whole records
  std::vector<std::string> waiting_;
};

struct LoadedSession {
  Dialogue dialogue;
  std::unique_ptr<SessionFile> file;
  std::vector<std::string> notices;  // damage, pictures that are gone
};

class Store {
 public:
  // folder is made when the first file is written.
  explicit Store(std::string folder) : folder_(std::move(folder)) {}
  const std::string& folder() const { return folder_; }

  // A new session of this name, locked. Errors: the name is taken or cannot be one; the folder cannot be
  // written.
  std::unique_ptr<SessionFile> create(const std::string& name, const std::string& model) const;
  // Opens and locks. What stands behind damage is moved to NAME.jsonl.damaged-N and a notice says so. Errors:
  // not there; a later version; open in another window.
  LoadedSession load(const std::string& name) const;
  // Gives the open session another name. Error: taken.
  void rename(SessionFile& file, const std::string& name) const;
  // Where the KV cache of a session lies, if it is kept.
  std::string cache_path(const std::string& name) const;

  std::vector<SessionInfo> sessions() const;  // latest first
  std::optional<std::string> latest() const;
  // "2026-11-21-171843", with -2, -3 ... where that is taken.
  std::string fresh_name() const;

  // Keeps the bytes of a picture. Error: as OutputFile.
  void put(const Picture& picture) const;
  std::shared_ptr<const Bytes> picture(const std::string& sha256) const;  // nullptr: not there, or changed

 private:
  std::string session_path(const std::string& name) const;
  std::string picture_path(const std::string& sha256) const { return folder_ + "/pictures/" + sha256; }

  std::string folder_;
};

}  // namespace tarsier::chat
