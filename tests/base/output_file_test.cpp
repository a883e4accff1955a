// A file appears whole or not at all.
#include "ggml-like-core/base/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "ggml-like-core/base/error.h"

namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes(const std::string& s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}

// A folder of its own for each test.
class OutputFile : public testing::Test {
 protected:
  OutputFile()
      : folder_(testing::TempDir() + "tarsier_output_" + std::to_string(::getpid())),
        path_(folder_ + "/model.gguf") {
    fs::create_directory(folder_);
  }
  ~OutputFile() override { fs::remove_all(folder_); }

  std::string content() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  std::string folder_;
  std::string path_;
};

template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}

TEST_F(OutputFile, appears_under_its_name_only_with_commit) {
  core::OutputFile out(path_);
  out.append(bytes("tar"));
  EXPECT_FALSE(fs::exists(path_));
  out.append(bytes("sier"));
  EXPECT_EQ(out.size(), 7U);
  out.commit();
  EXPECT_EQ(content(), "tarsier");
  EXPECT_EQ(files(), 1);
}

TEST_F(OutputFile, leaves_nothing_without_commit) {
  {
    core::OutputFile out(path_);
    out.append(bytes("half of it"));
    EXPECT_EQ(files(), 1);  // the part file
  }
  EXPECT_EQ(files(), 0);
}

TEST_F(OutputFile, keeps_the_old_file_until_commit) {
  std::ofstream(path_) << "old";
  {
    core::OutputFile out(path_);
    out.append(bytes("new, but unfinished"));
  }
  EXPECT_EQ(content(), "old");
  core::OutputFile out(path_);
  out.append(bytes("new"));
  out.commit();
  EXPECT_EQ(content(), "new");
}

TEST_F(OutputFile, writing_at_a_place_does_not_move_the_end) {
  core::OutputFile out(path_);
  out.append(bytes("header"));
  out.write_at(10, bytes("tail"));
  out.write_at(0, bytes("H"));
  EXPECT_EQ(out.size(), 6U);
  out.append(bytes("1234"));
  out.commit();
  EXPECT_EQ(content(), "Header1234tail");
}

TEST_F(OutputFile, unfinished_outputs_can_be_removed_from_a_signal_handler) {
  core::OutputFile a(path_);
  core::OutputFile b(path_ + "2");
  b.append(bytes("done"));
  b.commit();
  core::remove_unfinished_outputs();
  EXPECT_EQ(files(), 1);
  EXPECT_TRUE(fs::exists(path_ + "2"));
}

TEST_F(OutputFile, errors_say_who_and_why) {
  EXPECT_EQ(error_of([&] { core::OutputFile(folder_ + "/no/x.gguf"); }),
            folder_ + "/no/x.gguf: the folder " + folder_ + "/no does not exist");
  EXPECT_EQ(error_of([&] { core::OutputFile out(folder_); }),
            folder_ + ": is a folder, wanted the name of a file");
}

TEST_F(OutputFile, too_little_space_is_found_before_anything_is_written) {
  const std::string message = error_of([&] { core::OutputFile(path_, std::uint64_t{1} << 62); });
  EXPECT_THAT(message, testing::HasSubstr("too little space: "));
  EXPECT_THAT(message, testing::HasSubstr("4611686018427387904 are needed"));
  EXPECT_EQ(files(), 0);
}

}  // namespace
