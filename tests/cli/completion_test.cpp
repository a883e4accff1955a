// Completion in the shells themselves: keys in, screen out. And what a package puts beside the program.
#include "src/cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/cli/program.h"
#include "tests/window.h"

namespace {

using test::Window;
using testing::HasSubstr;

struct Shell {
  const char* name;
  const char* start;  // without the person's own files
  const char* load;
};
constexpr Shell kShells[] = {
    {"bash", "bash --norc --noprofile", "eval \"$(tarsier completion bash)\""},
    {"zsh", "zsh -f", "autoload -Uz compinit; compinit -u -D; eval \"$(tarsier completion zsh)\""},
    {"zsh_installed", "zsh -f",
     "tarsier completion zsh > _tarsier; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D"},
    {"fish", "fish --no-config", "tarsier completion fish | source"}};

class Completion : public testing::TestWithParam<Shell> {};

TEST_P(Completion, a_tab_ends_commands_flags_choices_and_files) {
  const Shell& shell = GetParam();
  const std::string program = std::string(shell.start).substr(0, std::string(shell.start).find(' '));
  if (test::run("command -v " + program).code != 0) GTEST_SKIP() << program << " is not installed";
  const test::TemporaryFolder folder;
  std::ofstream(folder / "model-of-mine.gguf") << "x";
  Window w("cd '" + folder.path() + "' && exec env HOME='" + folder.path() + "' XDG_DATA_HOME='" +
           folder.path() + "' PATH='" TARSIER_BUILD "':\"$PATH\" PS1='$ ' " + shell.start);
  w.line(shell.load);
  w.line("echo loa''ded");
  ASSERT_THAT(w.wait_for("loaded"), HasSubstr("loaded"));
  const auto completed = [&](const std::string& begun, const std::string& whole) {
    w.line("clear");
    w.type(begun);
    w.keys("Tab");
    const std::string screen = w.wait_for(whole);
    w.keys("C-c");
    EXPECT_THAT(screen, HasSubstr(whole));
  };
  completed("tarsier comp", "tarsier completion");
  completed("tarsier chat --pict", "tarsier chat --pictures");
  completed("tarsier chat --pictures six", "tarsier chat --pictures sixel");
  completed("tarsier chat -m model-of", "tarsier chat -m model-of-mine.gguf");
  completed("tarsier chat --kv-ty", "tarsier chat --kv-type");
  completed("tarsier completion z", "tarsier completion zsh");
}
INSTANTIATE_TEST_SUITE_P(Shells, Completion, testing::ValuesIn(kShells),
                         [](const auto& shell) { return std::string(shell.param.name); });

TEST(ManPage, knows_commands_and_what_a_chat_understands) {
  const std::string man = test::run("tarsier man").out;
  EXPECT_THAT(man, HasSubstr(".SS chat\n"));
  EXPECT_THAT(man, HasSubstr("/resolution"));
}

TEST(Package, holds_a_program_that_runs_with_its_page_and_its_completions) {
  for (const char* tool : {"cpack", "dpkg-deb", "dpkg-shlibdeps"})
    if (test::run("command -v " + std::string(tool)).code != 0) GTEST_SKIP() << tool << " is not installed";
  const test::TemporaryFolder folder;
  const test::Output made = test::run("cd '" TARSIER_BUILD "' && cpack -B '" + folder.path() + "'");
  ASSERT_EQ(made.code, 0) << made.out << made.err;
  const std::string root = folder / "root";
  ASSERT_EQ(test::run("dpkg-deb -x '" + folder.path() + "'/*.deb '" + root + "'").code, 0);
  EXPECT_EQ(test::run("'" + root + "/usr/bin/tarsier' --version").out, test::run("tarsier --version").out);
  for (const std::string file : {"man/man1/tarsier.1", "bash-completion/completions/tarsier",
                                 "zsh/vendor-completions/_tarsier", "fish/vendor_completions.d/tarsier.fish"})
    EXPECT_THAT(test::read_file(root + "/usr/share/" + file), HasSubstr("tarsier")) << file;
  const std::string needs = test::run("dpkg-deb -f '" + folder.path() + "'/*.deb Depends").out;
  for (const char* library : {"libc6", "libpng", "libreadline"}) EXPECT_THAT(needs, HasSubstr(library));
}

}  // namespace
