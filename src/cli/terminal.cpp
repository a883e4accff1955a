#include "src/cli/terminal.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/output_file.h"

namespace tarsier::cli {
namespace {

constexpr double kSilentSeconds = 0.3;
constexpr double kRedrawSeconds = 0.1;
constexpr int kBrokenPipe = 128 + SIGPIPE;

static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): signal handlers know no other place
std::atomic<bool> g_cancel{false};

void on_end(int signal) {
  core::remove_unfinished_outputs();
  ::_exit(signal == SIGPIPE ? kBrokenPipe : signal == SIGINT ? kInterrupted : 128 + signal);
}
void on_first_interrupt(int signal) {
  if (g_cancel.exchange(true)) on_end(signal);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

bool colours() {
  const char* no_color = std::getenv("NO_COLOR");
  return stderr_is_terminal() && (no_color == nullptr || *no_color == '\0');
}

int terminal_columns() {
  struct winsize size {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }
bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

void note(std::string_view text) {
  const bool dim = colours();
  fmt::print(stderr, "{}{}{}\n", dim ? "\x1b[2m" : "", text, dim ? "\x1b[0m" : "");
}

void print(std::string_view text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  core::require(written, "standard output: ", std::strerror(errno));
}

double tokens_per_second(int tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0; }

std::string media_text(int images, int clips) {
  const auto count = [](int n, const char* what) {
    return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
  };
  std::string out = images > 0 ? count(images, "image") : "";
  if (clips > 0) out += (out.empty() ? "" : ", ") + count(clips, "clip");
  return out;
}

std::string guesses_text(int proposed, int accepted) {
  return proposed > 0 ? fmt::format(" ({} of {} guesses right)", accepted, proposed) : "";
}

std::string bytes_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1000;
  return unit == 0 ? fmt::format("{:.0f} B", bytes)
                   : fmt::format("{:.{}f} {}", bytes,
                                 bytes < 9.995   ? 2
                                 : bytes < 99.95 ? 1
                                                 : 0,
                                 kUnits[unit]);
}

std::string duration_text(double seconds) {
  const long whole = std::lround(std::clamp(seconds, 0.0, 1e9));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string about_text(double seconds) {
  return seconds < 0.95 ? fmt::format("about {:.1f} s", std::max(seconds, 0.1))
                        : "about " + duration_text(seconds);
}

void ProgressBar::progress(std::string_view step, double done, double total) {
  if (!shown_) return;
  const auto now = Clock::now();
  if (step_ != step || done < last_done_) {
    erase();
    step_ = step;
    begin_ = now;
    first_done_ = done;
  }
  last_done_ = done;
  if (done >= total) {
    erase();
    step_.clear();
    return;
  }
  const std::chrono::duration<double> since_begin = now - begin_;
  const std::chrono::duration<double> since_draw = now - last_draw_;
  if (since_begin.count() < kSilentSeconds || since_draw.count() < kRedrawSeconds) return;
  last_draw_ = now;
  draw(done, total);
}

void ProgressBar::draw(double done, double total) {
  const double share = std::clamp(done / total, 0.0, 1.0);
  const std::chrono::duration<double> spent = Clock::now() - begin_;
  const double mine = done - first_done_;
  const std::string left = mine > 0 ? duration_text(spent.count() * (total - done) / mine) + " left" : "";
  const std::string head = fmt::format("{:<8} {:3.0f} % ", step_, share * 100);
  const int width = std::clamp(terminal_columns() - static_cast<int>(head.size() + left.size()) - 5, 4, 40);
  const auto filled = static_cast<std::size_t>(share * width);
  fmt::print(stderr, "\r\x1b[K{}[{}{}] {}", head, std::string(filled, '='),
             std::string(static_cast<std::size_t>(width) - filled, ' '), left);
  std::fflush(stderr);
  on_screen_ = true;
}

void ProgressBar::erase() {
  if (!on_screen_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  on_screen_ = false;
}

const std::atomic<bool>* cancel_on_interrupt() {
  handle(SIGINT, on_first_interrupt);
  handle(SIGTERM, on_end);
  handle(SIGPIPE, on_end);
  return &g_cancel;
}

void exit_on_interrupt() {
  handle(SIGINT, on_end);
  handle(SIGTERM, on_end);
  handle(SIGPIPE, on_end);
}

}  // namespace tarsier::cli
