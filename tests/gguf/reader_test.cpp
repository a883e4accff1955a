// A reader of strangers' bytes: whatever is wrong with a file, the answer is an Error that names it.
#include "ggml-like-core/gguf/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "ggml-like-core/gguf/writer.h"
#include "tests/temp_folder.h"

namespace {

using core::GgufReader;
using test::error_of;
using test::TempFolder;
using ::testing::HasSubstr;

constexpr std::uint64_t kHuge = ~std::uint64_t{0};

// A GGUF file put together by hand.
struct File {
  std::string bytes;

  template <class T>
  File& put(T x) {
    const auto raw = std::bit_cast<std::array<char, sizeof(T)>>(x);
    bytes.append(raw.data(), raw.size());
    return *this;
  }
  File& u32(std::uint32_t x) { return put(x); }
  File& u64(std::uint64_t x) { return put(x); }
  File& text(std::string_view s) {
    u64(s.size());
    bytes += s;
    return *this;
  }
  File& head(std::uint64_t tensors, std::uint64_t keys) {
    bytes = "GGUF";
    return u32(3).u64(tensors).u64(keys);
  }
  // A key with a UINT32.
  File& number(std::string_view key, std::uint32_t x) { return text(key).u32(4).u32(x); }
  File& tensor(std::string_view name, const std::vector<std::uint64_t>& ne, std::uint32_t type,
               std::uint64_t offset) {
    text(name).u32(static_cast<std::uint32_t>(ne.size()));
    for (const std::uint64_t n : ne) u64(n);
    return u32(type).u64(offset);
  }
  // Padding and n bytes of data.
  File& data(std::size_t n, std::size_t alignment = 32) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment + n);
    return *this;
  }
};

struct Case {
  std::string name;
  File file;
  std::string says;
};

std::vector<Case> malformed() {
  const auto head = [](std::uint64_t tensors, std::uint64_t keys) { return File().head(tensors, keys); };
  std::vector<Case> out;
  const auto add = [&](std::string name, const File& file, std::string says) {
    out.push_back({std::move(name), file, std::move(says)});
  };
  const auto raw = [](std::string_view bytes) { return File{std::string(bytes)}; };
  add("empty", raw(""), "needs 4 bytes");
  add("magic", raw("GGML" + std::string(64, '\0')), "does not begin with the letters GGUF");
  add("old_version", raw("GGUF").u32(2).u64(0).u64(0), "version 2, wanted 3");
  add("new_version", raw("GGUF").u32(4).u64(0).u64(0), "version 4, wanted 3");
  add("big_endian", raw("GGUF").u32(0x03000000).u64(0).u64(0), "big-endian");
  add("too_many_keys", head(0, kHuge).number("a", 1), "keys");
  add("too_many_tensors", head(kHuge, 0).data(64), "tensors");
  add("one_key_too_many", head(0, 2).number("a", 1), "key");
  add("keys_more_than_bytes", head(0, 1000).number("a", 1), "claims 1000 keys");
  add("key_length_wraps", head(0, 1).u64(kHuge).data(64), "the limit is 65535");
  add("key_beyond_file", head(0, 1).u64(1000).data(64), "needs 1000 bytes");
  add("empty_key", head(0, 1).number("", 1), "empty");
  add("duplicate_key", head(0, 2).number("a", 1).number("a", 2), "key a stands twice");
  add("unknown_type", head(0, 1).text("a").u32(13).u64(0), "type 13");
  add("huge_type", head(0, 1).text("a").u32(0xffffffff).u64(0), "type 4294967295");
  add("text_length_wraps", head(0, 1).text("a").u32(8).u64(kHuge).data(64),
      "key a needs 18446744073709551615");
  add("text_beyond_file", head(0, 1).text("a").u32(8).u64(100).data(8), "key a needs 100 bytes");
  add("bad_boolean", head(0, 1).text("a").u32(7).put<char>(2), "boolean");
  add("array_of_arrays", head(0, 1).text("a").u32(9).u32(9).u64(1).u32(4).u64(0), "array of arrays");
  add("array_of_unknown", head(0, 1).text("a").u32(9).u32(77).u64(1).u64(0), "type 77");
  add("array_too_long", head(0, 1).text("a").u32(9).u32(10).u64(kHuge).data(64), "elements");
  add("array_one_too_long", head(0, 1).text("a").u32(9).u32(10).u64(3).u64(1).u64(2), "claims 3 elements");
  add("array_size_wraps", head(0, 1).text("a").u32(9).u32(10).u64(std::uint64_t{1} << 61).u64(0), "elements");
  add("texts_beyond_file", head(0, 1).text("a").u32(9).u32(8).u64(2).text("x").u64(50).data(0), "key a");
  add("bad_boolean_in_array", head(0, 1).text("a").u32(9).u32(7).u64(1).put<char>(9), "boolean");
  add("unsigned_beyond_signed", head(0, 1).text("a").u32(9).u32(10).u64(1).u64(kHuge), "signed 64-bit");
  add("alignment_zero", head(0, 1).number("general.alignment", 0), "general.alignment is 0");
  add("alignment_odd", head(0, 1).number("general.alignment", 48), "general.alignment is 48");
  add("alignment_huge", head(0, 1).number("general.alignment", 1U << 31), "general.alignment is 2147483648");
  add("alignment_of_wrong_type", head(0, 1).text("general.alignment").u32(10).u64(32), "another type");
  add("name_too_long", head(1, 0).tensor(std::string(65, 'n'), {4}, 0, 0).data(16), "the limit is 64");
  add("name_empty", head(1, 0).tensor("", {4}, 0, 0).data(16), "empty name");
  add("duplicate_tensor", head(2, 0).tensor("t", {4}, 0, 0).tensor("t", {4}, 0, 32).data(64),
      "t stands twice");
  add("no_dimensions", head(1, 0).tensor("t", {}, 0, 0).data(64), "0 dimensions");
  add("five_dimensions", head(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0).data(64), "5 dimensions");
  add("length_zero", head(1, 0).tensor("t", {4, 0}, 0, 0).data(64), "dimension 1 of length 0");
  add("length_negative", head(1, 0).tensor("t", {kHuge}, 0, 0).data(64), "of length -1");
  add("elements_wrap", head(1, 0).tensor("t", {1ULL << 32, 1ULL << 32, 4}, 0, 0).data(64), "counted");
  add("elements_beyond_signed", head(1, 0).tensor("t", {1ULL << 62, 2}, 0, 0).data(64), "counted");
  add("bytes_wrap", head(1, 0).tensor("t", {1ULL << 62}, 0, 0).data(64), "counted");
  add("type_removed", head(1, 0).tensor("t", {32}, 4, 0).data(64), "type id 4");
  add("type_not_a_weight", head(1, 0).tensor("t", {32}, 26, 0).data(128), "type id 26");
  add("type_unknown", head(1, 0).tensor("t", {32}, 0xffff, 0).data(64), "type id 65535");
  add("row_no_multiple_of_block", head(1, 0).tensor("t", {48, 2}, 8, 0).data(128), "no multiple of 32");
  add("offset_misaligned", head(1, 0).tensor("t", {4}, 0, 4).data(64), "no multiple of 32");
  add("offset_past_end", head(1, 0).tensor("t", {4}, 0, 64).data(64), "cut off");
  add("offset_wraps", head(1, 0).tensor("t", {4}, 0, kHuge - 31).data(64), "cut off");
  add("data_cut_off", head(1, 0).tensor("t", {32}, 0, 0).data(127), "cut off");
  add("data_missing", head(1, 0).tensor("t", {32}, 0, 0), "cut off");
  add("overlap", head(2, 0).tensor("t", {32}, 0, 0).tensor("u", {32}, 0, 96).data(256), "t and u overlap");
  add("same_place", head(2, 0).tensor("t", {4}, 0, 0).tensor("u", {4}, 0, 0).data(256), "overlap");
  return out;
}

TEST(GgufReader, what_is_wrong_with_a_file_is_an_error_that_names_file_and_fault) {
  const TempFolder folder;
  for (const Case& c : malformed()) {
    const std::string path = folder.write(c.name + ".gguf", c.file.bytes);
    const std::string text = error_of([&] { const GgufReader reader(path); });
    EXPECT_THAT(text, HasSubstr(path)) << c.name;
    EXPECT_THAT(text, HasSubstr(c.says)) << c.name;
  }
}

// A small file with a value of most kinds and two tensors.
File small_file() {
  File f;
  f.head(2, 6).number("general.alignment", 64).number("n", 7);
  f.text("text").u32(8).text("hello");
  f.text("list").u32(9).u32(5).u64(2).u32(1).u32(2);
  f.text("texts").u32(9).u32(8).u64(2).text("a").text("bc");
  f.text("yes").u32(7).put<char>(1);
  f.tensor("a", {32, 2}, 8, 0).tensor("b", {4}, 0, 128);
  return f.data(128 + 16, 64);
}

TEST(GgufReader, a_file_made_by_hand_is_read) {
  const TempFolder folder;
  const GgufReader reader(folder.write("a.gguf", small_file().bytes));
  EXPECT_EQ(reader.integer("n"), 7);
  EXPECT_EQ(reader.number("n"), 7.0);
  EXPECT_EQ(reader.text("text"), "hello");
  EXPECT_EQ(reader.integers("list"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(reader.texts("texts"), (std::vector<std::string>{"a", "bc"}));
  EXPECT_TRUE(reader.boolean("yes"));
  ASSERT_EQ(reader.tensors().size(), 2U);
  EXPECT_EQ(reader.find_tensor("a")->bytes, 68U);
  EXPECT_EQ(reader.find_tensor("b")->offset, 128U);
  EXPECT_EQ(reader.find_tensor("c"), nullptr);
  EXPECT_EQ(reader.data(*reader.find_tensor("b")).size(), 16U);
}

TEST(GgufReader, a_file_cut_off_at_any_byte_is_an_error) {
  const TempFolder folder;
  const std::string whole = small_file().bytes;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::string path = folder.write("cut.gguf", std::string_view(whole).substr(0, n));
    EXPECT_NE(error_of([&] { const GgufReader reader(path); }), "") << n << " bytes of " << whole.size();
  }
}

TEST(GgufReader, any_flipped_byte_gives_a_readable_file_or_an_error) {
  const TempFolder folder;
  const std::string whole = small_file().bytes;
  std::mt19937 random(1);
  int readable = 0;
  for (int i = 0; i < 600; ++i) {
    std::string bytes = whole;
    for (int k = 0; k < 1 + i % 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    const std::string path = folder.write("flipped.gguf", bytes);
    // Every promise of a readable file holds: its tensors lie inside it.
    static_cast<void>(error_of([&] {
      const GgufReader reader(path);
      for (const auto& t : reader.tensors()) EXPECT_EQ(reader.data(t).size(), t.bytes);
      ++readable;
    }));
  }
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, 600);
}

TEST(GgufReader, a_value_of_another_kind_or_none_is_an_error) {
  const TempFolder folder;
  const std::string path = folder.path("a.gguf");
  core::GgufWriter writer;
  writer.set("text", "a");
  writer.set("huge", kHuge);
  writer.set("half", 0.5);
  writer.set("yes", true);
  writer.begin(path);
  writer.commit();
  const GgufReader reader(path);
  EXPECT_EQ(error_of([&] { reader.integer("none"); }), path + ": key none is missing");
  EXPECT_EQ(error_of([&] { reader.integer("text"); }), path + ": key text is not an integer");
  EXPECT_EQ(error_of([&] { reader.integer("half"); }), path + ": key half is not an integer");
  EXPECT_EQ(error_of([&] { reader.integer("yes"); }), path + ": key yes is not an integer");
  EXPECT_THAT(error_of([&] { reader.integer("huge"); }), HasSubstr("signed 64-bit"));
  EXPECT_EQ(error_of([&] { static_cast<void>(reader.number("text")); }), path + ": key text is not a number");
  EXPECT_EQ(error_of([&] { reader.text("half"); }), path + ": key half is not a text");
  EXPECT_EQ(error_of([&] { reader.texts("text"); }), path + ": key text is not an array of texts");
  EXPECT_EQ(error_of([&] { reader.integers("text"); }), path + ": key text is not an array of integers");
  EXPECT_EQ(error_of([&] { reader.bytes("none"); }), path + ": key none is missing");
  EXPECT_EQ(reader.number("half"), 0.5);
}

TEST(GgufReader, no_file_and_a_folder_are_errors) {
  const TempFolder folder;
  EXPECT_THAT(error_of([&] { const GgufReader reader(folder.path("none.gguf")); }), HasSubstr("none.gguf"));
  EXPECT_THAT(error_of([&] { const GgufReader reader(folder.path()); }), HasSubstr("not a regular file"));
}

}  // namespace
