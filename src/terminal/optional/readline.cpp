// Lines by GNU readline. In its place where it is not there: without_readline.cpp.
#include <fcntl.h>
#include <poll.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "ggml-like-core/base/error.h"
#include "src/terminal/line_editor.h"

namespace tarsier::terminal {
namespace {

constexpr int kHistoryLines = 5000;
constexpr int kWaitMilliseconds = 100;
constexpr int kTypedAhead = 1000;

// What readline's callbacks, which take no argument, work with.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
Completer g_completer;
std::string g_begun;
bool g_done = false;
bool g_end = false;
std::string g_line;
std::vector<std::string> g_words;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

char* copy_of(const std::string& text) { return ::strdup(text.c_str()); }

void on_line(char* line) {
  g_done = true;
  g_end = line == nullptr;
  g_line = line != nullptr ? line : "";
  std::free(line);
  ::rl_callback_handler_remove();
}

int insert_begun() {
  ::rl_insert_text(g_begun.c_str());
  g_begun.clear();
  return 0;
}

int new_line(int /*count*/, int /*key*/) { return ::rl_insert_text("\n"); }

int open_editor(int /*count*/, int /*key*/) {
  const std::string before = ::rl_line_buffer;
  ::rl_deprep_terminal();
  std::string after = before;
  try {
    after = edit_text(before);
  } catch (const core::Error& e) {
    std::fprintf(stderr, "\n%s\n", e.what());
  }
  ::rl_prep_terminal(1);
  while (after.ends_with('\n')) after.pop_back();
  ::rl_replace_line(after.c_str(), 0);
  ::rl_point = ::rl_end;
  ::rl_on_new_line();
  ::rl_forced_update_display();
  return 0;
}

char* next_word(const char* /*text*/, int state) {
  static std::size_t at = 0;
  if (state == 0) at = 0;
  return at < g_words.size() ? copy_of(g_words[at++]) : nullptr;
}

char** complete(const char* text, int start, int /*end*/) {
  const std::string line(::rl_line_buffer, static_cast<std::size_t>(start));
  const Completions found = g_completer(line + text, text);
  g_words = found.words;
  ::rl_filename_completion_desired = 0;
  if (!g_words.empty()) {
    ::rl_attempted_completion_over = 1;
    return ::rl_completion_matches(text, next_word);
  }
  ::rl_attempted_completion_over = found.paths ? 0 : 1;
  return nullptr;
}

// Names of files with blanks are written as a shell wants them.
constexpr const char* kQuoted = " \t\n\"'\\*?[";

char* quote(char* text, int match, char* quote_sign) {
  std::string out;
  const bool quotes = quote_sign != nullptr && *quote_sign != '\0';
  for (const char* c = text; *c != '\0'; ++c) {
    if (!quotes && std::strchr(kQuoted, *c) != nullptr) out += '\\';
    out += *c;
  }
  if (quotes) out = *quote_sign + out + (match == SINGLE_MATCH ? std::string(1, *quote_sign) : "");
  return copy_of(out);
}

char* unquote(char* text, int quote_sign) {
  std::string out;
  for (const char* c = text; *c != '\0'; ++c) {
    if (*c == '\\' && quote_sign == 0 && c[1] != '\0') ++c;
    if (quote_sign != 0 && *c == quote_sign) continue;
    out += *c;
  }
  return copy_of(out);
}

int is_quoted(char* line, int at) {
  int backslashes = 0;
  while (at - backslashes > 0 && line[at - backslashes - 1] == '\\') ++backslashes;
  return backslashes % 2;
}

bool take(std::atomic<bool>* flag) { return flag != nullptr && flag->exchange(false); }

}  // namespace

LineEditor::LineEditor(const Completer& completer, const SignalFlags& signals) : signals_(signals) {
  g_completer = completer;
  ::rl_readline_name = "tarsier";
  ::rl_catch_signals = 0;  // the program's own handlers say what happened
  ::rl_catch_sigwinch = 0;
  ::rl_attempted_completion_function = complete;
  ::rl_completer_word_break_characters = const_cast<char*>(" \t\n@");
  ::rl_completer_quote_characters = "\"'";
  ::rl_filename_quote_characters = kQuoted;
  ::rl_filename_quoting_function = quote;
  ::rl_filename_dequoting_function = unquote;
  ::rl_char_is_quoted_p = is_quoted;
  ::rl_startup_hook = insert_begun;
  ::rl_initialize();
  ::rl_variable_bind("enable-bracketed-paste", "on");
  ::rl_variable_bind("colored-stats", "off");
  for (const char* keys : {"\\e\\C-m", "\\e\\C-j"}) ::rl_bind_keyseq(keys, new_line);
  ::rl_bind_keyseq("\\C-g", open_editor);
  ::using_history();
  ::stifle_history(kHistoryLines);
}

LineEditor::~LineEditor() {
  ::rl_startup_hook = nullptr;
  ::rl_attempted_completion_function = nullptr;
}

Typed LineEditor::read(const std::string& prompt, const std::string& begun,
                       const std::function<void()>& while_waiting) {
  g_begun = begun;
  g_done = false;
  // Columns of colours do not count.
  std::string marked;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const std::size_t end = prompt[i] == '\x1b' ? prompt.find('m', i) : std::string::npos;
    if (end == std::string::npos) {
      marked += prompt[i];
    } else {
      marked += RL_PROMPT_START_IGNORE + prompt.substr(i, end - i + 1) + RL_PROMPT_END_IGNORE;
      i = end;
    }
  }
  ::rl_callback_handler_install(marked.c_str(), on_line);
  while (!g_done) {
    if (take(signals_.resized)) ::rl_resize_terminal();
    if (take(signals_.interrupted)) {
      Typed typed{.kind = Typed::Kind::interrupted, .text = ::rl_line_buffer};
      ::rl_free_line_state();
      ::rl_callback_sigcleanup();
      std::fputs("\n", stdout);
      std::fflush(stdout);
      ::rl_callback_handler_remove();
      return typed;
    }
    if (signals_.hung_up != nullptr && *signals_.hung_up) {
      ::rl_callback_handler_remove();
      return {.kind = Typed::Kind::end, .text = ""};
    }
    struct pollfd in {
      .fd = STDIN_FILENO, .events = POLLIN, .revents = 0
    };
    const int ready = ::poll(&in, 1, kWaitMilliseconds);
    // What is there when a person has interrupted was typed behind that: the terminal forgets what came
    // before.
    const auto interrupted = [&] { return signals_.interrupted != nullptr && *signals_.interrupted; };
    if (ready > 0) {
      // All that was typed ahead or pasted, before anything else is looked at.
      for (int n = 0; n < kTypedAhead && !g_done && !interrupted(); ++n) {
        ::rl_callback_read_char();
        if (g_done || ::poll(&in, 1, 0) <= 0) break;
      }
    } else if (ready == 0 && while_waiting) {
      while_waiting();
    }
  }
  if (g_end) return {.kind = Typed::Kind::end, .text = ""};
  return {.kind = Typed::Kind::text, .text = g_line};
}

std::string LineEditor::keep_history(const std::string& path) {
  ::history_comment_char = '#';
  ::history_write_timestamps = 1;
  ::history_multiline_entries = 1;
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
  const int fd =
      failed ? -1 : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return path + ": " + (failed ? failed.message() : std::strerror(errno));
  ::close(fd);
  ::read_history(path.c_str());
  history_ = path;
  return "";
}

void LineEditor::remember(const std::string& text) {
  const HIST_ENTRY* last =
      ::history_length > 0 ? ::history_get(::history_base + ::history_length - 1) : nullptr;
  if (text.empty() || (last != nullptr && text == last->line)) return;
  ::add_history(text.c_str());
  if (!history_.empty()) ::append_history(1, history_.c_str());
}

std::string line_editor_library() { return std::string("readline ") + ::rl_library_version; }

}  // namespace tarsier::terminal
