#include "src/chat/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/output_file.h"

namespace tarsier::chat {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEnding = ".jsonl";
constexpr const char* kCacheEnding = ".kv";
constexpr std::size_t kLongestName = 100;  // bytes
constexpr mode_t kPrivate = 0600;

std::string_view reason() { return std::strerror(errno); }

std::string time_text(const char* form, std::time_t at) {
  std::tm broken{};
  ::localtime_r(&at, &broken);
  char text[64];
  return {text, std::strftime(text, sizeof text, form, &broken)};
}

std::string line_of(const Json& record) {
  return record.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool write_all(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return true;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  core::require(in.good(), path, ": cannot be opened");
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  core::require(!in.bad(), path, ": cannot be read");
  return text;
}

void make_folder(const std::string& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  core::require(!failed, path, ": ", std::string_view(failed.message()));
}

// The version of a session's first line; nothing: it is none.
std::optional<int> version_of(const std::string& line) {
  const Json header = Json::parse(line, nullptr, false);
  if (!header.is_object() || !header.contains("tarsier_session")) return std::nullopt;
  const Json& version = header["tarsier_session"];
  return version.is_number_integer() ? std::optional(version.get<int>()) : std::nullopt;
}

// Whole lines of text, up to the damage.
struct Lines {
  std::vector<std::string> whole;
  std::size_t torn = 0;  // bytes behind the last line break
};
Lines split_lines(const std::string& text) {
  Lines out;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    out.whole.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  out.torn = text.size() - begin;
  return out;
}

// Puts the bytes aside so that nothing is thrown away; returns where.
std::string keep_damaged(const std::string& path, std::string_view bytes) {
  for (int n = 1;; ++n) {
    std::string aside = path + ".damaged-" + std::to_string(n);
    if (fs::exists(aside)) continue;
    core::OutputFile out(aside, bytes.size());
    out.append(std::as_bytes(std::span(bytes)));
    out.commit();
    return aside;
  }
}

int open_locked(const std::string& path, int flags, const std::string& name) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, kPrivate);
  core::require(fd >= 0 || errno != EEXIST, "there is a session ", name, " already");
  core::require(fd >= 0 || errno != ENOENT, "there is no session ", name);
  core::require(fd >= 0, path, ": ", reason());
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  core::fail("session ", name, " is open in another window");
}

// Below the folder that the variable names, else below that one in the person's home.
std::string own_folder(const char* variable, const char* below_home) {
  const char* given = std::getenv(variable);
  if (given != nullptr && *given == '/') return std::string(given) + "/tarsier";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "") + below_home + "/tarsier";
}

}  // namespace

std::string state_folder() { return own_folder("XDG_STATE_HOME", "/.local/state"); }
std::string cache_folder() { return own_folder("XDG_CACHE_HOME", "/.cache"); }

SessionFile::~SessionFile() { ::close(fd_); }

std::string SessionFile::append(const Json& record) {
  waiting_.push_back(line_of(record));
  std::string all;
  for (const std::string& line : waiting_) all += line;
  if (!write_all(fd_, all, size_)) {
    std::string why(reason());
    // Half a record must not stay; where even this fails, the next reader finds a torn line.
    [[maybe_unused]] const int cut = ::ftruncate(fd_, static_cast<off_t>(size_));
    return why;
  }
  size_ += all.size();
  waiting_.clear();
  ::fdatasync(fd_);
  return "";
}

std::string Store::session_path(const std::string& name) const {
  core::require(!name.empty() && name.size() <= kLongestName && name[0] != '.' &&
                    name.find('/') == std::string::npos && name.find('\0') == std::string::npos,
                "\"", name, "\" cannot be the name of a session: wanted up to ", kLongestName,
                " bytes without /, not beginning with a dot");
  return folder_ + "/sessions/" + name + kEnding;
}

std::unique_ptr<SessionFile> Store::create(const std::string& name, const std::string& model) const {
  const std::string path = session_path(name);
  make_folder(folder_ + "/sessions");
  const int fd = open_locked(path, O_RDWR | O_CREAT | O_EXCL, name);
  std::unique_ptr<SessionFile> file(new SessionFile(name, fd, 0));
  const Json header = {{"tarsier_session", kSessionVersion},
                       {"model", model},
                       {"created", time_text("%Y-%m-%dT%H:%M:%S%z", std::time(nullptr))}};
  const std::string why = file->append(header);
  if (!why.empty()) {
    ::unlink(path.c_str());
    core::fail(path, ": ", why);
  }
  core::sync_folder_of(path);
  return file;
}

LoadedSession Store::load(const std::string& name) const {
  const std::string path = session_path(name);
  LoadedSession out;
  const int fd = open_locked(path, O_RDWR, name);
  out.file.reset(new SessionFile(name, fd, 0));
  const std::string text = read_file(path);
  const Lines lines = split_lines(text);
  const std::optional<int> version = lines.whole.empty() ? std::nullopt : version_of(lines.whole[0]);
  core::require(version.has_value(), path, ": is no session of tarsier: its first line does not say so");
  core::require(*version <= kSessionVersion, path, ": is a session of version ", *version,
                ", this program reads up to ", kSessionVersion);
  int gone = 0;
  const PictureSource pictures = [&](const std::string& hash) {
    auto bytes = picture(hash);
    if (bytes == nullptr) ++gone;
    return bytes;
  };
  std::size_t good = lines.whole[0].size() + 1;
  std::string damage;
  for (std::size_t i = 1; i < lines.whole.size() && damage.empty(); ++i) {
    const Json record = Json::parse(lines.whole[i], nullptr, false);
    try {
      core::require(!record.is_discarded(), "not JSON");
      out.dialogue.apply(record, pictures);
      good += lines.whole[i].size() + 1;
    } catch (const core::Error& e) {
      damage = "line " + std::to_string(i + 1) + " is damaged (" + e.what() + ")";
    }
  }
  if (damage.empty() && lines.torn > 0) damage = "the last record was not written to its end";
  if (!damage.empty()) {
    const std::string aside = keep_damaged(path, std::string_view(text).substr(good));
    core::require(::ftruncate(fd, static_cast<off_t>(good)) == 0, path, ": ", reason());
    out.notices.push_back("session " + name + ": " + damage + ". Open up to there, " +
                          std::to_string(out.dialogue.turns().size()) + " turns; the rest is in " + aside);
  }
  for (const Turn& turn : out.dialogue.turns())
    for (const Attachment& a : turn.attached)
      if (a.video && a.video->file == nullptr)
        out.notices.push_back("session " + name + ": " + a.video->path +
                              " is gone or another video by now; its turn goes without");
  if (gone > 0)
    out.notices.push_back("session " + name + ": " + std::to_string(gone) +
                          " pictures are not in the store any more or changed; their turns go without");
  out.file->size_ = good;
  return out;
}

void Store::rename(SessionFile& file, const std::string& name) const {
  const std::string from = session_path(file.name_);
  const std::string to = session_path(name);
  if (::link(from.c_str(), to.c_str()) != 0) {
    core::require(errno != EEXIST, "there is a session ", name, " already");
    core::fail(to, ": ", reason());
  }
  ::unlink(from.c_str());
  ::rename(cache_path(file.name_).c_str(), cache_path(name).c_str());
  file.name_ = name;
}

std::string Store::cache_path(const std::string& name) const {
  return fs::path(session_path(name)).replace_extension(kCacheEnding);
}

std::vector<SessionInfo> Store::sessions() const {
  std::vector<SessionInfo> out;
  std::error_code none;
  for (fs::directory_iterator at(folder_ + "/sessions", none), end; !none && at != end; at.increment(none)) {
    if (at->path().extension() != kEnding) continue;
    struct ::stat state {};
    if (::stat(at->path().c_str(), &state) != 0) continue;
    SessionInfo info{.name = at->path().stem().string(), .modified = state.st_mtime};
    std::ifstream in(at->path());
    for (std::string line; std::getline(in, line);) {
      const Json record = Json::parse(line, nullptr, false);
      if (!record.is_object() || record.value("role", Json()) != "user") continue;
      if (info.questions++ == 0 && record.contains("text") && record["text"].is_string())
        info.first_question = record["text"].get<std::string>();
    }
    out.push_back(std::move(info));
  }
  std::sort(out.begin(), out.end(), [](const SessionInfo& a, const SessionInfo& b) {
    return std::pair(b.modified, b.name) < std::pair(a.modified, a.name);
  });
  return out;
}

std::optional<std::string> Store::latest() const {
  const std::vector<SessionInfo> all = sessions();
  return all.empty() ? std::nullopt : std::optional(all.front().name);
}

std::string Store::fresh_name() const {
  const std::string now = time_text("%Y-%m-%d-%H%M%S", std::time(nullptr));
  std::string name = now;
  for (int n = 2; fs::exists(session_path(name)); ++n) name = now + "-" + std::to_string(n);
  return name;
}

void Store::put(const Picture& picture) const {
  const std::string path = picture_path(picture.sha256);
  if (picture.bytes == nullptr || fs::exists(path)) return;
  make_folder(folder_ + "/pictures");
  core::OutputFile out(path, picture.bytes->size(), core::OutputFile::For::owner);
  out.append(*picture.bytes);
  out.commit();
}

std::shared_ptr<const Bytes> Store::picture(const std::string& hash) const {
  std::ifstream in(picture_path(hash), std::ios::binary);
  if (!in.good()) return nullptr;
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (sha256(text) != hash) return nullptr;
  auto bytes = std::make_shared<Bytes>(text.size());
  std::memcpy(bytes->data(), text.data(), text.size());
  return bytes;
}

}  // namespace tarsier::chat
