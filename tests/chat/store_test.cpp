// Sessions on disk: what is saved comes back, and damage, a full disk and other windows cost nothing that was
// saved.
#include "src/chat/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/temp_folder.h"

namespace {

using tarsier::Json;
using tarsier::chat::Bytes;
using tarsier::chat::Dialogue;
using tarsier::chat::LoadedSession;
using tarsier::chat::Picture;
using tarsier::chat::Role;
using tarsier::chat::SessionFile;
using tarsier::chat::Store;
using tarsier::chat::Turn;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> texts(const Dialogue& d) {
  std::vector<std::string> out;
  for (const Turn* turn : d.path()) out.push_back(turn->text);
  return out;
}

Picture some_picture() {
  const std::string bytes =
      test::read_bytes(std::string(TARSIER_SOURCE) + "/examples/pictures/two-shapes.png");
  Bytes copy(bytes.size());
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(copy.data()));
  return tarsier::chat::make_picture("two-shapes.png", copy);
}

class Sessions : public testing::Test {
 protected:
  // A session with these texts, alternately questions and answers.
  void write(const std::string& name, const std::vector<std::string>& texts_of_turns) {
    const auto file = store_.create(name, "m");
    Dialogue d;
    d.watch([&](const Json& record) { EXPECT_EQ(file->append(record), ""); });
    for (std::size_t i = 0; i < texts_of_turns.size(); ++i)
      d.add({.role = i % 2 == 0 ? Role::user : Role::assistant, .text = texts_of_turns[i]});
  }
  std::string path(const std::string& name) const { return folder_.path("sessions/" + name + ".jsonl"); }

  test::TempFolder folder_;
  Store store_{folder_.path()};
};

TEST_F(Sessions, everything_comes_back) {
  const Picture picture = some_picture();
  Picture changed = picture;
  changed.options = {.rotate = false, .background = tarsier::Colour{1, 2, 30}};
  store_.put(picture);
  {
    const auto file = store_.create("one", "some model");
    Dialogue d;
    d.watch([&](const Json& record) { EXPECT_EQ(file->append(record), ""); });
    d.set_system("Be brief.");
    d.set("temperature", "0.2");
    d.set("top-k", "5");
    d.set("top-k", "");
    d.add({.role = Role::user,
           .text = "What?\n\"quoted\" \xE2\x82\xAC",
           .attached = {
               {.name = "two-shapes.png", .pictures = {picture}, .limits = tarsier::PixelLimits{1, 99}},
               {.name = "clip/", .pictures = {picture, changed}, .clip = true, .fps = 2.5}}});
    d.add({.role = Role::assistant,
           .text = "That.",
           .thinking = "hm",
           .ids = {4, 5},
           .finish = "stop",
           .stats = {{"a", 1}}});
    d.mark("m", 2);
    d.mark("gone", 1);
    d.unmark("gone");
    d.add({.role = Role::user, .text = "More"});
    d.move_head(2);
  }
  const LoadedSession loaded = store_.load("one");
  EXPECT_THAT(loaded.notices, IsEmpty());
  const Dialogue& d = loaded.dialogue;
  EXPECT_EQ(d.system(), "Be brief.");
  EXPECT_THAT(d.settings(), ElementsAre(std::pair<const std::string, std::string>("temperature", "0.2")));
  EXPECT_THAT(d.marks(), ElementsAre(std::pair<const std::string, int>("m", 2)));
  EXPECT_THAT(texts(d), ElementsAre("What?\n\"quoted\" \xE2\x82\xAC", "That."));
  EXPECT_EQ(d.turns().size(), 3U);
  EXPECT_EQ(d.turn(2).thinking, "hm");
  EXPECT_THAT(d.turn(2).ids, ElementsAre(4, 5));
  EXPECT_EQ(d.turn(2).stats["a"], 1);
  const auto& attached = d.turn(1).attached;
  ASSERT_EQ(attached.size(), 2U);
  EXPECT_EQ(*attached[0].pictures[0].bytes, *picture.bytes);
  EXPECT_EQ(attached[0].limits->max_pixels, 99);
  EXPECT_TRUE(attached[1].clip);
  EXPECT_EQ(attached[1].fps, 2.5);
  EXPECT_EQ(attached[1].pictures.size(), 2U);
  EXPECT_TRUE(attached[1].pictures[0].options.rotate);
  EXPECT_FALSE(attached[1].pictures[1].options.rotate);
  EXPECT_EQ(attached[1].pictures[1].options.background, changed.options.background);
}

TEST_F(Sessions, a_loaded_session_goes_on_in_its_file) {
  write("one", {"a", "b"});
  {
    LoadedSession loaded = store_.load("one");
    loaded.dialogue.watch([&](const Json& record) { loaded.file->append(record); });
    loaded.dialogue.add({.role = Role::user, .text = "c"});
  }
  EXPECT_THAT(texts(store_.load("one").dialogue), ElementsAre("a", "b", "c"));
}

TEST_F(Sessions, damage_at_every_byte_keeps_what_stands_before_it) {
  write("whole", {"first", "second", "third"});
  const std::string bytes = test::read_bytes(path("whole"));
  const std::size_t header = bytes.find('\n') + 1;
  for (std::size_t n = header; n < bytes.size(); ++n) {
    std::ofstream(path("torn"), std::ios::binary) << bytes.substr(0, n);
    const LoadedSession loaded = store_.load("torn");
    const std::size_t lines =
        static_cast<std::size_t>(std::count(bytes.begin() + header, bytes.begin() + n, '\n'));
    EXPECT_EQ(loaded.dialogue.turns().size(), lines) << n;
    EXPECT_EQ(loaded.notices.size(), bytes[n - 1] == '\n' ? 0U : 1U) << n;
    EXPECT_EQ(std::filesystem::file_size(path("torn")), bytes.rfind('\n', n - 1) + 1) << n;
  }
}

TEST_F(Sessions, damage_in_the_middle_is_put_aside_and_said) {
  write("one", {"first", "second", "third"});
  std::string bytes = test::read_bytes(path("one"));
  bytes[bytes.find("second") - 12] = '\x01';
  std::ofstream(path("one"), std::ios::binary) << bytes;
  const LoadedSession loaded = store_.load("one");
  EXPECT_THAT(texts(loaded.dialogue), ElementsAre("first"));
  ASSERT_EQ(loaded.notices.size(), 1U);
  EXPECT_THAT(loaded.notices[0], HasSubstr("line 3 is damaged"));
  EXPECT_THAT(test::read_bytes(path("one") + ".damaged-1"), HasSubstr("third"));
}

TEST_F(Sessions, records_that_cannot_be_are_damage) {
  for (
      const char* record :
      {R"({"turn":3,"parent":0,"role":"user","text":"x"})",
       R"({"turn":2,"parent":2,"role":"user","text":"x"})",
       R"({"turn":2,"parent":-1,"role":"user","text":"x"})",
       R"({"turn":2,"parent":1,"role":"king","text":"x"})", R"({"turn":2,"parent":1,"role":"user","text":7})",
       R"({"head":9})", R"({"mark":"a","at":-2})", "[1]",
       R"({"turn":2,"parent":1,"role":"user","text":"x","media":[{"name":"a","pictures":[]}]})",
       R"({"turn":2,"parent":1,"role":"user","text":"x","media":[{"name":"a","pictures":[{"name":"a","sha256":"../../etc/passwd","width":1,"height":1}]}]})",
       R"({"turn":99999999999999999999,"parent":1,"role":"user","text":"x"})"}) {
    write("one", {"first"});
    std::ofstream(path("one"), std::ios::app) << record << "\n";
    const LoadedSession loaded = store_.load("one");
    EXPECT_THAT(texts(loaded.dialogue), ElementsAre("first")) << record;
    EXPECT_EQ(loaded.notices.size(), 1U) << record;
    std::filesystem::remove(path("one"));
  }
}

TEST_F(Sessions, unknown_records_of_the_future_are_passed_over) {
  write("one", {"first"});
  std::ofstream(path("one"), std::ios::app) << R"({"weather":"fine"})"
                                            << "\n";
  const LoadedSession loaded = store_.load("one");
  EXPECT_THAT(loaded.notices, IsEmpty());
  EXPECT_THAT(texts(loaded.dialogue), ElementsAre("first"));
}

TEST_F(Sessions, other_files_and_later_versions_are_refused) {
  write("one", {"first"});
  std::ofstream(path("future")) << R"({"tarsier_session":99})"
                                << "\n";
  std::ofstream(path("other")) << "hello\n";
  std::ofstream(path("empty"));
  EXPECT_THAT(test::error_of([&] { store_.load("future"); }), HasSubstr("version 99"));
  EXPECT_THAT(test::error_of([&] { store_.load("other"); }), HasSubstr("no session of tarsier"));
  EXPECT_THAT(test::error_of([&] { store_.load("empty"); }), HasSubstr("no session of tarsier"));
  EXPECT_EQ(test::error_of([&] { store_.load("gone"); }), "there is no session gone");
  for (const char* name : {"", "../up", ".hidden", "a/b"})
    EXPECT_THAT(test::error_of([&] { store_.create(name, ""); }), HasSubstr("cannot be the name")) << name;
}

TEST_F(Sessions, a_full_disk_keeps_records_waiting_and_whole) {
  const auto file = store_.create("one", "m");
  EXPECT_EQ(file->append({{"set", "a"}, {"value", "1"}}), "");
  const auto before = std::filesystem::file_size(path("one"));
  // A limit on the size of files stands for the end of the disk: half of the next record fits.
  std::signal(SIGXFSZ, SIG_IGN);
  struct ::rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const struct ::rlimit full { before + 10, old.rlim_max };
  ::setrlimit(RLIMIT_FSIZE, &full);
  const std::string trouble = file->append({{"set", "b"}, {"value", "2"}});
  const std::string still = file->append({{"set", "c"}, {"value", "3"}});
  const auto during = std::filesystem::file_size(path("one"));
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_NE(trouble, "");
  EXPECT_NE(still, "");
  EXPECT_EQ(during, before);
  EXPECT_EQ(file->waiting(), 2U);
  EXPECT_EQ(file->append({{"set", "d"}, {"value", "4"}}), "");
  EXPECT_EQ(file->waiting(), 0U);
  std::string values;
  std::ifstream in(path("one"));
  for (std::string line; std::getline(in, line);) values += Json::parse(line).value("value", "");
  EXPECT_EQ(values, "1234");
}

TEST_F(Sessions, one_window_at_a_time) {
  write("one", {"first"});
  const LoadedSession here = store_.load("one");
  EXPECT_EQ(test::error_of([&] { store_.load("one"); }), "session one is open in another window");
}

TEST_F(Sessions, are_listed_named_and_found) {
  write("older", {"What is this?", "That.", "And?"});
  write("newer", {"Hello"});
  std::filesystem::last_write_time(path("older"),
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const auto all = store_.sessions();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].name, "older");
  EXPECT_EQ(all[1].questions, 2);
  EXPECT_EQ(all[1].first_question, "What is this?");
  EXPECT_EQ(store_.latest(), "newer");
  LoadedSession open = store_.load("newer");
  EXPECT_THAT(test::error_of([&] { store_.rename(*open.file, "older"); }), HasSubstr("older already"));
  store_.rename(*open.file, "best");
  EXPECT_EQ(open.file->append({{"set", "x"}, {"value", "y"}}), "");
  EXPECT_FALSE(std::filesystem::exists(path("newer")));
  EXPECT_THAT(test::read_bytes(path("best")), HasSubstr("\"x\""));
}

TEST_F(Sessions, pictures_that_changed_or_went_are_said) {
  const Picture picture = some_picture();
  store_.put(picture);
  {
    const auto file = store_.create("one", "m");
    Dialogue d;
    d.watch([&](const Json& record) { file->append(record); });
    d.add({.role = Role::user, .text = "a", .attached = {{.name = "p", .pictures = {picture}}}});
  }
  EXPECT_NE(store_.load("one").dialogue.turn(1).attached[0].pictures[0].bytes, nullptr);
  folder_.write("pictures/" + picture.sha256, "other bytes");
  const LoadedSession loaded = store_.load("one");
  EXPECT_EQ(loaded.dialogue.turn(1).attached[0].pictures[0].bytes, nullptr);
  ASSERT_EQ(loaded.notices.size(), 1U);
  EXPECT_THAT(loaded.notices[0], HasSubstr("1 pictures are not in the store"));
}

TEST_F(Sessions, a_dialogue_is_its_records) {
  Dialogue d;
  d.set_system("s");
  d.add({.role = Role::user, .text = "a"});
  d.add({.role = Role::assistant, .text = "b"});
  d.move_head(1);
  d.add({.role = Role::assistant, .text = "c"});
  d.mark("x", 2);
  d.move_head(2);
  Dialogue copy;
  for (const Json& record : d.records()) copy.apply(record, [](const std::string&) { return nullptr; });
  EXPECT_EQ(copy.records(), d.records());
  EXPECT_THAT(texts(copy), ElementsAre("a", "b"));
}

}  // namespace
