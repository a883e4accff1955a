// bench/peers/peers.py on a bundled model, without any peer: its own logic, its table and its files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

TEST(Peers, a_missing_peer_says_why_and_leaves_the_table) {
  if (test::run("python3 --version").code != 0) GTEST_SKIP() << "there is no python3 on this system";
  const test::TemporaryFolder folder;
  const std::string flags = "--quick --no-install --runs 1 --folder " + folder.path() +
                            " --only prompt-64,ik --tarsier " TARSIER_BUILD "/tarsier --markdown " +
                            (folder / "section.md") + " --svg " + (folder / "plot.svg") + " --json " +
                            (folder / "figures.json");
  const test::Output o = test::run("python3 bench/peers/peers.py " + flags);
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, test::read_file(folder / "section.md"));
  EXPECT_THAT(o.out, ContainsRegex("\n\\| tiny: prompt of 64 \\| tok/s \\| [0-9.]+ \\([^|]+\\) \\| failed "
                                   "\\| [0-9]+ % \\|\n"));
  EXPECT_THAT(o.out, HasSubstr("ik: no folder of its programs was given (--ik)"));
  EXPECT_THAT(test::read_file(folder / "plot.svg"), HasSubstr("</svg>"));
  const auto figures = nlohmann::json::parse(test::read_file(folder / "figures.json"));
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_GT(figures[0]["engines"]["tarsier"]["value"], 0);
}

TEST(Peers, a_wrong_name_is_an_error) {
  if (test::run("python3 --version").code != 0) GTEST_SKIP() << "there is no python3 on this system";
  const test::Output o = test::run("python3 bench/peers/peers.py --only nobody");
  EXPECT_EQ(o.code, 2);
  EXPECT_THAT(o.err, HasSubstr("there is no nobody"));
}

}  // namespace
