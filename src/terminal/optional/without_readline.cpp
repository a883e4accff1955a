// In place of readline.cpp where readline was not there when the program was built, or not wanted: the
// terminal edits a line, which ends with Enter.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "src/terminal/line_editor.h"

namespace tarsier::terminal {
namespace {

constexpr int kWaitMilliseconds = 100;

bool take(std::atomic<bool>* flag) { return flag != nullptr && flag->exchange(false); }

void show(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

LineEditor::LineEditor(const Completer& /*completer*/, const SignalFlags& signals) : signals_(signals) {}
LineEditor::~LineEditor() = default;

// What was begun cannot be taken back: what is typed goes on with it.
Typed LineEditor::read(const std::string& prompt, const std::string& begun,
                       const std::function<void()>& while_waiting) {
  show(prompt + begun);
  std::string line = begun;
  for (;;) {
    if (take(signals_.interrupted)) {
      show("\n");
      read_.clear();
      return {.kind = Typed::Kind::interrupted, .text = line};
    }
    if (signals_.hung_up != nullptr && *signals_.hung_up) return {.kind = Typed::Kind::end, .text = ""};
    if (const std::size_t end = read_.find('\n'); end != std::string::npos) {
      line += read_.substr(0, end);
      read_.erase(0, end + 1);
      return {.kind = Typed::Kind::text, .text = line};
    }
    struct pollfd in {
      .fd = STDIN_FILENO, .events = POLLIN, .revents = 0
    };
    const int ready = ::poll(&in, 1, kWaitMilliseconds);
    if (ready == 0 && while_waiting) while_waiting();
    if (ready <= 0) continue;
    std::array<char, 4096> bytes;
    const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n > 0) {
      read_.append(bytes.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      return {.kind = Typed::Kind::end, .text = ""};
    }
  }
}

std::string LineEditor::keep_history(const std::string& /*path*/) {
  return "this program was built without readline";
}
void LineEditor::remember(const std::string& /*text*/) {}

std::string line_editor_library() { return "none"; }

}  // namespace tarsier::terminal
