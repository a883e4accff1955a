// Text to ids and back, against what transformers gives (tests/oracle/make_vectors.py), and the rules of HF's
// added tokens on a tokenizer of a few lines.
#include "src/input/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "ggml-like-core/base/error.h"
#include "src/input/tokenizer_json.h"

namespace tarsier {
namespace {

using nlohmann::json;

const std::string kVectors = std::string(TARSIER_TEST_DATA) + "/vectors/";
const std::string kTinyFile = std::string(TARSIER_SOURCE) + "/models/tiny-vl-dense/tokenizer.json";
const std::string kQwen3File = std::string(TARSIER_BUILD) + "/qwen3-tokenizer/tokenizer.json";

const Tokenizer& tiny() {
  static const Tokenizer tokenizer(read_tokenizer_json(kTinyFile));
  return tokenizer;
}
const Tokenizer& qwen3() {
  static const Tokenizer tokenizer(read_tokenizer_json(kQwen3File));
  return tokenizer;
}

std::vector<json> rows(const std::string& name) {
  std::ifstream file(kVectors + name);
  core::require(file.good(), kVectors, name, ": cannot be opened");
  std::vector<json> out;
  for (std::string line; std::getline(file, line);) out.push_back(json::parse(line));
  return out;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Named {
  const char* name;
  const Tokenizer& (*tokenizer)();
  std::size_t texts;
};
class Vectors : public testing::TestWithParam<Named> {};
INSTANTIATE_TEST_SUITE_P(, Vectors, testing::Values(Named{"tiny", tiny, 300}, Named{"qwen3", qwen3, 2000}),
                         [](const auto& p) { return std::string(p.param.name); });

TEST_P(Vectors, texts_have_the_ids_of_transformers) {
  const auto all = rows(std::string("tokenizer_") + GetParam().name + ".jsonl");
  ASSERT_EQ(all.size(), GetParam().texts);
  for (const json& row : all)
    ASSERT_EQ(GetParam().tokenizer().encode(row["text"].get<std::string>(), true),
              row["ids"].get<std::vector<int>>())
        << row["text"];
}

TEST_P(Vectors, their_ids_decode_as_in_transformers) {
  for (const json& row : rows(std::string("tokenizer_") + GetParam().name + ".jsonl")) {
    const auto text = row["text"].get<std::string>();
    const auto ids = row["ids"].get<std::vector<int>>();
    ASSERT_EQ(GetParam().tokenizer().decode(ids), row.value("decoded", text)) << row["text"];
    // The field is there only where it differs from the text.
    ASSERT_EQ(GetParam().tokenizer().decode(ids, true),
              row.value("decoded_skip_special", row.value("decoded", text)))
        << row["text"];
  }
}

TEST_P(Vectors, random_ids_decode_as_in_transformers) {
  const auto all = rows(std::string("decode_") + GetParam().name + ".jsonl");
  ASSERT_EQ(all.size(), 200U);
  for (const json& row : all) {
    const auto ids = row["ids"].get<std::vector<int>>();
    ASSERT_EQ(GetParam().tokenizer().decode(ids), row["text"].get<std::string>());
    ASSERT_EQ(GetParam().tokenizer().decode(ids, true), row["text_skip_special"].get<std::string>());
  }
}

TEST_P(Vectors, streamed_tokens_are_the_decoded_text) {
  for (const json& row : rows(std::string("decode_") + GetParam().name + ".jsonl")) {
    Utf8Stream stream;
    std::string text;
    for (const int id : row["ids"].get<std::vector<int>>())
      text += stream.push(GetParam().tokenizer().token_bytes(id));
    text += stream.flush();
    ASSERT_EQ(text, row["text"].get<std::string>());
  }
}

TEST_P(Vectors, plain_text_has_no_special_token_and_decodes_to_itself) {
  int with_special = 0;
  for (const json& row : rows(std::string("tokenizer_") + GetParam().name + ".jsonl")) {
    const Tokenizer& t = GetParam().tokenizer();
    const auto text = row["text"].get<std::string>();
    const auto parsed = t.encode(text, true);
    const auto plain = t.encode(text, false);
    for (const int id : plain) ASSERT_FALSE(t.is_special(id)) << row["text"];
    if (std::any_of(parsed.begin(), parsed.end(), [&](int id) { return t.is_special(id); })) ++with_special;
    if (!row.contains("decoded")) {
      ASSERT_EQ(t.decode(plain), text);
    }
  }
  EXPECT_GT(with_special, 10);
}

TEST(Tokenizer, marks_of_the_chat_are_control_tokens_only_when_asked) {
  const int start = qwen3().find("<|im_start|>").value();
  EXPECT_EQ(start, 151644);
  EXPECT_EQ(qwen3().encode("<|im_start|>", true), std::vector<int>{start});
  EXPECT_EQ(qwen3().decode(qwen3().encode("<|im_start|>", false)), "<|im_start|>");
  EXPECT_GT(qwen3().encode("<|im_start|>", false).size(), 1U);
  EXPECT_TRUE(qwen3().is_special(start));
  const int call = qwen3().find("<tool_call>").value();
  EXPECT_FALSE(qwen3().is_special(call));
  EXPECT_EQ(qwen3().encode("<tool_call>", true), std::vector<int>{call});
  EXPECT_EQ(qwen3().decode(std::vector<int>{start, call}, true), "<tool_call>");
}

TEST(Tokenizer, knows_its_size_and_nothing_beyond) {
  EXPECT_EQ(qwen3().size(), 151669);
  EXPECT_EQ(tiny().size(), 1176);
  for (const int id :
       {-1, 151669, 151935, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    EXPECT_EQ(qwen3().token_bytes(id), "");
    EXPECT_FALSE(qwen3().is_special(id));
    EXPECT_EQ(qwen3().decode(std::vector<int>{id, 64, id}), "a");
  }
  EXPECT_EQ(qwen3().find("no such token"), std::nullopt);
  EXPECT_EQ(qwen3().find(""), std::nullopt);
}

TEST(Tokenizer, bytes_that_are_not_utf8_count_as_the_replacement_character) {
  const auto mark = [](int n) {
    std::string s;
    for (int i = 0; i < n; ++i) s += "\xEF\xBF\xBD";
    return s;
  };
  // Bytes and how many U+FFFD Python's errors='replace' gives.
  const std::vector<std::pair<std::string, int>> cases = {
      {"\xFF", 1},         {"\x80", 1},         {"\xC0\xAF", 2},         {"\xE2\x82", 1},
      {"\xED\xA0\x80", 3}, {"\xF0\x9F\x98", 1}, {"\xF5\x80\x80\x80", 4}, {"\xF4\x90\x80\x80", 4},
      {"\xE0\x80\x80", 3}, {"\xC3", 1},         {"\xE2\x82\xE2\x82", 2}};
  for (const auto& [bytes, n] : cases) {
    EXPECT_EQ(tiny().encode("a" + bytes + "b", true), tiny().encode("a" + mark(n) + "b", true))
        << json(mark(n)).dump();
    EXPECT_EQ(tiny().encode(bytes, false), tiny().encode(mark(n), false));
    Utf8Stream stream;
    std::string text;
    for (const char byte : bytes + "z") text += stream.push(std::string(1, byte));
    EXPECT_EQ(text, mark(n) + "z");
    EXPECT_EQ(stream.flush(), "");
  }
}

TEST(Utf8Stream, gives_a_character_as_soon_as_it_is_whole_and_the_rest_at_the_end) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80"
                        "b"),
            "\xF0\x9F\x98\x80"
            "b");
  EXPECT_EQ(stream.push("\xE2\x82"), "");
  EXPECT_EQ(stream.flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.flush(), "");
  EXPECT_EQ(stream.push("c"), "c");
}

TEST(Tokenizer, text_of_any_kind_survives) {
  // 24-bit steps through all code points, with and without neighbours.
  std::string all;
  for (std::uint32_t c = 1; c < 0x110000; c += 37) {
    if (c >= 0xD800 && c < 0xE000) continue;
    if (c < 0x80) {
      all += static_cast<char>(c);
    } else if (c < 0x800) {
      all += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      all += {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 63)),
              static_cast<char>(0x80 | (c & 63))};
    } else {
      all += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 63)),
              static_cast<char>(0x80 | ((c >> 6) & 63)), static_cast<char>(0x80 | (c & 63))};
    }
    if (c % 5 == 0) all += ' ';
  }
  const auto ids = qwen3().encode(all, true);
  const std::string normal = qwen3().decode(ids);
  EXPECT_EQ(qwen3().encode(normal, true), ids);  // normal form C is a fixed point
  EXPECT_GT(normal.size(), all.size() / 2);
}

// Six bytes, two merges, and added tokens with all flags.
TokenizerData small() {
  return {.tokens = {"a", "b", "c", "\xC4\xA0", "ab", "abc", "<x>", "<xy>", "W", "<l>", "<r>"},
          .merges = {"a b", "ab c"},
          .added = {{.id = 6, .text = "<x>"},
                    {.id = 7, .text = "<xy>", .special = true},
                    {.id = 8, .text = "W", .single_word = true},
                    {.id = 9, .text = "<l>", .lstrip = true},
                    {.id = 10, .text = "<r>", .rstrip = true}}};
}

TEST(Tokenizer, merges_by_rank_and_leftmost_first) {
  const Tokenizer t(small());
  EXPECT_EQ(t.encode("abc", true), (std::vector<int>{5}));
  EXPECT_EQ(t.encode("aabcb", true), (std::vector<int>{0, 5, 1}));
  EXPECT_EQ(t.encode("cab", true), (std::vector<int>{2, 4}));
  EXPECT_EQ(t.encode("zazbz", true),
            (std::vector<int>{4}));  // bytes without a token are left out first, as in HF
}

TEST(Tokenizer, added_tokens_strip_blanks_and_stand_alone_where_they_say_so) {
  const Tokenizer t(small());
  EXPECT_EQ(t.encode("a<x>b<xy>c", true), (std::vector<int>{0, 6, 1, 7, 2}));
  EXPECT_EQ(t.encode("a W a", true), (std::vector<int>{0, 3, 8, 3, 0}));
  EXPECT_EQ(t.encode("aWa", true),
            (std::vector<int>{0, 8, 0}));  // not matched, but the byte has that token, too
  EXPECT_EQ(t.encode("a <l><r> <l> a", true), (std::vector<int>{0, 9, 10, 9, 3, 0}));
  EXPECT_EQ(t.encode("a  <l> a", true), (std::vector<int>{0, 9, 3, 0}));
  EXPECT_EQ(t.encode("a <r>  a", true), (std::vector<int>{0, 3, 10, 0}));
}

TEST(Tokenizer, normalized_added_tokens_are_matched_in_normal_form) {
  TokenizerData data = small();
  data.tokens.push_back("e\xCC\x81");
  data.added.push_back({.id = 11, .text = "e\xCC\x81", .normalized = true});
  const Tokenizer t(data);
  EXPECT_EQ(t.encode("a\xC3\xA9"
                     "a",
                     true),
            (std::vector<int>{0, 11, 0}));  // U+00E9
  EXPECT_EQ(t.encode("ae\xCC\x81"
                     "a",
                     true),
            (std::vector<int>{0, 11, 0}));
  data.nfc = false;
  const Tokenizer plain(std::move(data));
  EXPECT_EQ(plain.encode("a\xC3\xA9"
                         "a",
                         true),
            (std::vector<int>{0, 0}));
}

// utf8proc 2.8 drops U+11A7 behind a syllable (U+CEAC); U+11A8 belongs into it (U+CEAD).
TEST(Tokenizer, hangul_loses_nothing) {
  EXPECT_EQ(qwen3().decode(qwen3().encode("\xEC\xBA\xAC\xE1\x86\xA7\xE1\x86\xA7x", true)),
            "\xEC\xBA\xAC\xE1\x86\xA7\xE1\x86\xA7x");
  EXPECT_EQ(qwen3().decode(qwen3().encode("\xEC\xBA\xAC\xE1\x86\xA8x", true)), "\xEC\xBA\xADx");
  EXPECT_EQ(qwen3().decode(qwen3().encode("\xE1\x86\xA7", true)), "\xE1\x86\xA7");
}

TEST(Tokenizer, a_long_word_merges_like_its_parts) {
  const Tokenizer t(small());
  std::string text;
  std::vector<int> want;
  for (int i = 0; i < 5000; ++i) {
    text += "abcabcb";
    want.insert(want.end(), {5, 5, 1});
  }
  EXPECT_EQ(t.encode(text, true), want);
}

TEST(Tokenizer, refuses_data_that_does_not_fit_together) {
  const auto error_of = [](const std::function<void(TokenizerData&)>& change) -> std::string {
    TokenizerData data = small();
    change(data);
    try {
      const Tokenizer t(std::move(data));
    } catch (const core::Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(error_of([](auto& d) { d.merges.push_back("a q"); }).find('q'), std::string::npos);
  EXPECT_NE(error_of([](auto& d) { d.merges.push_back("b b"); }), "no error");
  EXPECT_NE(error_of([](auto& d) { d.merges.push_back("ab"); }), "no error");
  EXPECT_NE(error_of([](auto& d) { d.merges.push_back(""); }), "no error");
  EXPECT_NE(error_of([](auto& d) { d.merges.push_back("a b c"); }), "no error");
  EXPECT_NE(error_of([](auto& d) { d.added.push_back({.id = 99, .text = "<z>"}); }).find("<z>"),
            std::string::npos);
  EXPECT_NE(error_of([](auto& d) { d.added.push_back({.id = -1, .text = "<z>"}); }).find("<z>"),
            std::string::npos);
  EXPECT_NE(error_of([](auto& d) { d.added.push_back({.id = 0, .text = "<z>"}); }).find("<z>"),
            std::string::npos);
  EXPECT_NE(error_of([](auto& d) { d.pattern = "(a"; }).find("pattern"), std::string::npos);
  EXPECT_NE(error_of([](auto& d) { d.pattern = "\\C"; }), "no error");
  EXPECT_NE(error_of([](auto& d) { d.sentencepiece = {1, 2, 3}; }), "no error");
}

TEST(Tokenizer, a_pattern_that_never_ends_is_an_error_and_not_a_hang) {
  TokenizerData data = small();
  data.pattern = "(?:a+)+b|(?:(?:a|aa)+)+c";
  const Tokenizer t(std::move(data));
  EXPECT_THROW(t.encode(std::string(5000, 'a'), false), core::Error);
}

TEST(Speed, of_reading_building_and_encoding_is_fit_for_each_start) {
  auto begin = std::chrono::steady_clock::now();
  TokenizerData data = read_tokenizer_json(kQwen3File);
  const double reading = seconds_since(begin);
  begin = std::chrono::steady_clock::now();
  const Tokenizer t(std::move(data));
  const double building = seconds_since(begin);
  std::string text;
  for (const auto all = rows("tokenizer_qwen3.jsonl"); text.size() < (1U << 20);)
    for (const json& row : all) text += row["text"].get<std::string>() + "\n";
  text.resize(1U << 20);
  begin = std::chrono::steady_clock::now();
  const auto ids = t.encode(text, true);
  const double encoding = seconds_since(begin);
  std::printf("[          ] tokenizer.json %.3f s, construction %.3f s, 1 MiB of text %.3f s (%zu ids)\n",
              reading, building, encoding, ids.size());
  for (const char* filler :
       {"a", " ", "\n", "\xCC\x81", "\xE4\xBD\xA0", "a\xCC\x81\xCC\xA3", "\xCC\x81\xCC\xA3", "'"}) {
    std::string run;
    while (run.size() < (1U << 20)) run += filler;
    begin = std::chrono::steady_clock::now();
    const auto n = t.encode(run, false).size();
    const double took = seconds_since(begin);
    std::printf("[          ] 1 MiB of one thing over and over: %.3f s (%zu ids)\n", took, n);
    EXPECT_LT(took, 20);  // generous, for sanitizers and busy machines: what is quadratic takes minutes
  }
  EXPECT_LT(reading, 20);
  EXPECT_LT(building, 5);
  EXPECT_LT(encoding, 20);
}

}  // namespace
}  // namespace tarsier
