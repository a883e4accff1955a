// The owners of big memory: alignment, zeroes, moving, and what cannot be had is an Error.
#include "ggml-like-core/base/buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>

#include "ggml-like-core/base/error.h"

namespace {

// A file with these bytes, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content)
      : path_(testing::TempDir() + "tarsier_buffer_test_" + std::to_string(::getpid())) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(AlignedBuffer, is_zeroed_and_aligned_to_a_cache_line_whatever_the_size) {
  for (const std::size_t n : {1U, 63U, 64U, 65U, 4097U}) {
    core::AlignedBuffer buffer(n);
    ASSERT_EQ(buffer.size(), n);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U);
    EXPECT_TRUE(std::all_of(buffer.bytes().begin(), buffer.bytes().end(),
                            [](std::byte b) { return b == std::byte{0}; }));
    std::fill(buffer.bytes().begin(), buffer.bytes().end(), std::byte{1});
  }
}

TEST(AlignedBuffer, of_no_bytes_is_empty) {
  EXPECT_EQ(core::AlignedBuffer(0).size(), 0U);
  EXPECT_TRUE(core::AlignedBuffer().bytes().empty());
}

TEST(AlignedBuffer, moves_its_bytes) {
  core::AlignedBuffer a(8);
  a.data()[3] = std::byte{42};
  const std::byte* where = a.data();
  const core::AlignedBuffer b = std::move(a);
  EXPECT_EQ(b.data(), where);
  EXPECT_EQ(b.data()[3], std::byte{42});
}

TEST(AlignedBuffer, that_cannot_be_had_is_an_error_with_the_number_of_bytes) {
  EXPECT_THROW(core::AlignedBuffer(SIZE_MAX), core::Error);
  EXPECT_THROW(core::AlignedBuffer(SIZE_MAX - 63), core::Error);
}

TEST(MappedFile, shows_the_bytes_of_the_file) {
  const TemporaryFile file("tarsier");
  const core::MappedFile mapped(file.path());
  EXPECT_EQ(text(mapped.bytes()), "tarsier");
  EXPECT_EQ(mapped.path(), file.path());
}

TEST(MappedFile, of_an_empty_file_is_empty) {
  const TemporaryFile file("");
  EXPECT_TRUE(core::MappedFile(file.path()).bytes().empty());
}

TEST(MappedFile, moves_and_frees_what_it_held) {
  const TemporaryFile file("tarsier");
  core::MappedFile a(file.path());
  core::MappedFile b = std::move(a);
  core::MappedFile c;
  c = std::move(b);
  EXPECT_EQ(text(c.bytes()), "tarsier");
  c = core::MappedFile();
  EXPECT_TRUE(c.bytes().empty());
}

TEST(MappedFile, hints_may_lie_anywhere) {
  const TemporaryFile file(std::string(10000, 'x'));
  const core::MappedFile mapped(file.path());
  mapped.drop(5000, SIZE_MAX);
  mapped.drop(20000, 1);
  mapped.drop(0, 10000);
  EXPECT_EQ(text(mapped.bytes()), std::string(10000, 'x'));  // dropped pages come back
}

TEST(MappedFile, errors_name_the_file) {
  const auto message = [](const std::string& path) -> std::string {
    try {
      core::MappedFile mapped(path);
      return "no error";
    } catch (const core::Error& e) {
      return e.what();
    }
  };
  EXPECT_THAT(message("/nowhere/model.gguf"), testing::StartsWith("/nowhere/model.gguf: No such file"));
  EXPECT_EQ(message(testing::TempDir()), testing::TempDir() + ": not a regular file");
}

}  // namespace
