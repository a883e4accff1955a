// A program in a real terminal (tmux's), driven by keys and read from the screen.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "ggml-like-core/base/error.h"

namespace test {

// What a shell takes as one word.
inline std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

inline std::string output_of(const std::string& command) {
  std::FILE* from = ::popen(command.c_str(), "r");
  core::require(from != nullptr, command, ": cannot be run");
  std::string out;
  char part[4096];
  while (const std::size_t n = std::fread(part, 1, sizeof part, from)) out.append(part, n);
  ::pclose(from);
  return out;
}

// The window stays when the program ends, with "EXIT code" in it.
class Window {
 public:
  // Until what is waited for must have come: no measure of anything, on a busy machine either.
  static constexpr std::chrono::seconds kPatience{120};
  explicit Window(const std::string& command, int columns = 100, int rows = 40) {
    static int n = 0;
    tmux_ =
        "tmux -L tarsier-test-" + std::to_string(::getpid()) + "-" + std::to_string(++n) + " -f /dev/null ";
    const std::string line = "(" + command + "); printf 'EXIT %s\\n' $?; sleep 600";
    run("new-session -d -s s -x " + std::to_string(columns) + " -y " + std::to_string(rows) + " " +
        quoted(line));
  }
  ~Window() { run("kill-server"); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  void keys(const std::string& names) {
    run("send-keys -t s " + names);
  }  // tmux's names: Enter, C-c, M-Enter
  void type(const std::string& text) { run("send-keys -t s -l -- " + quoted(text)); }
  void line(const std::string& text) {
    type(text);
    keys("Enter");
  }
  // As a terminal pastes it, in brackets.
  void paste(const std::string& text) {
    run("set-buffer " + quoted(text));
    run("paste-buffer -p -t s");
  }
  void resize(int columns, int rows) {
    run("resize-window -t s -x " + std::to_string(columns) + " -y " + std::to_string(rows));
  }
  void close() { run("kill-session -t s"); }  // the terminal goes away

  // What was and is on the screen, without colours.
  std::string screen(const std::string& flags = "-S -") const {
    return output_of(tmux_ + "capture-pane -p " + flags + " -t s 2>/dev/null");
  }
  // What a program handed to the terminal's clipboard; tmux takes it where set-clipboard is on.
  std::string clipboard() const { return output_of(tmux_ + "show-buffer 2>/dev/null"); }
  static int count(const std::string& screen, const std::string& text) {
    int n = 0;
    for (std::size_t at = screen.find(text); at != std::string::npos; at = screen.find(text, at + 1)) ++n;
    return n;
  }
  // Waits until text stands on the screen at least so often; what the screen shows then or at the end of
  // patience.
  std::string wait_for(const std::string& text, int times = 1) const {
    return wait_until([&](const std::string& now) { return count(now, text) >= times; });
  }
  // The same until the screen is as wanted.
  template <class Wanted>
  std::string wait_until(const Wanted& wanted) const {
    for (const auto end = std::chrono::steady_clock::now() + kPatience;;) {
      const std::string now = screen();
      if (wanted(now) || std::chrono::steady_clock::now() > end) return now;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

 private:
  void run(const std::string& arguments) const {
    const std::string command = tmux_ + arguments + " >/dev/null 2>&1";
    [[maybe_unused]] const int status = std::system(command.c_str());
  }
  std::string tmux_;
};

}  // namespace test
