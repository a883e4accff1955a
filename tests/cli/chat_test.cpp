// tarsier chat through a pseudo-terminal: keys in, screen out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "src/input/image.h"
#include "src/input/video_file.h"
#include "tests/cli/chat_window.h"

namespace {

using test::ChatWindow;
using test::kAnswer;
using test::kEndless;
using test::kPicture;
using test::kSlow;
using test::quoted;
using test::Window;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST_F(ChatWindow, a_dropped_picture_is_shown_and_seen) {
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  w.line("Describe this image. '" + std::string(kPicture) + "'");
  const std::string screen = w.wait_for("context 40 of");
  EXPECT_THAT(screen, HasSubstr(kAnswer));
  EXPECT_THAT(screen, ContainsRegex("two-shapes.png 128x96 -> 128x96, 12 tokens, about [0-9.]+ s\n"));
  EXPECT_THAT(screen, HasSubstr("▄"));
  w.line("/quit");
  EXPECT_THAT(w.wait_for("EXIT"), HasSubstr("EXIT 0"));
}

TEST_F(ChatWindow, every_command_does_what_help_says) {
  Window w(chat(kPicture, "EDITOR=" + quoted("sed -i -e s/Describe/Locate/ -e 's/this image/every shape/'")),
           100, 60);
  ask(w, "Describe this image.", kAnswer);
  ask(w, "/help", "/export FILE");
  ask(w, "/regen", kAnswer, 2);
  ask(w, "/raw", kAnswer, 3);
  ask(w, "/context", "1 picture                         12");
  ask(w, "/stats", "since the start");
  ask(w, "/copy", "copied 57 bytes");
  ask(w, "/system Answer briefly.", "system: Answer briefly.");
  ask(w, "/system -", "there is no system message");
  ask(w, "/set temperature 0.2", "temperature 0.2", 2);
  ask(w, "/set temp", "temperature 0\n");
  ask(w, "/set", "frequency-penalty");
  ask(w, "/resolution low", "seen with 1024 to 262144 pixels, 1 to 256 tokens");
  ask(w, "/resolution 4096 8192", "seen with 4096 to 8192 pixels, 4 to 8 tokens");
  ask(w, "/image " + std::string(kPicture), "two-shapes.png 128x96 -> 96x64, 6 tokens");
  ask(w, "/resolution auto", "128x96 -> 128x96, 12 tokens", 2);
  ask(w, "/branch here", "mark here is here");
  ask(w, "How many shapes are there?", "context 7");
  ask(w, "/back here", "back at mark here, behind: Describe this image.");
  ask(w, "/back before", "back at mark before, behind: How many");
  ask(w, "/undo", "taken back: How many shapes are there? (its pictures wait");
  ask(w, "/edit", "> Locate every shape.");
  ASSERT_THAT(w.wait_for("red circle\"}]", 1), HasSubstr("red circle\"}]"));
  ask(w, "/save-boxes " + file("boxes.png"), "boxes.png: 128x96");
  EXPECT_EQ(tarsier::load_image(file("boxes.png")).width, 128);
  for (const std::string ending : {"md", "json", "html"})
    ask(w, "/export " + file("out." + ending), "out." + ending + ": ");
  EXPECT_THAT(test::read_file(file("out.html")), HasSubstr("data:image/png;base64,iVBOR"));
  EXPECT_THAT(test::read_file(file("out.html")), HasSubstr("<rect x=\"15\""));
  EXPECT_THAT(test::read_file(file("out.md")), HasSubstr("## Question\n\n![two-shapes.png]"));
  EXPECT_EQ(nlohmann::json::parse(test::read_file(file("out.json")))["messages"][0]["role"], "user");
  ask(w, "/save mine", "saved as mine");
  ask(w, "/clear", "a new conversation begins");
  ask(w, "/sessions", "mine ");
  ask(w, "/load mine", "session mine: 2 turns");
  ask(w, "/think", "without thinking");
  ask(w, "/think 100", "think-budget 100");
  ask(w, "/nonsense", "there is no command /nonsense");
  w.line("/quit");
  EXPECT_THAT(w.wait_for("EXIT"), HasSubstr("EXIT 0"));
}

TEST_F(ChatWindow, several_lines_are_typed_pasted_and_edited) {
  if (!edits_lines()) GTEST_SKIP() << "built without readline";
  Window w(chat("--no-save", "EDITOR=" + quoted("sed -i 's/Say/Do say/'")));
  w.wait_for("Ctrl-D leaves");
  w.type("one");
  w.keys("M-Enter");
  w.type("two");
  EXPECT_THAT(w.wait_for("two"), HasSubstr("one\ntwo"));
  w.keys("C-c");  // forgets the line
  w.paste("three\nfour");
  EXPECT_THAT(w.wait_for("four"), HasSubstr("three\nfour"));
  w.keys("C-c");
  w.type("Say hello.");
  w.keys("C-g");
  EXPECT_THAT(w.wait_for("Do say hello."), HasSubstr("> Do say hello."));
  w.keys("C-c");
  w.line("\"\"\"five");
  w.wait_for("...");
  w.line("six\"\"\"");
  EXPECT_THAT(w.wait_for("context"), HasSubstr("answer"));
  w.keys("C-d");
  EXPECT_THAT(w.wait_for("EXIT"), HasSubstr("EXIT 0"));
}

TEST_F(ChatWindow, history_is_on_disk_and_searched) {
  if (!edits_lines()) GTEST_SKIP() << "built without readline";
  for (int round = 0; round < 2; ++round) {
    Window w(chat());
    w.wait_for("Ctrl-D leaves");
    if (round == 0) ask(w, "/set top-k 7", "top-k 7");
    w.keys("C-r");
    w.type("top");
    EXPECT_THAT(w.wait_for("/set top-k 7", round == 0 ? 2 : 1), HasSubstr("`top': /set top-k 7")) << round;
    w.keys("C-c");
    w.line("/quit");
    w.wait_for("EXIT");
  }
}

TEST_F(ChatWindow, tab_completes_commands_settings_and_paths) {
  if (!edits_lines()) GTEST_SKIP() << "built without readline";
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  w.type("/und");
  w.keys("Tab");
  EXPECT_THAT(w.wait_for("/undo"), HasSubstr("> /undo"));
  w.keys("C-u");
  w.type("/set rep");
  w.keys("Tab");
  EXPECT_THAT(w.wait_for("penalty"), HasSubstr("> /set repetition-penalty"));
  w.keys("C-u");
  w.type("/image examples/pictures/two");
  w.keys("Tab");
  EXPECT_THAT(w.wait_for("shapes"), HasSubstr("> /image examples/pictures/two-shapes.png"));
  w.keys("C-u");
  w.type("what is @examples/pictures/one");
  w.keys("Tab");
  EXPECT_THAT(w.wait_for("one-shape"), HasSubstr("@examples/pictures/one-shape.png"));
}

TEST_F(ChatWindow, what_cannot_be_read_says_why_and_the_words_stay) {
  if (!edits_lines()) GTEST_SKIP() << "built without readline";
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  w.line("Describe @gone.png this image.");
  const std::string screen = w.wait_for("> Describe this image.");
  EXPECT_THAT(screen, HasSubstr("gone.png: No such file"));
  EXPECT_THAT(screen, HasSubstr("> Describe this image."));
  w.keys("C-u");
  ask(w, "/image README.md", "README.md: ");
}

TEST_F(ChatWindow, the_clipboard_gives_and_takes) {
  for (const auto& [name, text] :
       {std::pair("wl-paste", "cat '" + std::string(TARSIER_SOURCE) + "/" + kPicture + "'"),
        std::pair("wl-copy", "cat > '" + file("copied") + "'")}) {
    std::ofstream(file(name)) << "#!/bin/sh\n" << text << "\n";
    std::filesystem::permissions(file(name), std::filesystem::perms::owner_all);
  }
  Window w(chat("", "WAYLAND_DISPLAY=w PATH=" + quoted(folder_.path()) + ":\"$PATH\""));
  w.wait_for("Ctrl-D leaves");
  ask(w, "/paste", "clipboard.png 128x96 -> 128x96");
  ask(w, "Describe this image.", kAnswer);
  ask(w, "/copy", "copied 57 bytes\n");
  EXPECT_EQ(test::read_file(file("copied")), kAnswer);
}

TEST_F(ChatWindow, a_folder_is_a_clip) {
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  ask(w, "/image FPS=2 examples/pictures/clip", "16 frames, 2 a second");
  ask(w, "What happens in this video?", "answer");
}

TEST_F(ChatWindow, a_video_is_dropped_and_encoded_once) {
  if (!tarsier::reads_video_files()) GTEST_SKIP() << "without FFmpeg's libraries";
  Window w(chat());
  w.wait_for("Ctrl-D leaves");
  ask(w, "/image FPS=1 START=0:01 examples/pictures/colour.mp4", "h264, 8 frames, 2.0 s, 4 looked at");
  ask(w, "/clear", "a new conversation begins");
  ask(w, "What happens in this video? examples/pictures/clip.mp4", "A blue star moves from left to right.");
  const std::string screen = w.wait_for("1 clip ");
  EXPECT_EQ(Window::count(screen, "1 clip "), 1) << screen;
  ask(w, "/regen", "A blue star moves from left to right.", 2);
  ask(w, "/stats", "since the start");
  EXPECT_EQ(Window::count(w.wait_for("since the start"), "1 clip "), 1);
}

TEST_F(ChatWindow, interrupting_stops_the_answer_then_leaves) {
  Window w(chat(kEndless, kSlow));
  w.wait_for("Ctrl-D leaves");
  w.line("/set loops off");
  w.wait_for("loops off");
  w.line("hello");
  w.wait_for("RedRed");
  w.keys("C-c");
  EXPECT_THAT(w.wait_for("stopped (/continue goes on)"), HasSubstr("stopped (/continue goes on)"));
  w.keys("C-c");
  EXPECT_THAT(w.wait_for("EXIT"), HasSubstr("EXIT 130"));
  const auto sessions = test::run("cat '" + (folder_ / "state") + "'/tarsier/sessions/*.jsonl");
  EXPECT_THAT(sessions.out, HasSubstr("\"finish\":\"cancelled\""));
}

TEST_F(ChatWindow, interrupting_stops_a_picture_that_is_encoded) {
  Window w(chat("", kSlow));
  w.wait_for("Ctrl-D leaves");
  ask(w, "/resolution 2500000 3000000", "seen with");
  w.line("Describe this image. " + std::string(kPicture));
  const std::string screen = w.wait_for(" s left");
  EXPECT_THAT(screen, ContainsRegex("(image|prompt) +[0-9]+ % \\["));
  w.keys("C-c");
  EXPECT_THAT(w.wait_for("stopped before"), HasSubstr("stopped before the answer began (/regen answers)"));
  ask(w, "/undo", "its pictures wait for the next question");
}

TEST_F(ChatWindow, a_picture_is_encoded_while_its_question_is_typed) {
  Window w(chat("", kSlow));
  w.wait_for("Ctrl-D leaves");
  ask(w, "/image " + std::string(kPicture), "two-shapes.png 128x96");
  wait_for_rows();
  ask(w, "Describe this image.", "context 40 of");
  EXPECT_THAT(w.screen(), ContainsRegex("1 image [0-9]+ ms"));  // and none from disk
  EXPECT_THAT(w.screen(), HasSubstr(kAnswer));
  // A slow one: shown while it is waited for, stopped by Ctrl-C, by another size, by the end of the program.
  ask(w, "/resolution 2500000 3000000", "seen with");
  ask(w, "/image " + std::string(kPicture), " tokens, about");
  w.line("Describe this image.");
  EXPECT_THAT(w.wait_for(" s left"), ContainsRegex("image +[0-9]+ % \\["));
  w.keys("C-c");
  ask(w, "/undo", "its pictures wait for the next question");
  w.keys("C-c");
  w.wait_for("Ctrl-C again leaves");
  ask(w, "/resolution auto", "128x96 -> 128x96, 12 tokens", 2);
  ask(w, "Describe this image.", kAnswer, 2);
  ask(w, "/resolution 2500000 3000000", "seen with", 2);
  ask(w, "/image " + std::string(kPicture), " tokens, about", 2);
  w.line("/quit");
  EXPECT_THAT(w.wait_for("EXIT"), HasSubstr("EXIT 0"));
}

TEST_F(ChatWindow, a_picture_seen_before_comes_from_disk) {
  for (int round = 0; round < 3; ++round) {
    Window w(chat(round == 2 ? "--no-save" : ""));
    w.wait_for("Ctrl-D leaves");
    ask(w, "Describe this image. " + std::string(kPicture), "context 40 of");
    EXPECT_THAT(w.screen(), HasSubstr(kAnswer));
    EXPECT_THAT(w.screen(), HasSubstr(round == 1 ? "1 image from disk" : "1 image "));
    EXPECT_EQ(Window::count(w.screen(), "from disk"), round == 1 ? 1 : 0);
    w.line("/quit");
    w.wait_for("EXIT");
  }
}

TEST_F(ChatWindow, the_cache_of_a_session_is_kept_where_that_is_wanted) {
  const auto again = [&](const std::string& flags, const std::string& question, const std::string& expected) {
    Window w(chat("--disk-cache 0 --continue " + flags));
    w.wait_for("the last question was");
    ask(w, question, expected);
    w.line("/quit");
    return w.wait_for("EXIT");
  };
  {
    Window w(chat(kPicture));
    ask(w, "/set keep-cache on", "keep-cache on");
    ask(w, "Describe this image.", "context 40 of");
    ask(w, "/save first", "saved as first");
    EXPECT_THAT(w.wait_for("is kept with the session"), HasSubstr("the cache of 40 tokens is kept"));
    ask(w, "/save mine", "saved as mine");
    w.line("/quit");
    EXPECT_EQ(Window::count(w.wait_for("EXIT"), "is kept with the session"), 1);  // nothing was read since
  }
  const std::string path = folder_ / "state/tarsier/sessions/mine.kv";
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "state/tarsier/sessions/first.kv"));
  // Neither picture nor text is read again, and the new cache is kept.
  std::string screen = again("", "How many shapes are there?", " 40 kept");
  EXPECT_THAT(screen, Not(HasSubstr("1 image")));
  EXPECT_THAT(screen, ContainsRegex("the cache of [5-9][0-9] tokens is kept"));
  // One notice, and everything is read, where it does not fit or is damaged.
  screen = again("--kv-type q4", "How many shapes are there?", " 0 kept");
  EXPECT_EQ(Window::count(screen, "the conversation is read again"), 1);
  EXPECT_THAT(screen, HasSubstr("1 image"));
  std::ofstream(path) << "damaged";
  screen = again("", "/set keep-cache off", "keep-cache off");
  EXPECT_THAT(screen, ContainsRegex("mine\\.kv:[ \n]found[ \n]7[ \n]"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ChatWindow, a_loop_is_noticed) {
  Window w(chat(kEndless));
  w.wait_for("Ctrl-D leaves");
  ask(w, "hello", "stopped: the answer only repeats itself");
}

TEST_F(ChatWindow, thinking_is_folded_and_may_end) {
  const test::TemporaryFolder checkpoint;
  const std::string line = "ln -s '" TARSIER_SOURCE "'/models/tiny-vl-dense/* '" + checkpoint.path() +
                           "' && rm '" + (checkpoint / "chat_template.json") +
                           "' && printf %s '{\"chat_template\": "
                           "\"<|im_start|>assistant\\n<think>\\n\"}' > '" +
                           (checkpoint / "chat_template.json") + "' && tarsier convert '" +
                           checkpoint.path() + "' -o '" + file("thinking.gguf") + "'";
  ASSERT_EQ(test::run(line).code, 0);
  std::string command = chat(kPicture);
  command.replace(command.find(model()), model().size(), file("thinking.gguf"));
  Window w(command);
  w.wait_for("Ctrl-D leaves");
  ask(w, "/think 5", "think-budget 5");
  ask(w, "Describe this image.", "context ");
  const std::string screen = w.screen();
  EXPECT_THAT(screen, HasSubstr("\nthought (/think shows it)\n two shapes.\n"));
  EXPECT_THAT(screen, Not(HasSubstr("A yellow cross")));
  ask(w, "/think", "A yellow cross on the\n");
  ask(w, "/think on", "show-thinking on");
  ask(w, "/regen", "A yellow cross on the\n\n two shapes.");
}

TEST_F(ChatWindow, a_session_goes_on_after_kill_9) {
  {
    Window w(numbered(chat(kEndless, kSlow)));
    w.wait_for("Ctrl-D leaves");
    ask(w, "/set max-tokens 5", "max-tokens 5", 2);
    ask(w, "hello", "cut off");
    ask(w, "/set max-tokens 4000", "max-tokens 4000", 2);
    ask(w, "/set loops off", "loops off", 2);
    w.line("again");
    const std::string asked = "> again\n";
    w.wait_until([&](const std::string& screen) {  // the answer has begun
      const std::size_t at = screen.find(asked);
      return at != std::string::npos &&
             screen.find_first_not_of(" \n", at + asked.size()) != std::string::npos;
    });
    signal("KILL");
    EXPECT_THAT(w.wait_for("EXIT"), HasSubstr("EXIT 137"));
  }
  Window w(chat("--continue"));
  const std::string screen = w.wait_for("the last question was");
  EXPECT_THAT(screen, HasSubstr("3 turns, the last question was: again"));  // all but the answer
  EXPECT_THAT(screen, Not(HasSubstr("damaged")));
  ask(w, "/undo", "taken back: again");
  ask(w, "/raw", "RedRed");
}

TEST_F(ChatWindow, the_picture_may_be_deleted_between_turns) {
  std::filesystem::copy_file(std::string(TARSIER_SOURCE) + "/" + kPicture, file("mine.png"));
  {
    Window w(chat(quoted(file("mine.png"))));
    ask(w, "Describe this image.", "context 40 of");
    std::filesystem::remove(file("mine.png"));
    ask(w, "/regen", "context 40 of", 2);
    w.line("/quit");
    w.wait_for("EXIT");
  }
  Window w(chat("--continue"));
  ask(w, "/regen", kAnswer);
}

TEST_F(ChatWindow, a_terminal_that_goes_away_loses_nothing) {
  {
    Window w(chat(kEndless, kSlow));
    w.wait_for("Ctrl-D leaves");
    w.line("/set loops off");
    w.line("hello");
    w.wait_for("RedRed");
    w.close();
  }
  const std::string text = wait_for_record("assistant");
  EXPECT_THAT(text, HasSubstr("\"text\":\"hello\""));
  EXPECT_THAT(text, ContainsRegex("\"role\":\"assistant\",\"text\":\"[^\"]*RedRed"));
}

TEST_F(ChatWindow, a_home_that_cannot_be_written_costs_only_the_saving) {
  std::ofstream(folder_ / "state") << "a file, where a folder would have to be\n";
  Window w(chat(kPicture));
  const std::string start = w.wait_for("what you type is not remembered");
  EXPECT_THAT(start, HasSubstr("what you type is not remembered"));
  ask(w, "Describe this image.", kAnswer);
  EXPECT_THAT(w.screen(), HasSubstr("this session is not kept"));
}

TEST_F(ChatWindow, a_full_disk_is_said_and_the_chat_goes_on) {
  Window w("ulimit -f 1; " + chat());  // files of half a kilobyte: the second answer does not fit
  w.wait_for("Ctrl-D leaves");
  ask(w, "hello", "context");
  ask(w, "Say hello in Chinese.", "cannot be written: File too large");
  ask(w, "/raw", "你好");
}

TEST_F(ChatWindow, a_full_context_loses_the_oldest_turns) {
  Window w(chat(std::string("--context 128 --max-tokens 24 ") + kPicture));
  ask(w, "Describe this image.", "context 40 of 128");
  ask(w, "Describe this image.", "context 68 of 128");
  ask(w, "Describe this image.", "context 96 of 128");
  ask(w, "Describe this image.", "stay out of it");
  ask(w, "/context", "turns are not in the context any more");
  ask(w, "/resolution 200000 300000", "seen with");
  w.line("What is this? " + std::string(kPicture));
  EXPECT_THAT(w.wait_for("> What is this?", 2),
              ContainsRegex("the context holds 128.*\n(.*\n)*> What is this\\?"));
}

TEST_F(ChatWindow, turns_leave_a_context_that_was_kept_on_disk) {
  const std::string flags = "--context 128 --max-tokens 24 --disk-cache 0 ";
  {
    Window w(chat(flags + kPicture));
    ask(w, "/set keep-cache on", "keep-cache on");
    for (const char* used : {"context 40 of 128", "context 68 of 128", "context 96 of 128"})
      ask(w, "Describe this image.", used);
    w.line("/quit");
    w.wait_for("EXIT");
  }
  Window w(chat(flags + "--continue"));
  w.wait_for("the last question was");
  ask(w, "Describe this image.", "stay out of it");
  // The question is read, and nothing that was said before it.
  EXPECT_THAT(w.wait_for("answer"), ContainsRegex("prompt 1?[0-9] new, [3-9][0-9] kept"));
  EXPECT_THAT(w.screen(), Not(HasSubstr("1 image")));
}

// tmux hands kitty's sequences on where that is allowed; the screen holds the letters that they belong to.
TEST_F(ChatWindow, kitty_draws_through_tmux) {
  const std::string cell = "\U0010EEEE";
  {
    Window w("tmux set -g allow-passthrough on && " + chat(kPicture, "KITTY_WINDOW_ID=1"));
    const std::string screen = w.wait_for("12 tokens");
    EXPECT_GT(Window::count(screen, cell), 200);
    EXPECT_THAT(screen, HasSubstr(cell + "\u0305\u0305"));
    EXPECT_THAT(screen, Not(HasSubstr("▄")));
  }
  Window w(chat(kPicture, "KITTY_WINDOW_ID=1"));
  const std::string screen = w.wait_for("12 tokens");
  EXPECT_EQ(Window::count(screen, cell), 0);
  EXPECT_THAT(screen, HasSubstr("▄"));
}

TEST_F(ChatWindow, without_colours_there_are_none) {
  Window w(chat("--pictures none", "NO_COLOR=1"));
  w.wait_for("Ctrl-D leaves");
  ask(w, "hello", "context");
  EXPECT_THAT(w.screen("-e"), Not(ContainsRegex("\x1b\\[[0-9;]*3[0-9]m")));
}

class ChatPipe : public ChatWindow {
 protected:
  static test::Output pipe(const std::string& flags, const std::string& input) {
    return test::run("tarsier chat -m " + model() + " --temperature 0 " + flags, input);
  }
};

TEST_F(ChatPipe, answers_alone_go_to_standard_output) {
  const test::Output o = pipe(kPicture, "Describe this image.\nDescribe this image.\n");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out.substr(0, o.out.find('\n')), kAnswer);
  EXPECT_THAT(o.out + o.err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(o.out, Not(HasSubstr("> ")));
}

TEST_F(ChatPipe, a_picture_or_text_may_be_piped_in) {
  const std::string png = test::read_file(std::string(TARSIER_SOURCE) + "/" + kPicture);
  const test::Output o = pipe("-p 'Describe this image.'", png);
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, std::string(kAnswer) + "\n");
  EXPECT_EQ(pipe("-p 'Say hello'", "in Chinese.\n").code, 0);
  const test::Output bad = pipe("-p hello", std::string("\0\1\2 no picture", 14));
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err, HasSubstr("standard input: "));
}

TEST_F(ChatPipe, json_is_one_object_a_line) {
  const test::Output o = pipe("--json", "Describe @" + std::string(kPicture) + " this image.\n/nope\n");
  EXPECT_EQ(o.code, 1);
  std::istringstream lines(o.out);
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0]["event"], "picture");
  EXPECT_EQ(events[0]["tokens"], 12);
  EXPECT_EQ(events[1]["text"], kAnswer);
  EXPECT_EQ(events[1]["finish"], "stop");
  EXPECT_LE(events[1]["stats"]["encoding_seconds"], events[1]["stats"]["image_seconds"]);  // none ahead
  EXPECT_EQ(events[2]["event"], "error");
  EXPECT_EQ(o.err, "");
}

TEST_F(ChatPipe, pictures_are_as_large_as_is_asked_for) {
  // What is said of them, and their tokens.
  const auto seen = [](const std::string& flags, const std::string& input = {}) {
    const test::Output o = pipe("--json " + std::string(kPicture) + " " + flags, input);
    std::istringstream lines(o.out);
    std::vector<std::string> out;
    for (std::string line; std::getline(lines, line);) {
      const auto event = nlohmann::json::parse(line);
      if (event["event"] == "picture") out.push_back(event["tokens"].dump());
      if (event.contains("text")) out.push_back(event["text"]);
    }
    return out;
  };
  using testing::ElementsAre;
  const auto planned = HasSubstr("two-shapes.png 128x96 -> 128x96, 12 tokens, about ");
  EXPECT_THAT(seen("--max-image-tokens 6"), ElementsAre("4"));
  EXPECT_THAT(seen("--max-pixels 6144"), ElementsAre("4"));
  EXPECT_THAT(seen("--fit"), ElementsAre(planned, "12"));
  EXPECT_THAT(seen("--max-image-tokens 6", "/resolution fit 1000000\n/resolution low\n/resolution auto\n"),
              ElementsAre("4", HasSubstr("-> 64x64, 4 tokens, about "), "4", HasSubstr("to 6 tokens"), "12",
                          HasSubstr("1 to 256 tokens"), "4", HasSubstr("to 6 tokens")));
  EXPECT_THAT(pipe("", "/resolution fit -1\n").err,
              HasSubstr("fit: found fit -1, wanted nothing or seconds"));
}

// Exchanges of 40, 28 and 28 tokens; with the fourth the first must leave.
TEST_F(ChatPipe, what_stays_in_a_full_context_is_not_read_again_unless_wanted) {
  for (const bool shift : {true, false}) {
    const test::Output o =
        pipe("--json --context 128 --max-tokens 24 --context-shift " + std::string(shift ? "on " : "off ") +
                 kPicture,
             "Describe this image.\nDescribe this image.\nDescribe this image.\nDescribe this image.\n");
    std::istringstream lines(o.out);
    nlohmann::json last;
    bool left = false;
    for (std::string line; std::getline(lines, line);) {
      last = nlohmann::json::parse(line);
      left = left || line.find("stay out of it") != std::string::npos;
    }
    EXPECT_TRUE(left) << o.out;
    const int kept = last["stats"]["reused_tokens"];
    const int read = last["stats"]["prompt_tokens"];
    EXPECT_GT(kept + read, 40) << o.out;
    if (shift) {
      EXPECT_LT(read, 20) << o.out;  // the question
    } else {
      EXPECT_LT(kept, 10) << o.out;  // what every turn begins with
    }
  }
}

TEST_F(ChatPipe, a_second_question_reads_only_what_is_new) {
  const test::Output o =
      pipe("--json " + std::string(kPicture), "Describe this image.\nHow many shapes are there?\n");
  std::istringstream lines(o.out);
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(events.size(), 3U) << o.out << o.err;
  EXPECT_EQ(events[2]["stats"]["images"], 0);
  EXPECT_GE(events[2]["stats"]["reused_tokens"], 39);
  EXPECT_LT(events[2]["stats"]["prompt_tokens"], 20);
}

TEST(Doctor, says_what_is_there_and_the_sizes_of_readme) {
  const test::Output o = test::run("tarsier doctor --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto j = nlohmann::json::parse(o.out);
  EXPECT_GT(j["memory_bytes_per_second"], 0);
  const std::string readme = test::read_file(std::string(TARSIER_SOURCE) + "/README.md");
  int rows = 0;
  for (const std::string name : {"2B", "4B", "8B", "32B", "30B-A3B"}) {
    std::string row;
    for (const char* type : {"bf16", "q8_0", "q4_k"})
      for (const auto& model : j["models"])
        if (model["name"] == name + " " + type) {
          char text[32];
          std::snprintf(text, sizeof text, " %.1f |", model["bytes"].get<double>() / 1e9);
          row += text;
        }
    EXPECT_THAT(readme, HasSubstr(row)) << name;
    rows += row.empty() ? 0 : 1;
  }
  EXPECT_EQ(rows, 5);
}

}  // namespace
