#include "src/cli/chat_signals.h"

#include <termios.h>
#include <unistd.h>

#include <csignal>

#include "ggml-like-core/base/output_file.h"
#include "src/cli/terminal.h"

namespace tarsier::cli {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): signal handlers know no other place
std::atomic<bool> g_answering{false};
std::atomic<bool> g_cancel{false};
std::atomic<bool> g_interrupted{false};
std::atomic<bool> g_resized{false};
std::atomic<bool> g_hung_up{false};
std::atomic<int> g_signal{0};
std::atomic<bool> g_quiet{false};
struct termios g_loud {};  // the terminal as it was, while quiet
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void end_quiet() {
  if (g_quiet.exchange(false)) ::tcsetattr(STDIN_FILENO, TCSANOW, &g_loud);
}

void on_signal(int signal) {
  if (signal == SIGWINCH) {
    g_resized = true;
  } else if (signal == SIGINT && !g_answering) {
    g_interrupted = true;
  } else if (signal == SIGINT) {
    if (!g_cancel.exchange(true)) return;
    core::remove_unfinished_outputs();
    end_quiet();
    constexpr char kCursor[] = "\x1b[0m\n";
    [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, kCursor, sizeof kCursor - 1);
    ::_exit(kInterrupted);
  } else {
    g_signal = signal;
    g_cancel = true;
    g_hung_up = true;
  }
}

}  // namespace

ChatSignals::ChatSignals() {
  for (const int signal : {SIGINT, SIGHUP, SIGTERM, SIGWINCH}) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
  }
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);  // writing says that it failed
}

ChatSignals::Answering::Answering(bool quiet) {
  if (!g_hung_up) g_cancel = false;
  g_answering = true;
  if (!quiet || ::tcgetattr(STDIN_FILENO, &g_loud) != 0) return;
  struct termios silent = g_loud;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  silent.c_lflag |= NOFLSH;  // Ctrl-C stops the answer, and leaves what was typed
  g_quiet = true;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &silent);
}
ChatSignals::Answering::~Answering() {
  end_quiet();
  g_answering = false;
}

const std::atomic<bool>* ChatSignals::cancel() const { return &g_cancel; }
void ChatSignals::request_cancel() const { g_cancel = true; }
bool ChatSignals::hung_up() const { return g_hung_up; }
void ChatSignals::lose_terminal() const {
  g_cancel = true;
  g_hung_up = true;
}
int ChatSignals::exit_code() const { return g_signal != 0 ? 128 + g_signal : kFailed; }
terminal::SignalFlags ChatSignals::flags() const {
  return {.interrupted = &g_interrupted, .resized = &g_resized, .hung_up = &g_hung_up};
}

}  // namespace tarsier::cli
