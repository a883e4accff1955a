// Decoding: every file format of the fixtures equals Pillow's bytes, and broken files of every format are
// refused.
#include "src/input/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "ggml-like-core/base/error.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

const std::string kData = TARSIER_TEST_DATA;

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  core::require(file.good(), path, ": cannot be opened");
  const std::vector<char> all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<std::byte> out(all.size());
  std::memcpy(out.data(), all.data(), all.size());
  return out;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  std::vector<std::byte> out(text.size());
  std::memcpy(out.data(), text.data(), text.size());
  return out;
}

// The message of the Error that decoding gives, or "no error".
std::string decoding_error(std::span<const std::byte> bytes, const ImageOptions& options = {}) {
  try {
    decode_image(bytes, "FILE", options);
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}

// Every picture of a folder's safetensors file, FILE.rgb beside FILE.
void expect_decoded_as_stored(const std::string& folder, const std::string& index,
                              std::size_t expected_files) {
  const std::string path = kData + folder;
  const test::SafetensorsFile want(path + index);
  std::size_t files = 0;
  for (const auto& [name, tensor] : want.tensors) {
    if (!name.ends_with(".rgb")) continue;
    SCOPED_TRACE(name);
    const std::string file = name.substr(0, name.size() - 4);
    const Image image = load_image(path + file);
    ++files;
    ASSERT_EQ((std::vector<std::int64_t>{image.height, image.width, 3}), tensor.shape);
    if (file == "grey16.png") continue;  // Pillow turns it white; see the next test
    EXPECT_TRUE(image.rgb == want.u8(name));
  }
  EXPECT_EQ(files, expected_files);
}

TEST(Image, every_file_format_is_decoded_to_the_bytes_of_pillow) {
  expect_decoded_as_stored("/tiny-vl-dense/formats/", "formats.safetensors", 20);
}

TEST(Image, of_16_bit_grey_the_high_byte_is_taken) {
  // The file was made from the grey picture by multiplying with 257.
  const std::string folder = kData + "/tiny-vl-dense/formats/";
  EXPECT_TRUE(load_image(folder + "grey16.png").rgb == load_image(folder + "grey.png").rgb);
}

TEST(Image, png_survives_encoding_and_decoding) {
  std::mt19937 random(1);
  Image image{37, 5, std::vector<std::uint8_t>(std::size_t{37} * 5 * 3)};
  for (std::uint8_t& level : image.rgb) level = static_cast<std::uint8_t>(random());
  const Image back = decode_image(encode_png(image), "encoded");
  EXPECT_EQ(back.width, 37);
  EXPECT_EQ(back.height, 5);
  EXPECT_TRUE(back.rgb == image.rgb);
  EXPECT_THROW(encode_png(Image{}), core::Error);
  EXPECT_THROW(encode_png(Image{2, 2, std::vector<std::uint8_t>(3)}), core::Error);
}

TEST(Image, what_is_no_picture_is_refused_by_name) {
  EXPECT_THAT(decoding_error({}), testing::HasSubstr("FILE: is empty"));
  for (const char* text : {"x", "hello, this is text", "P7 1 1", "GIF88a", "\x89PNG", "\xff\xd8"}) {
    EXPECT_THAT(decoding_error(bytes_of(text)), testing::HasSubstr("FILE: is not a PNG")) << text;
  }
  EXPECT_THROW(load_image(kData + "/no-such-file.png"), core::Error);
}

const char* const kOneOfEachKind[] = {"rgb.png",         "palette.png",    "interlaced.png", "rgb.jpg",
                                      "progressive.jpg", "cmyk.jpg",       "lossless.webp",  "lossy.webp",
                                      "animated.webp",   "interlaced.gif", "rgb24.bmp",      "rle8.bmp",
                                      "plain.ppm",       "raw.ppm",        "raw.pbm"};

TEST(Image, a_file_cut_short_is_an_error_and_never_a_crash) {
  for (const char* file : kOneOfEachKind) {
    SCOPED_TRACE(file);
    const auto whole = read_file(kData + "/pictures/" + file);
    ASSERT_EQ(decoding_error(whole), "no error");
    const std::size_t step = std::max<std::size_t>(whole.size() / 200, 1);
    for (std::size_t n = 0; n < whole.size(); n += n < 200 ? 1 : step) {
      const std::string error = decoding_error(std::span(whole).first(n));
      if (n <= whole.size() * 9 / 10) {
        EXPECT_NE(error, "no error") << n << " of " << whole.size() << " bytes";
      }
    }
  }
}

TEST(Image, broken_bytes_give_an_error_or_a_picture_and_never_a_crash) {
  std::mt19937 random(7);
  int refused = 0;
  for (const char* file : kOneOfEachKind) {
    const auto whole = read_file(kData + "/pictures/" + file);
    for (int round = 0; round < 150; ++round) {
      auto broken = whole;
      const std::size_t reach = round % 2 == 0 ? std::min<std::size_t>(64, whole.size()) : whole.size();
      for (int k = 0; k <= round % 4; ++k) broken[random() % reach] = static_cast<std::byte>(random());
      refused += decoding_error(broken, {.max_pixels = 1 << 20}) != "no error";
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Image, a_header_of_too_many_pixels_is_refused_before_decoding) {
  const std::string_view jpeg(
      "\xff\xd8\xff\xc0\x00\x11\x08\xfd\xe8\xfd\xe8\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
      "\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00",
      35);
  const std::string_view webp(
      "RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\xff\x7f\x00\xff\x7f\x00", 30);
  const std::string_view gif(
      "GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x01\x00\x00;", 28);
  const std::string_view bmp(
      "BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\xff\xff\xff\x00\xff\xff\xff\x00"
      "\x01\x00\x08\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
      64);
  EXPECT_THAT(decoding_error(bytes_of(jpeg)), testing::HasSubstr("65000 x 65000 pixels"));
  EXPECT_THAT(decoding_error(bytes_of(webp)), testing::HasSubstr("32768 x 32768 pixels"));
  EXPECT_THAT(decoding_error(bytes_of(gif)), testing::HasSubstr("65535 x 65535 pixels"));
  EXPECT_THAT(decoding_error(bytes_of(bmp)), testing::HasSubstr("16777215 x 16777215 pixels"));
  EXPECT_THAT(decoding_error(bytes_of("P6 99999 99999 255\n123")), testing::HasSubstr("truncated"));
  EXPECT_THAT(decoding_error(bytes_of("P5 99999999999 1 255\n123")), testing::HasSubstr("too long"));
  EXPECT_THAT(decoding_error(bytes_of("P6 0 5 255\n123")), testing::HasSubstr("0 x 5"));
  // A whole file, over a limit that the caller sets.
  for (const char* file : kOneOfEachKind) {
    const auto whole = read_file(kData + "/pictures/" + file);
    EXPECT_THAT(decoding_error(whole, {.max_pixels = 100}), testing::HasSubstr("at most 100 are accepted"))
        << file;
  }
  // A PNG whose header alone was changed to 60000 x 60000, with its checksum.
  auto png = read_file(kData + "/pictures/rgb.png");
  for (const std::size_t at : {16U, 20U}) {
    const std::byte side[4] = {std::byte{0}, std::byte{0}, std::byte{0xea}, std::byte{0x60}};
    std::copy_n(side, 4, png.begin() + static_cast<std::ptrdiff_t>(at));
  }
  std::uint32_t crc = 0xffffffffU;
  for (std::size_t k = 12; k < 29; ++k) {
    crc ^= std::to_integer<std::uint32_t>(png[k]);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  for (std::size_t k = 0; k < 4; ++k) png[29 + k] = static_cast<std::byte>(~crc >> (24 - 8 * k) & 0xff);
  EXPECT_THAT(decoding_error(png), testing::HasSubstr("60000 x 60000 pixels"));
}

TEST(Image, more_files_of_every_kind_are_decoded_to_the_bytes_of_pillow) {
  expect_decoded_as_stored("/pictures/", "pictures.safetensors", 75);
}

}  // namespace
}  // namespace tarsier
