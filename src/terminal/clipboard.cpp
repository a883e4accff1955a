#include "src/terminal/clipboard.h"

#include <glib.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ggml-like-core/base/error.h"

namespace tarsier::terminal {
namespace {

bool set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

struct Programs {
  const char* paste;
  const char* copy;
};
// Of the desktop that this process runs in; null: there is none.
Programs programs() {
  if (set("WAYLAND_DISPLAY"))
    return {"wl-paste --no-newline --type image/png 2>/dev/null", "wl-copy 2>/dev/null"};
  if (set("DISPLAY"))
    return {"xclip -selection clipboard -t image/png -o 2>/dev/null",
            "xclip -selection clipboard 2>/dev/null"};
  return {nullptr, nullptr};
}

}  // namespace

std::vector<std::byte> picture_from_clipboard() {
  const char* command = programs().paste;
  core::require(command != nullptr,
                "no clipboard here: neither Wayland (WAYLAND_DISPLAY) nor X11 (DISPLAY) is there");
  std::FILE* from = ::popen(command, "r");
  core::require(from != nullptr, "the clipboard cannot be read");
  std::vector<std::byte> bytes;
  std::byte part[65536];
  while (const std::size_t n = std::fread(part, 1, sizeof part, from))
    bytes.insert(bytes.end(), part, part + n);
  const int status = ::pclose(from);
  const std::string program(command, std::strcspn(command, " "));
  constexpr int kNotFound = 127 << 8;
  core::require(status != kNotFound, program, " is not installed: it reads the clipboard");
  core::require(status == 0 && !bytes.empty(), "there is no picture in the clipboard");
  return bytes;
}

std::string text_to_clipboard(std::string_view text) {
  if (const char* command = programs().copy) {
    std::FILE* to = ::popen(command, "w");
    if (to != nullptr) {
      const bool written = std::fwrite(text.data(), 1, text.size(), to) == text.size();
      if (::pclose(to) == 0 && written) return "";
    }
  }
  gchar* coded = g_base64_encode(reinterpret_cast<const guchar*>(text.data()), text.size());
  std::string out = "\x1b]52;c;" + std::string(coded) + "\x07";
  g_free(coded);
  return out;
}

}  // namespace tarsier::terminal
