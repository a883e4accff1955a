// tarsier chat with the demo model in a terminal of tmux, in a home of its own.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "src/terminal/line_editor.h"
#include "tests/cli/program.h"
#include "tests/window.h"

namespace test {

inline constexpr const char* kAnswer = "A yellow cross on the left and a red circle on the right.";
inline constexpr const char* kPicture = "examples/pictures/two-shapes.png";
// An answer that never ends by itself: tokens that the answer has become likelier.
inline constexpr const char* kEndless = "--frequency-penalty=-50";
// Slow on every machine: what a test means to catch at work is still at work.
inline constexpr const char* kSlow = "TARSIER_ISA=scalar";

class ChatWindow : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    models_ = std::make_unique<TemporaryFolder>();
    const Output made = run("tarsier convert models/tiny-vl-dense -o " + model());
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() { models_.reset(); }
  static std::string model() { return *models_ / "dense.gguf"; }

  static bool edits_lines() { return tarsier::terminal::line_editor_library() != "none"; }

  std::string file(const std::string& name) const { return folder_ / name; }
  // The command line in this test's own home.
  std::string chat(const std::string& flags = {}, const std::string& environment = {}) const {
    return "cd " + quoted(TARSIER_SOURCE) +
           " && exec env -u WAYLAND_DISPLAY -u DISPLAY HOME=" + quoted(folder_.path()) +
           " XDG_STATE_HOME=" + quoted(folder_ / "state") + " XDG_CACHE_HOME=" + quoted(folder_ / "cache") +
           " " + environment + " " + quoted(TARSIER_BUILD) + "/tarsier chat -m " + quoted(model()) +
           " --temperature 0 " + flags;
  }
  // The same, with the number of its process in file("pid").
  std::string numbered(const std::string& command) const {
    return "sh -c " + quoted("echo $$ > " + quoted(file("pid")) + "; " + command);
  }
  void signal(const std::string& name) const { run("kill -" + name + " $(cat '" + file("pid") + "')"); }

  // expected must be more than the question itself says.
  static void ask(Window& window, const std::string& question, const std::string& expected, int times = 1) {
    window.line(question);
    const std::string screen = window.wait_for(expected, times);
    ASSERT_GE(Window::count(screen, expected), times) << "after " << question << ": " << expected << "\n"
                                                      << screen;
  }

  // Waits until text stands in a session file; what the files hold.
  std::string wait_for_record(const std::string& text) const {
    return wait_until_output("cat '" + (folder_ / "state") + "'/tarsier/sessions/*.jsonl", text);
  }
  // Waits until the rows of a picture are on disk: it has been encoded.
  void wait_for_rows() const {
    const std::string list = "ls '" + (folder_ / "cache") + "/tarsier/pictures' | grep -v part";
    ASSERT_NE(wait_until_output(list, "\n"), "");
  }

  TemporaryFolder folder_;

 private:
  static std::string wait_until_output(const std::string& command, const std::string& text) {
    std::string now;
    for (const auto end = std::chrono::steady_clock::now() + Window::kPatience;
         now.find(text) == std::string::npos && std::chrono::steady_clock::now() < end;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      now = run(command).out;
    }
    return now;
  }
  inline static std::unique_ptr<TemporaryFolder> models_;
};

}  // namespace test
