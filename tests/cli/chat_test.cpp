// tarsier chat through a pseudo-terminal: keys in, screen out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "src/input/image.h"
#include "tests/cli/program.h"
#include "tests/window.h"

namespace {

using test::quoted;
using test::Window;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kAnswer = "A yellow cross on the left and a red circle on the right.";
constexpr const char* kPicture = "examples/pictures/two-shapes.png";

class ChatWindow : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    models_ = std::make_unique<test::TemporaryFolder>();
    const test::Output made = test::run("tarsier convert models/tiny-vl-dense -o " + model());
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() { models_.reset(); }
  static std::string model() { return *models_ / "dense.gguf"; }

  std::string file(const std::string& name) const { return folder_ / name; }
  // The command line in this test's own home.
  std::string chat(const std::string& flags = {}, const std::string& environment = {}) const {
    return "cd " + quoted(TARSIER_SOURCE) +
           " && env -u WAYLAND_DISPLAY -u DISPLAY HOME=" + quoted(folder_.path()) +
           " XDG_STATE_HOME=" + quoted(folder_ / "state") + " " + environment + " " + quoted(TARSIER_BUILD) +
           "/tarsier chat -m " + quoted(model()) + " --temperature 0 " + flags;
  }
  static void ask(Window& window, const std::string& question, const std::string& expected, int times = 1) {
    window.line(question);
    ASSERT_THAT(window.wait_for(expected, times), HasSubstr(expected));
  }

  test::TemporaryFolder folder_;
  static std::unique_ptr<test::TemporaryFolder> models_;
};
std::unique_ptr<test::TemporaryFolder> ChatWindow::models_;

TEST_F(ChatWindow, a_dropped_picture_is_shown_and_seen) {
  Window w(chat());
  ASSERT_THAT(w.wait_for("> "), HasSubstr("/help lists the commands"));
  w.line("Describe this image. '" + std::string(kPicture) + "'");
  const std::string screen = w.wait_for("context 40 of");
  EXPECT_THAT(screen, HasSubstr(kAnswer));
  EXPECT_THAT(screen, HasSubstr("two-shapes.png 128x96 -> 128x96, 12 tokens"));
  EXPECT_THAT(screen, HasSubstr("▄"));
  w.line("/quit");
  EXPECT_THAT(w.wait_for("EXIT"), HasSubstr("EXIT 0"));
}

}  // namespace
