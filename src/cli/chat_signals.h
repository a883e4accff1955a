// What signals mean to a chat: Ctrl-C stops an answer, a second one leaves; a terminal that goes away ends
// the answer and the program, in order.
#pragma once

#include <atomic>

#include "src/terminal/line_editor.h"

namespace tarsier::cli {

class ChatSignals {
 public:
  ChatSignals();  // takes over SIGINT, SIGHUP, SIGTERM and SIGWINCH

  // While one lives, Ctrl-C cancels, and a second Ctrl-C ends the program at once. quiet: the terminal shows
  // nothing of what is typed meanwhile; the next line begins with it.
  class Answering {
   public:
    explicit Answering(bool quiet);
    ~Answering();
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;
  };

  const std::atomic<bool>* cancel() const;
  void request_cancel() const;  // as Ctrl-C
  bool hung_up() const;         // SIGHUP or SIGTERM came, or lose_terminal()
  void lose_terminal() const;   // nothing can be shown any more
  int exit_code() const;        // of the program that ends for this reason
  terminal::SignalFlags flags() const;
};

}  // namespace tarsier::cli
