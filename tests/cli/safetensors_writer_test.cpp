// What is added value by value reads back as one file.
#include "src/cli/safetensors_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "tests/safetensors_file.h"

namespace {

namespace fs = std::filesystem;
using tarsier::cli::SafetensorsWriter;

class SafetensorsWriterTest : public testing::Test {
 protected:
  SafetensorsWriterTest()
      : folder_(testing::TempDir() + "tarsier_safetensors_" + std::to_string(::getpid())),
        path_(folder_ + "/values.safetensors") {
    fs::create_directory(folder_);
  }
  ~SafetensorsWriterTest() override { fs::remove_all(folder_); }
  std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  std::string folder_;
  std::string path_;
};

template <class T>
void add(SafetensorsWriter& writer, const char* name, const char* dtype, std::vector<std::int64_t> shape,
         const std::vector<T>& values) {
  writer.add(name, dtype, shape, std::as_bytes(std::span(values)));
}

TEST_F(SafetensorsWriterTest, every_value_reads_back) {
  const std::vector<float> a = {1, -2, 3.5F, 4, 5, 6};
  const std::vector<std::int64_t> b = {7, 8};
  SafetensorsWriter writer(path_);
  add(writer, "text.layer.0.out", "F32", {1, 2, 3}, a);
  add(writer, "input_ids", "I64", {1, 2}, b);
  EXPECT_EQ(writer.tensors(), 2U);
  EXPECT_EQ(files(), 0);  // nothing to be seen before it is whole
  writer.finish();
  EXPECT_EQ(files(), 1);

  const test::SafetensorsFile file(path_);
  EXPECT_EQ(file.shape("text.layer.0.out"), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(file.tensor("text.layer.0.out").dtype, "F32");
  const auto bytes = [](const auto& v) {
    const auto s = std::as_bytes(std::span(v));
    return std::vector<std::byte>(s.begin(), s.end());
  };
  EXPECT_EQ(file.tensor("text.layer.0.out").bytes, bytes(a));
  EXPECT_EQ(file.tensor("input_ids").bytes, bytes(b));
}

TEST_F(SafetensorsWriterTest, a_name_that_comes_again_is_joined_along_its_first_dimension) {
  SafetensorsWriter writer(path_);
  add<float>(writer, "vision.image.merger", "F32", {2, 2}, {1, 2, 3, 4});
  add<float>(writer, "other", "F32", {1}, {9});
  add<float>(writer, "vision.image.merger", "F32", {1, 2}, {5, 6});
  writer.finish();
  const test::SafetensorsFile file(path_);
  EXPECT_EQ(file.shape("vision.image.merger"), (std::vector<std::int64_t>{3, 2}));
  const std::array<float, 6> wanted = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(std::memcmp(file.tensor("vision.image.merger").bytes.data(), wanted.data(), sizeof wanted), 0);
}

TEST_F(SafetensorsWriterTest, values_longer_than_one_copy_read_back) {
  std::vector<std::int64_t> many(300000);  // 2.4 MB
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::int64_t>(i * i);
  SafetensorsWriter writer(path_);
  add(writer, "many", "I64", {300000}, many);
  writer.finish();
  const test::SafetensorsFile file(path_);
  EXPECT_EQ(std::memcmp(file.tensor("many").bytes.data(), many.data(), many.size() * 8), 0);
}

TEST_F(SafetensorsWriterTest, what_does_not_join_is_an_error) {
  SafetensorsWriter writer(path_);
  add<float>(writer, "x", "F32", {1, 2}, {1, 2});
  EXPECT_THROW(add<float>(writer, "x", "F32", {1, 3}, {1, 2, 3}), core::Error);
  EXPECT_THROW(add<float>(writer, "x", "F32", {2}, {1, 2}), core::Error);
  EXPECT_THROW((add<std::int64_t>(writer, "x", "I64", {1, 2}, {1, 2})), core::Error);
}

TEST_F(SafetensorsWriterTest, leaves_nothing_unless_finished) {
  {
    SafetensorsWriter writer(path_);
    add<float>(writer, "x", "F32", {1}, {1});
  }
  EXPECT_EQ(files(), 0);
}

TEST_F(SafetensorsWriterTest, a_folder_that_is_not_there_is_an_error_with_its_name) {
  try {
    SafetensorsWriter writer("/nowhere/x.safetensors");
    FAIL() << "nothing was thrown";
  } catch (const core::Error& e) {
    EXPECT_THAT(e.what(), testing::StartsWith("/nowhere/x.safetensors: cannot be written: No such file"));
  }
}

}  // namespace
