// tarsier chat's commands and keys one by one, where chat_test.cpp has them in the order of a conversation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "src/chat/picture.h"
#include "src/chat/store.h"
#include "src/run/sampling_fields.h"
#include "tests/cli/chat_window.h"

namespace {

using tarsier::chat::Role;
using test::kAnswer;
using test::kPicture;
using test::kSlow;
using test::quoted;
using test::Window;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class ChatCommands : public test::ChatWindow {
 protected:
  // A session of a question about the picture and this answer; with words, a longer one.
  void write_session(const std::string& name, const std::string& answer, const std::string& question = "?") {
    const tarsier::chat::Store store(folder_ / "state/tarsier");
    const auto file = store.create(name, "m");
    tarsier::chat::Dialogue d;
    d.watch([&](const tarsier::Json& record) { EXPECT_EQ(file->append(record), ""); });
    const auto attached = tarsier::chat::attach_file(std::string(TARSIER_SOURCE) + "/" + kPicture);
    store.put(attached.pictures.front());
    d.add({.role = Role::user, .text = question, .attached = {attached}});
    d.add({.role = Role::assistant, .text = answer});
  }
  static std::string long_text() {
    std::string words;
    for (int i = 0; i < 900; ++i) words += "word " + std::to_string(i % 10) + " ";
    return words;
  }
  void write_program(const std::string& name, const std::string& text) {
    std::ofstream(file(name)) << "#!/bin/sh\n" << text << "\n";
    std::filesystem::permissions(file(name), std::filesystem::perms::owner_all);
  }
};

TEST_F(ChatCommands, pictures_come_by_paths_of_every_kind) {
  const std::string picture = std::string(TARSIER_SOURCE) + "/" + kPicture;
  for (const char* name : {"my picture.png", "b1.png", "b2.png"})
    std::filesystem::copy_file(picture, file(name));
  std::filesystem::copy(std::string(TARSIER_SOURCE) + "/examples/pictures/clip", file("frames"));
  Window w(chat("--pictures none"));
  w.wait_for("Ctrl-D leaves");
  const std::string mine = "my picture.png 128x96 -> 128x96, 12 tokens";
  ask(w, "'" + file("my picture.png") + "'", mine);
  ask(w, file("my\\ picture.png"), mine, 2);
  ask(w, "file://" + file("my%20picture.png"), mine, 3);
  ask(w, "~/my\\ picture.png", mine, 4);
  w.paste("\"" + file("my picture.png") + "\" ");
  w.keys("Enter");
  w.wait_for(mine, 5);
  ask(w, "~/b*.png", "b2.png 128x96 -> 128x96, 12 tokens");
  EXPECT_THAT(w.screen(), HasSubstr("b1.png 128x96"));
  ask(w, "@~/b1.png", "b1.png 128x96", 2);
  ask(w, "/image ~/b1.png '" + file("b2.png") + "'", "b2.png 128x96", 2);
  ask(w, file("frames"), "frames/ 64x64, 16 frames, 1 a second");
  ask(w, "@~/frames/", "frames/ 64x64, 16 frames, 1 a second", 2);
  ask(w, "/context", "waiting: frames/", 2);
  EXPECT_EQ(Window::count(w.screen(), "waiting: "), 12) << w.screen();
}

TEST_F(ChatCommands, each_picture_has_limits_of_its_own) {
  Window w(chat("--pictures none"));
  w.wait_for("Ctrl-D leaves");
  const std::string image = "/image " + std::string(kPicture);
  ask(w, image, "128x96 -> 128x96, 12 tokens");
  ask(w, "/resolution 4096 8192", "128x96 -> 96x64, 6 tokens");
  ask(w, image, "128x96 -> 96x64, 6 tokens", 2);
  ask(w, "/resolution high", "seen with 1048576 to 4194304 pixels, 1024 to 4096 tokens");
  ask(w, "/resolution max", "seen with 4194304 to 16777216 pixels, 4096 to 16384 tokens");
  ask(w, "/resolution low", "seen with 1024 to 262144 pixels, 1 to 256 tokens");
  ask(w, "/resolution", "seen with 1024 to 262144 pixels", 2);
  ask(w, "/resolution 9 1", "found 9 1, wanted the least and the most");
  ask(w, "/context", "waiting: two-shapes.png 128x96 -> 96x64, 6 tokens");
  EXPECT_THAT(w.screen(), HasSubstr("waiting: two-shapes.png 128x96 -> 128x96, 12 tokens"));
}

TEST_F(ChatCommands, pictures_that_wait_are_taken_back_first) {
  Window w(chat("--pictures none " + std::string(kPicture)));
  ask(w, "Describe this image.", "context 40 of");
  ask(w, "/image " + std::string(kPicture), "two-shapes.png 128x96", 2);
  ask(w, "/undo", "taken back: two-shapes.png");
  ask(w, "/undo", "taken back: Describe this image. (its pictures wait for the next question)");
  ask(w, "Describe this image.", "context 40 of", 2);
  ask(w, "/undo", "taken back: Describe", 2);
  ask(w, "/undo", "taken back: two-shapes.png", 2);
  ask(w, "/undo", "there is nothing to take back");
}

TEST_F(ChatCommands, every_sampling_option_is_set) {
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  for (const tarsier::SamplingField& field : tarsier::kSamplingFields) {
    const std::string set = std::string(field.name) + " 1";
    ask(w, "/set " + set, set + "\n", 2);  // as typed, and as it is now
  }
  ask(w, "/set temperature warm", "temperature: found \"warm\", wanted a number");
  ask(w, "/set warmth 1", "there is no setting warmth; there are temperature");
  ask(w, "hello", "context");
}

TEST_F(ChatCommands, an_answer_goes_on) {
  Window w(chat("--max-tokens 3 " + std::string(kPicture)));
  ask(w, "Describe this image.", "cut off: no more tokens allowed");
  EXPECT_THAT(w.screen(), Not(HasSubstr(kAnswer)));
  ask(w, "/set max-tokens 100", "max-tokens 100", 2);
  ask(w, "/continue", "context 40 of");
  ask(w, "/raw", kAnswer);
}

TEST_F(ChatCommands, an_answer_stays_until_another_one_has_begun) {
  write_session("long", "the answer before", long_text());
  Window w(chat("--load long", kSlow));
  w.wait_for("session long: 2 turns");
  w.line("/regen");
  w.wait_for(" s left");
  w.keys("C-c");
  w.wait_for("stopped before the answer began");
  ask(w, "/raw", "the answer before");
}

TEST_F(ChatCommands, boxes_are_drawn_in_the_terminal) {
  write_session("boxes", R"([{"bbox_2d": [100, 200, 400, 800], "label": "cross"}])");
  Window w(chat("--load boxes", "COLORTERM=truecolor"));
  w.wait_for("session boxes: 2 turns");
  ask(w, "/image " + std::string(kPicture), "12 tokens");
  w.line("/boxes");
  w.wait_for("\n>", 3);  // for the next line: all is drawn
  ask(w, "/think", "without thinking");
  // The picture as it is, then with a frame around its left half.
  const std::string screen = w.screen("-e -N -S -");
  const auto rows_between = [&](const std::string& before, const std::string& behind) {
    std::vector<std::string> out;
    const std::size_t begin = screen.find('\n', screen.find(before)) + 1;
    std::istringstream lines(screen.substr(begin, screen.find(behind, begin) - begin));
    for (std::string line; std::getline(lines, line);) out.push_back(line);
    if (!out.empty()) out.pop_back();  // the line that behind stands in
    return out;
  };
  const auto plain = rows_between("/image ", "12 tokens");
  const auto framed = rows_between("/boxes", "/think");
  ASSERT_EQ(plain.size(), framed.size());
  ASSERT_GT(plain.size(), 9U);
  EXPECT_NE(plain, framed);
  EXPECT_EQ(plain.front(), framed.front());  // above the box
  EXPECT_EQ(plain.back(), framed.back());    // below
}

TEST_F(ChatCommands, answers_and_their_code_are_copied) {
  write_session("code", "First:\n```python\nprint(1)\n```\nthen\n```sh\nls\nexit\n```\n");
  for (const bool desktop : {true, false}) {
    write_program("xclip", "if [ \"$3\" = -t ]; then cat " +
                               quoted(std::string(TARSIER_SOURCE) + "/" + kPicture) + "; else cat > " +
                               quoted(file("copied")) + "; fi");
    Window w("tmux set -g set-clipboard on && " +
             chat("--load code", desktop ? "DISPLAY=:9 PATH=" + quoted(folder_.path()) + ":\"$PATH\"" : ""));
    w.wait_for("session code: 2 turns");
    const std::string way = desktop ? "\n" : " (by the terminal: OSC 52)\n";
    const auto copied = [&] { return desktop ? test::read_file(file("copied")) : w.clipboard(); };
    ask(w, "/copy 1", "copied 9 bytes" + way);
    EXPECT_EQ(copied(), "print(1)\n");
    ask(w, "/copy 2", "copied 8 bytes" + way);
    EXPECT_EQ(copied(), "ls\nexit\n");
    ask(w, "/copy 3", "the answer has 2 code blocks");
    ask(w, "/copy all", "/copy wants the number of a code block");
    if (desktop)
      ask(w, "/paste", "clipboard.png 128x96 -> 128x96, 12 tokens");
    else
      ask(w, "/paste", "no clipboard here");
    w.line("/quit");
    w.wait_for("EXIT");
  }
}

TEST_F(ChatCommands, tab_completes_names_of_every_kind) {
  if (!edits_lines()) GTEST_SKIP() << "built without readline";
  write_session("mine-of-today", "x");
  std::filesystem::copy_file(std::string(TARSIER_SOURCE) + "/" + kPicture, file("my picture.png"));
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  ask(w, "/branch here", "mark here is here");
  for (const auto& [begun, whole] :
       {std::pair("/resolution h", "/resolution high"), std::pair("/load mi", "/load mine-of-today"),
        std::pair("/back he", "/back here"), std::pair("/help /bra", "/help /branch"),
        std::pair("/image ~/my", "/image ~/my\\ picture.png"),
        std::pair("see @~/my", "see @~/my\\ picture.png")}) {
    w.type(begun);
    w.keys("Tab");
    EXPECT_THAT(w.wait_for(whole), HasSubstr(std::string("> ") + whole));
    w.keys("C-u");
  }
}

TEST_F(ChatCommands, a_long_prompt_shows_how_far_it_is) {
  write_session("long", "x", long_text());
  Window w(chat("--load long", kSlow));
  w.wait_for("session long: 2 turns");
  w.line("hello");
  EXPECT_THAT(w.wait_for(" s left"), ContainsRegex("prompt +[0-9]+ % \\[=* *\\] [0-9].* s left"));
  w.keys("C-c");
  EXPECT_THAT(w.wait_for("stopped before"), HasSubstr("stopped before the answer began (/regen answers)"));
}

// The terminal drops what was typed before Ctrl-C; what comes behind it is the next line.
TEST_F(ChatCommands, what_is_typed_behind_an_interrupt_stays) {
  if (!edits_lines()) GTEST_SKIP() << "built without readline";
  Window w(numbered(chat()));
  w.wait_for("Ctrl-D leaves");
  w.type("forgotten");
  w.wait_for("forgotten");
  signal("STOP");
  w.keys("C-c");
  w.type("/set top-k 7");
  signal("CONT");
  w.wait_for("> /set top-k 7");
  w.keys("Enter");
  EXPECT_THAT(w.wait_for("\ntop-k 7"), HasSubstr("\ntop-k 7"));
}

TEST_F(ChatCommands, what_is_typed_while_it_answers_waits_for_the_next_line) {
  Window w(chat(test::kEndless, kSlow));
  w.wait_for("Ctrl-D leaves");
  ask(w, "/set loops off", "loops off", 2);
  w.line("hello");
  w.wait_for("RedRed");
  w.type("/set top");
  w.keys("C-c");
  const std::string screen = w.wait_for("> /set top");
  EXPECT_THAT(screen, HasSubstr("stopped (/continue goes on)"));
  EXPECT_THAT(screen, Not(HasSubstr("^C")));
  w.line("-k 7");
  EXPECT_THAT(w.wait_for("\ntop-k 7"), HasSubstr("\ntop-k 7"));
}

// A picture's name or a model's words: shown without what a terminal would obey.
TEST_F(ChatCommands, nothing_that_is_shown_controls_the_terminal) {
  const std::string name = "a\x1b[2J\x1b]52;c;b3Zlcg==\x07.png";
  std::filesystem::copy_file(std::string(TARSIER_SOURCE) + "/" + kPicture, file(name));
  write_session("strange",
                "words\x1b[2Jand\x9b"
                "2J more\xC2\x9b"
                "2J");
  Window w("tmux set -g set-clipboard on && " + chat("--pictures none --load strange"));
  w.wait_for("session strange: 2 turns");
  ask(w, "/image ~/*.png", "a[2J]52;c;b3Zlcg==.png 128x96");
  ask(w, "/context", "waiting: a[2J");
  ask(w, "/raw", "words[2Jand");
  EXPECT_THAT(w.screen(), HasSubstr("session strange"));  // nothing was cleared
  EXPECT_EQ(w.clipboard(), "");
}

TEST_F(ChatCommands, lines_fit_a_narrow_window_and_one_that_changes) {
  Window w(chat(test::kEndless, kSlow), 60, 30);
  w.wait_for("Ctrl-D leaves");
  ask(w, "/help", "Ctrl-C stops an answer");
  ask(w, "/set loops off", "loops off", 2);
  w.line("hello");
  w.wait_for("RedRed");
  // Lines that the terminal had to break come whole: none.
  const auto widest = [&] {
    std::istringstream lines(w.screen("-J -S -"));
    std::size_t most = 0;
    for (std::string line; std::getline(lines, line);) {
      while (line.ends_with(' ')) line.pop_back();
      if (line.find("RedRed") != std::string::npos || line.find("  ") == 0)
        most = std::max(most, line.size());
    }
    return most;
  };
  w.wait_for("RedRed\nRed");
  EXPECT_LT(widest(), 60U);
  w.resize(100, 30);
  std::string reds;
  for (int i = 0; i < 25; ++i) reds += "Red";
  w.wait_for(reds);  // wider than the window was
  w.keys("C-c");
  w.wait_for("stopped (/continue goes on)");
  EXPECT_LT(widest(), 100U);
}

TEST_F(ChatCommands, sessions_are_not_mixed_up) {
  write_session("mine", "x");
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  ask(w, "hello", "context");
  ask(w, "/save mine", "there is a session mine already");
  ask(w, "/save ../mine", "cannot be the name of a session");
  ask(w, "/load yours", "there is no session yours");
  ask(w, "/raw", "> /raw\n");  // the conversation is still there
  ask(w, "/load mine", "session mine: 2 turns, the last question was: ?");
  {
    Window other(chat("--load mine"));
    EXPECT_THAT(other.wait_for("another window"), HasSubstr("session mine is open in another window"));
  }
  ask(w, "/sessions", "*mine ");
  ask(w, "/help load", "Go on with a session");
  EXPECT_THAT(w.screen(), Not(HasSubstr("/export FILE")));
  ask(w, "/help lode", "there is no command /lode");
}

TEST_F(ChatCommands, a_doctor_looks_at_machine_and_terminal) {
  Window w("cd " + quoted(folder_.path()) + " && " + quoted(TARSIER_BUILD) + "/tarsier doctor " +
           quoted(model()));
  const std::string screen = w.wait_for("EXIT 0");
  for (const char* what :
       {"instructions     ", "kernels          ", "available        ", "GB/s\n", "pictures         blocks\n",
        "clipboard        wl-copy ", "line editing     ", "chafa            ", "dense.gguf ", "2B q4_k "})
    EXPECT_THAT(screen, HasSubstr(what));
  EXPECT_THAT(screen,
              ContainsRegex("2B q4_k +[0-9.]+ GB +[0-9.]+ GB  (about [0-9.]+ tokens a second|does not fit)"));
}

}  // namespace
