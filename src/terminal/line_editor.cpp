#include "src/terminal/line_editor.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ggml-like-core/base/error.h"

namespace tarsier::terminal {

std::string edit_text(const std::string& text) {
  std::string path = std::filesystem::temp_directory_path() / "tarsier-XXXXXX";
  const int fd = ::mkstemp(path.data());
  core::require(fd >= 0, path, ": ", std::string_view(std::strerror(errno)));
  ::close(fd);
  std::ofstream(path, std::ios::binary) << text << "\n";
  const char* editor = std::getenv("VISUAL");
  if (editor == nullptr || *editor == '\0') editor = std::getenv("EDITOR");
  if (editor == nullptr || *editor == '\0') editor = "vi";
  const std::string command = std::string(editor) + " '" + path + "'";
  const int status = std::system(command.c_str());
  std::ifstream in(path, std::ios::binary);
  std::string changed{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  ::unlink(path.c_str());
  core::require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the editor (", std::string_view(editor),
                ") failed: nothing is changed");
  return changed;
}

}  // namespace tarsier::terminal
