// Lines typed by a person: with readline several of them, history on disk, completion and the person's own
// editor; without it (CMake's TARSIER_GPL) the terminal's own plain lines.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tarsier::terminal {

// What may stand where the cursor is. line: all before the cursor; word: its last word.
struct Completions {
  std::vector<std::string> words;  // that begin with word
  bool paths = true;               // else or besides: paths
};
using Completer = std::function<Completions(std::string_view line, std::string_view word)>;

// Set by the program's handlers of SIGINT, SIGWINCH and SIGHUP; may be null.
struct SignalFlags {
  std::atomic<bool>* interrupted = nullptr;
  std::atomic<bool>* resized = nullptr;
  std::atomic<bool>* hung_up = nullptr;
};

struct Typed {
  enum class Kind { text, interrupted, end };
  Kind kind = Kind::text;
  std::string text;  // interrupted: what had been typed
};

// One for each process: readline's state is global. Without readline only `begun` and interrupts mean
// something.
class LineEditor {
 public:
  LineEditor(const Completer& completer, const SignalFlags& signals);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // begun: stands in the line at first. while_waiting (may be empty) is called about ten times a second.
  Typed read(const std::string& prompt, const std::string& begun = {},
             const std::function<void()>& while_waiting = {});

  // Reads the history at path, and keeps it there from now on. "" or why it cannot be kept.
  std::string keep_history(const std::string& path);
  void remember(const std::string& text);

 private:
  SignalFlags signals_;
  std::string history_;  // path; empty: not kept
  std::string read_;     // without readline: typed behind the line that was given
};

// "readline 8.2", or "none".
std::string line_editor_library();

// text as changed in $VISUAL, $EDITOR or vi. Error: the editor cannot be run or says that it failed.
std::string edit_text(const std::string& text);

}  // namespace tarsier::terminal
