// What the writer writes, the reader reads: every kind of value, tensors in any order of writing.
#include "ggml-like-core/gguf/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <numeric>

#include "ggml-like-core/gguf/reader.h"
#include "ggml-like-core/quant/formats.h"
#include "tests/temp_folder.h"

namespace {

using core::DType;
using core::GgufReader;
using core::GgufWriter;
using test::error_of;
using test::TempFolder;
using ::testing::HasSubstr;

const std::vector<std::pair<std::string, core::GgufValue>>& all_kinds() {
  static const std::vector<std::pair<std::string, core::GgufValue>> all = {
      {"u8", std::uint8_t{255}},
      {"i8", std::int8_t{-128}},
      {"u16", std::uint16_t{65535}},
      {"i16", std::int16_t{-32768}},
      {"u32", std::numeric_limits<std::uint32_t>::max()},
      {"i32", std::numeric_limits<std::int32_t>::min()},
      {"f32", 1.5F},
      {"yes", true},
      {"no", false},
      {"text", std::string("snow \xe2\x98\x83 and \0 zero", 17)},
      {"empty text", std::string()},
      {"u64", std::numeric_limits<std::uint64_t>::max()},
      {"i64", std::numeric_limits<std::int64_t>::min()},
      {"f64", 0.1},
      {"bytes", std::vector<std::uint8_t>{0, 1, 255}},
      {"small integers", std::vector<std::int64_t>{-1, 0, 2147483647}},
      {"big integers", std::vector<std::int64_t>{-1, std::int64_t{1} << 40}},
      {"floats", std::vector<double>{0.5, -3}},
      {"booleans", std::vector<bool>{true, false, true}},
      {"texts", core::TextList{"a", "", "ccc"}},
      {"no bytes", std::vector<std::uint8_t>{}},
      {"no integers", std::vector<std::int64_t>{}},
      {"no floats", std::vector<double>{}},
      {"no booleans", std::vector<bool>{}},
      {"no texts", core::TextList{}},
  };
  return all;
}

std::vector<std::byte> counting(std::size_t n, int first) {
  std::vector<std::byte> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(static_cast<int>(i) * 7 + first);
  return out;
}

TEST(GgufWriter, every_kind_of_value_is_read_back) {
  const TempFolder folder;
  GgufWriter writer;
  for (const auto& [key, value] : all_kinds()) writer.set(key, value);
  writer.begin(folder.path("a.gguf"));
  writer.commit();
  const GgufReader reader(folder.path("a.gguf"));
  EXPECT_EQ(reader.metadata().size(), all_kinds().size());
  for (const auto& [key, value] : all_kinds()) {
    ASSERT_TRUE(reader.has(key)) << key;
    EXPECT_TRUE(*reader.find(key) == value) << key;
  }
}

TEST(GgufWriter, tensors_of_every_format_are_read_back_whatever_the_order_of_writing) {
  const TempFolder folder;
  GgufWriter writer;
  for (const core::FormatInfo& f : core::kStoredFormats) {
    const std::int64_t shape[] = {2, 16, std::int64_t{2} * f.block_len};
    const std::size_t number = writer.add_tensor(std::string(f.name), f.dtype, shape);
    EXPECT_EQ(writer.tensor(number).bytes, 64 * f.block_bytes);
  }
  writer.begin(folder.path("a.gguf"));
  for (std::size_t i = writer.tensor_count(); i-- > 0;) {
    const auto bytes = counting(writer.tensor(i).bytes, static_cast<int>(i));
    writer.write(i, bytes.size() / 2, std::span(bytes).subspan(bytes.size() / 2));
    writer.write(i, 0, std::span(bytes).first(bytes.size() / 2));
  }
  writer.commit();
  const GgufReader reader(folder.path("a.gguf"));
  ASSERT_EQ(reader.tensors().size(), core::kStoredFormats.size());
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const core::GgufTensor& t = reader.tensors()[i];
    EXPECT_EQ(t.dtype, core::kStoredFormats[i].dtype);
    EXPECT_EQ(t.shape(),
              (std::vector<std::int64_t>{2, 16, std::int64_t{2} * core::kStoredFormats[i].block_len}));
    EXPECT_EQ(t.rows(), 32);
    EXPECT_EQ(reader.find_tensor(t.name), &t);
    const auto data = reader.data(t);
    const auto wanted = counting(t.bytes, static_cast<int>(i));
    EXPECT_TRUE(std::equal(data.begin(), data.end(), wanted.begin(), wanted.end())) << t.name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data.data()) % core::kGgufDefaultAlignment, 0U);
  }
}

TEST(GgufWriter, general_alignment_is_obeyed) {
  const TempFolder folder;
  GgufWriter writer;
  writer.set("general.alignment", std::uint32_t{256});
  const std::int64_t shape[] = {3};
  writer.add_tensor("a", DType::f32, shape);
  writer.add_tensor("b", DType::f32, shape);
  EXPECT_EQ(writer.tensor(1).offset, 256U);
  EXPECT_EQ(writer.data_bytes(), 512U);
  writer.begin(folder.path("a.gguf"));
  writer.write(0, 0, counting(12, 1));
  writer.write(1, 0, counting(12, 2));
  writer.commit();
  const GgufReader reader(folder.path("a.gguf"));
  EXPECT_EQ(reader.data(reader.tensors()[1])[0], std::byte{2});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(reader.data(reader.tensors()[1]).data()) % 256, 0U);
}

TEST(GgufWriter, a_key_keeps_its_place_and_takes_the_last_value) {
  const TempFolder folder;
  GgufWriter writer;
  writer.set("first", "a");
  writer.set("second", "b");
  writer.set("first", "c");
  EXPECT_TRUE(writer.has("first"));
  EXPECT_FALSE(writer.has("third"));
  writer.begin(folder.path("a.gguf"));
  writer.commit();
  const GgufReader reader(folder.path("a.gguf"));
  EXPECT_EQ(reader.text("first"), "c");
  const std::string bytes = test::read_bytes(folder.path("a.gguf"));
  EXPECT_LT(bytes.find("first"), bytes.find("second"));
}

TEST(GgufWriter, what_cannot_be_written_is_refused) {
  GgufWriter writer;
  const std::int64_t ok[] = {2, 32};
  const std::int64_t odd[] = {2, 33};
  const std::int64_t zero[] = {2, 0};
  const std::int64_t huge[] = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  const std::int64_t five[] = {1, 1, 1, 1, 32};
  EXPECT_THAT(error_of([&] { writer.set("", true); }), HasSubstr("empty"));
  EXPECT_THAT(error_of([&] { writer.set(std::string(65536, 'k'), true); }), HasSubstr("65535"));
  EXPECT_THAT(error_of([&] { writer.set("general.alignment", std::uint32_t{48}); }),
              HasSubstr("power of two"));
  writer.add_tensor("a", DType::q8_0, ok);
  EXPECT_THAT(error_of([&] { writer.add_tensor("a", DType::q8_0, ok); }), HasSubstr("twice"));
  EXPECT_THAT(error_of([&] { writer.add_tensor("b", DType::q8_0, odd); }), HasSubstr("no multiple of 32"));
  EXPECT_THAT(error_of([&] { writer.add_tensor("c", DType::q8_0, zero); }), HasSubstr("impossible shape"));
  EXPECT_THAT(error_of([&] { writer.add_tensor("d", DType::q8_0, huge); }), HasSubstr("impossible shape"));
  EXPECT_THAT(error_of([&] { writer.add_tensor("e", DType::q8_0, five); }), HasSubstr("5 dimensions"));
  EXPECT_THAT(error_of([&] { writer.add_tensor(std::string(65, 'n'), DType::q8_0, ok); }), HasSubstr("65"));
}

TEST(GgufWriter, an_incomplete_or_abandoned_file_leaves_nothing) {
  const TempFolder folder;
  const std::int64_t shape[] = {4};
  {
    GgufWriter writer;
    writer.add_tensor("a", DType::f32, shape);
    writer.begin(folder.path("a.gguf"));
    writer.write(0, 0, counting(8, 0));
    EXPECT_THAT(error_of([&] { writer.commit(); }), HasSubstr("8 bytes of tensors were written, 16"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
