// What the program shows beside its answer: progress bars and notes on standard error, and what Ctrl-C does.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "ggml-like-core/base/observer.h"

namespace tarsier::cli {

enum ExitCode : int { kOk = 0, kFailed = 1, kUsage = 2, kInterrupted = 130 };

bool stderr_is_terminal();
bool stdin_is_terminal();

// One line on standard error, dim on a terminal unless NO_COLOR is set.
void note(std::string_view text);

// Writes to standard output at once. Error: what the operating system says (a full disk).
void print(std::string_view text);

// "1.50 GB", "12.3 MB": powers of 1000.
std::string bytes_text(double bytes);

// 0 where no time has passed.
double tokens_per_second(int tokens, double seconds);
// "1 image, 2 clips"; "" where there are none.
std::string media_text(int images, int clips);
// " (12 of 20 guesses right)" of SessionStats; nothing where none was made.
std::string guesses_text(int proposed, int accepted);

// "4 s", "2 min 05 s".
std::string duration_text(double seconds);
// "about 0.4 s", "about 4 s": of an estimate.
std::string about_text(double seconds);

// A bar on standard error with the time that is left. Nothing where standard error is no terminal; nothing
// for steps shorter than 0.3 s. For one thread at a time.
class ProgressBar : public core::ProgressObserver {
 public:
  ProgressBar() : shown_(stderr_is_terminal()) {}
  ~ProgressBar() override { erase(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void progress(std::string_view step, double done, double total) override;
  void erase();  // of a step that was given up

 private:
  using Clock = std::chrono::steady_clock;
  void draw(double done, double total);

  bool shown_;
  bool on_screen_ = false;
  std::string step_;
  double last_done_ = 0;
  double first_done_ = 0;  // when it was first heard of
  Clock::time_point begin_;
  Clock::time_point last_draw_;
};

// The first Ctrl-C sets the returned flag; the second, and SIGTERM, remove unfinished files and end the
// program.
const std::atomic<bool>* cancel_on_interrupt();
// Every Ctrl-C removes unfinished files and ends the program with kInterrupted.
void exit_on_interrupt();

}  // namespace tarsier::cli
