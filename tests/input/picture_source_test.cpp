// Names of pictures: files, standard input, data URIs.
#include "src/input/picture_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "ggml-like-core/base/error.h"
#include "src/input/image.h"
#include "tests/temp_folder.h"

namespace tarsier {
namespace {

std::string bytes_of(const std::string& source) {
  const PictureBytes read = read_picture(source);
  return {reinterpret_cast<const char*>(read.bytes().data()), read.bytes().size()};
}

std::string error_of(const std::string& source) {
  try {
    bytes_of(source);
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}

// The encoded forms are those of RFC 4648, section 10, and of RFC 2397.
TEST(PictureSource, data_uris_are_decoded_with_and_without_padding_and_line_ends) {
  EXPECT_EQ(bytes_of("data:image/png;base64,Zm9vYmFy"), "foobar");
  EXPECT_EQ(bytes_of("data:image/png;base64,Zm9vYg=="), "foob");
  EXPECT_EQ(bytes_of("data:;base64,Zm9vYg"), "foob");
  EXPECT_EQ(bytes_of("data:image/png;base64,Zm9v\r\nYmFy\n"), "foobar");
  EXPECT_EQ(bytes_of("data:,A%20brief%20note"), "A brief note");
  EXPECT_EQ(bytes_of("data:text/plain;charset=utf-8;base64,+/8="), "\xfb\xff");
}

TEST(PictureSource, what_is_no_data_uri_is_refused_without_being_printed) {
  const std::string broken = "data:image/png;base64,Zm9*" + std::string(5000, 'A');
  EXPECT_EQ(error_of(broken), "a data URI of 5026 characters: holds a byte of value 42, which is not base64");
  EXPECT_EQ(error_of("data:image/png;base64"), "a data URI of 21 characters: has no comma before its data");
  EXPECT_EQ(error_of("data:image/png;base64,"), "a data URI of 22 characters: holds no data");
  EXPECT_THAT(error_of("/no/such/file.png"), testing::HasSubstr("/no/such/file.png"));
}

// A picture of 2 x 1 pixels as PNM, which is text.
TEST(PictureSource, a_picture_is_read_from_a_data_uri_and_from_standard_input) {
  const std::string pnm = "P3 2 1 255 1 2 3 4 5 6 ";
  const std::vector<std::uint8_t> want = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(load_image("data:image/x-portable-pixmap," + pnm).rgb, want);
  const test::TempFolder folder;
  const std::string path = folder.path("two.ppm");
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  std::fputs(pnm.c_str(), file);
  std::fclose(file);
  ASSERT_NE(std::freopen(path.c_str(), "rb", stdin), nullptr);
  EXPECT_EQ(load_image("-").rgb, want);
  EXPECT_THAT(error_of("-"), testing::HasSubstr("was read already"));
  EXPECT_EQ(load_image(path).rgb, want);
}

}  // namespace
}  // namespace tarsier
