// Runs the programs of this build as a shell would, and keeps what they say.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "ggml-like-core/base/error.h"

namespace test {

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  core::require(in.good(), path, ": cannot be opened");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A folder that is gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "tarsier_cli_XXXXXX";
    core::require(::mkdtemp(name.data()) != nullptr, name, ": cannot be made");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Output {
  int code = -1;  // of the exit; 128 + signal where one ended the program
  std::string out, err;
};

// command: for the shell; "tarsier ..." and the names of examples are those of this build.
inline Output run(const std::string& command, const std::string& input = {}) {
  const TemporaryFolder folder;
  std::ofstream(folder / "in", std::ios::binary) << input;
  const std::string line = "cd '" TARSIER_SOURCE "' && PATH='" TARSIER_BUILD "':\"$PATH\" && ( " + command +
                           " ) <'" + (folder / "in") + "' >'" + (folder / "out") + "' 2>'" +
                           (folder / "err") + "'";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(folder / "out"),
          read_file(folder / "err")};
}

}  // namespace test
