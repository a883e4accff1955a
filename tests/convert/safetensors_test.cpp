// The safetensors reader: what it reads, and what it refuses.
#include "convert/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/convert/checkpoint.h"

namespace {

using tarsier::SafetensorsFile;
using test::error_of;
using test::TempFolder;
using ::testing::HasSubstr;

std::string with_header(std::string_view header, std::size_t data_bytes) {
  const std::uint64_t n = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &n, 8);
  return out + std::string(header) + std::string(data_bytes, '\1');
}

TEST(Safetensors, tensors_stand_in_the_order_of_their_bytes) {
  const TempFolder folder;
  const SafetensorsFile file(folder.write(
      "a.safetensors",
      with_header(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
                  R"("a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},)"
                  R"("none":{"dtype":"F32","shape":[0,5],"data_offsets":[12,12]},)"
                  R"("odd":{"dtype":"FANCY","shape":[3],"data_offsets":[12,13]}})",
                  13)));
  ASSERT_EQ(file.tensors().size(), 4U);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[1].name, "b");
  EXPECT_EQ(file.tensors()[1].bytes, 8U);
  EXPECT_EQ(file.tensors()[3].type, tarsier::StoredType::other);
  EXPECT_EQ(file.tensors()[0].data().size(), 4U);
}

TEST(Safetensors, elements_of_every_type_are_read_exactly) {
  const TempFolder folder;
  const std::vector<float> values = {0, -1.5F, 0.25F, 96, -0.0F, 448};
  std::map<std::string, test::StoredTensor> tensors;
  for (const std::string dtype : {"F32", "F16", "BF16"}) tensors[dtype] = test::stored(dtype, {6}, values);
  const SafetensorsFile file(folder.write("a.safetensors", test::safetensors_bytes(tensors)));
  for (const auto& t : file.tensors()) {
    std::vector<float> out(5);
    read_elements(out, t, 1);
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(out[i], values[i + 1]) << t.name;
  }
}

TEST(Safetensors, every_e4m3_byte_is_what_its_definition_says) {
  const TempFolder folder;
  test::StoredTensor t{"F8_E4M3", {256}, {}};
  for (int i = 0; i < 256; ++i) t.bytes.push_back(static_cast<std::byte>(i));
  const SafetensorsFile file(folder.write("a.safetensors", test::safetensors_bytes({{"t", t}})));
  std::vector<float> out(256);
  read_elements(out, file.tensors()[0], 0);
  for (int i = 0; i < 256; ++i) {
    const int exponent = (i >> 3) & 15;
    const int mantissa = i & 7;
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa / 8.0, -6) : std::ldexp(1 + mantissa / 8.0, exponent - 7);
    if ((i & 127) == 127)
      EXPECT_TRUE(std::isnan(out[static_cast<std::size_t>(i)]));
    else
      EXPECT_EQ(out[static_cast<std::size_t>(i)], static_cast<float>(i < 128 ? magnitude : -magnitude)) << i;
  }
  EXPECT_EQ(out[126], 448.0F);
}

TEST(Safetensors, what_is_wrong_with_a_file_is_an_error_that_names_file_and_fault) {
  const auto entry = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return R"({"t":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) +
           R"(,"data_offsets":)" + std::string(offsets) + "}}";
  };
  const auto pair = [](std::string_view a, std::string_view b) {
    return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + std::string(a) +
           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + std::string(b) + "}}";
  };
  std::string huge(8, '\xff');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "too few"},
      {std::string(7, '\0'), "too few"},
      {huge + "{}", "does not fit"},
      {with_header("{}", 0).substr(0, 9), "does not fit"},
      {with_header("", 0), "no JSON"},
      {with_header("{", 4), "no JSON"},
      {with_header("[]", 4), "no JSON object"},
      {with_header("3", 4), "no JSON object"},
      {with_header(std::string(100000, '['), 4), "nested too deeply"},
      {with_header(R"({"t":3})", 4), "wanted an object"},
      {with_header(R"({"t":{}})", 4), "has no dtype"},
      {with_header(R"({"t":{"dtype":"F32","shape":[1]}})", 4), "has no data_offsets"},
      {with_header(R"({"t":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", 4), "dtype is not a text"},
      {with_header(entry("F32", "1", "[0,4]"), 4), "shape is no list"},
      {with_header(entry("F32", "[-1]", "[0,4]"), 4), "holds -1"},
      {with_header(entry("F32", "[1.5]", "[0,4]"), 4), "holds 1.5"},
      {with_header(entry("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), "at most 8"},
      {with_header(entry("F32", "[18446744073709551615]", "[0,4]"), 4), "shape holds"},
      {with_header(entry("F32", "[4611686018427387904,4]", "[0,4]"), 4), "more than can be counted"},
      {with_header(entry("F32", "[4611686018427387904]", "[0,4]"), 4), "more than can be counted"},
      {with_header(entry("F32", "[2]", "[0,4]"), 4), "has 4 bytes, wanted 8"},
      {with_header(entry("F32", "[1]", "[0]"), 4), "pair of numbers"},
      {with_header(entry("F32", "[1]", R"(["0",4])"), 4), "data_offsets holds"},
      {with_header(entry("F32", "[1]", "[4,0]"), 4), "before it begins"},
      {with_header(entry("F32", "[1]", "[0,8]"), 4), "cut off"},
      {with_header(entry("F32", "[1]", "[0,4]"), 3), "cut off"},
      {with_header(entry("F32", "[1]", "[18446744073709551612,18446744073709551616]"), 4), "data_offsets"},
      {with_header(pair("[0,8]", "[4,12]"), 12), "a and b overlap"},
      {with_header(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                   R"("t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                   2),
       "t stands twice"},
  };
  const TempFolder folder;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string path = folder.write("case" + std::to_string(i) + ".safetensors", cases[i].first);
    const std::string text = error_of([&] { const SafetensorsFile file(path); });
    EXPECT_THAT(text, HasSubstr(path)) << i;
    EXPECT_THAT(text, HasSubstr(cases[i].second)) << i;
  }
}

TEST(Safetensors, any_flipped_byte_gives_a_readable_file_or_an_error) {
  const TempFolder folder;
  const std::string whole = test::safetensors_bytes(
      {{"a", test::stored("F32", {2, 2}, {1, 2, 3, 4})}, {"b", test::stored("BF16", {3}, {1, 2, 3})}});
  std::mt19937 random(1);
  int readable = 0;
  for (int i = 0; i < 600; ++i) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] = static_cast<char>(random());
    const std::string path = folder.write("flipped.safetensors", bytes);
    static_cast<void>(error_of([&] {
      const SafetensorsFile file(path);
      for (const auto& t : file.tensors()) EXPECT_EQ(t.data().size(), t.bytes);
      ++readable;
    }));
  }
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, 600);
}

}  // namespace
