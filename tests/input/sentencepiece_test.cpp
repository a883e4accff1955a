// SentencePiece models against Python's sentencepiece (tests/oracle/make_sentencepiece.py), and damaged ones.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "ggml-like-core/base/error.h"
#include "src/input/tokenizer.h"
#include "src/input/tokenizer_json.h"

namespace tarsier {
namespace {

using nlohmann::json;

const std::string kFolder = std::string(TARSIER_TEST_DATA) + "/sentencepiece/";

std::vector<json> rows(const std::string& name) {
  std::ifstream file(kFolder + name);
  core::require(file.good(), kFolder, name, ": cannot be opened");
  std::vector<json> out;
  for (std::string line; std::getline(file, line);) out.push_back(json::parse(line));
  return out;
}

class SentencePieceModels : public testing::TestWithParam<const char*> {
 protected:
  Tokenizer tokenizer() const { return Tokenizer(read_tokenizer_model(kFolder + GetParam() + ".model")); }
};
INSTANTIATE_TEST_SUITE_P(, SentencePieceModels, testing::Values("tokenizer", "bpe"),
                         [](const auto& p) { return std::string(p.param); });

TEST_P(SentencePieceModels, texts_have_the_ids_of_pythons_sentencepiece) {
  const Tokenizer t = tokenizer();
  const auto all = rows(std::string(GetParam()) + ".jsonl");
  ASSERT_EQ(all.size(), 69U);
  for (const json& row : all) {
    const auto ids = row["ids"].get<std::vector<int>>();
    EXPECT_EQ(t.encode(row["text"].get<std::string>(), false), ids) << row["text"];
    EXPECT_EQ(t.decode(ids, true), row["decoded"].get<std::string>()) << row["text"];
  }
}

TEST_P(SentencePieceModels, random_ids_decode_as_in_pythons_sentencepiece) {
  const Tokenizer t = tokenizer();
  const auto all = rows(std::string(GetParam()) + ".decode.jsonl");
  ASSERT_EQ(all.size(), 100U);
  for (const json& row : all) {
    const auto ids = row["ids"].get<std::vector<int>>();
    EXPECT_EQ(t.decode(ids, true), row["text"].get<std::string>()) << row["ids"];
  }
}

TEST(SentencePiece, control_pieces_are_parsed_only_when_asked) {
  const Tokenizer t(read_tokenizer_model(kFolder + "tokenizer.model"));
  const int control = t.find("<ctl>").value();
  EXPECT_TRUE(t.is_special(control));
  EXPECT_EQ(t.encode("<ctl>", true), std::vector<int>{control});
  for (const int id : t.encode("<s><ctl></s><pad2>", false)) EXPECT_FALSE(t.is_special(id));
  EXPECT_EQ(t.decode(std::vector<int>{control}), "<ctl>");
  EXPECT_EQ(t.decode(std::vector<int>{control}, true), "");
  EXPECT_FALSE(t.is_special(t.find("[BOX]").value()));
}

TEST(SentencePiece, token_bytes_are_the_text_with_blanks_and_raw_bytes) {
  const Tokenizer t(read_tokenizer_model(kFolder + "tokenizer.model"));
  EXPECT_EQ(t.token_bytes(t.find("\xE2\x96\x81the").value()), " the");
  EXPECT_EQ(t.token_bytes(t.find("<0xC3>").value()), "\xC3");
  EXPECT_EQ(t.token_bytes(t.find("<0x00>").value()), std::string(1, '\0'));
  EXPECT_EQ(t.token_bytes(t.size()), "");
  EXPECT_EQ(t.token_bytes(-1), "");
  EXPECT_EQ(t.decode(std::vector<int>{-1, t.size(), 1 << 30}, true), "");
  EXPECT_EQ(t.find("no such piece"), std::nullopt);
  // Streamed, a text has a blank before its first word.
  Utf8Stream stream;
  std::string text;
  for (const int id : t.encode("\xE7\x8C\xAB \xF0\x9F\x99\x88 the", false))
    text += stream.push(t.token_bytes(id));
  EXPECT_EQ(text + stream.flush(), " \xE7\x8C\xAB \xF0\x9F\x99\x88 the");
}

TEST(SentencePiece, broken_utf8_counts_as_the_replacement_character) {
  const Tokenizer t(read_tokenizer_model(kFolder + "tokenizer.model"));
  EXPECT_EQ(t.encode("a\xFFz", false), t.encode("a\xEF\xBF\xBDz", false));
}

// Each damaged model is refused with a sentence, or (a changed score, say) works.
void expect_no_crash(std::vector<std::uint8_t> model, int& refused) {
  try {
    const Tokenizer t({.nfc = false, .sentencepiece = std::move(model)});
    const auto ids = t.encode("The \xEF\xAC\x81ne tarsier 3.14\n\xE7\x8C\xAB [BOX]", true);
    (void)t.decode(ids);
    for (int id = 0; id < t.size(); ++id) (void)t.token_bytes(id);
  } catch (const core::Error& e) {
    EXPECT_GT(std::string(e.what()).size(), 15U);
    ++refused;
  }
}

TEST_P(SentencePieceModels, damaged_files_are_refused_or_work_but_never_crash) {
  std::ifstream file(kFolder + GetParam() + ".model", std::ios::binary);
  const std::vector<std::uint8_t> whole{std::istreambuf_iterator<char>(file),
                                        std::istreambuf_iterator<char>()};
  ASSERT_GT(whole.size(), 1000U);
  int refused = 0;
  for (std::size_t n = 1; n < whole.size(); n += 61)
    expect_no_crash({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}, refused);
  EXPECT_GT(refused, 20);  // a cut inside a field is always seen
  std::mt19937 random(7);
  refused = 0;
  for (int round = 0; round < 400; ++round) {
    auto damaged = whole;
    for (int i = 0; i <= round % 4; ++i)
      damaged[random() % damaged.size()] = static_cast<std::uint8_t>(random());
    expect_no_crash(std::move(damaged), refused);
  }
  EXPECT_GT(refused, 20);
}

// The two kinds of damage that bring libsentencepiece down where they reach it.
TEST(SentencePiece, a_normalisation_table_out_of_bounds_and_a_piece_with_a_zero_are_refused) {
  std::ifstream file(kFolder + "tokenizer.model", std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto error_of = [](const std::string& model) -> std::string {
    try {
      const Tokenizer t({.nfc = false, .sentencepiece = {model.begin(), model.end()}});
    } catch (const core::Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error_of(whole), "");
  std::string zero = whole;
  zero[whole.find("[BOX]") + 2] = '\0';
  EXPECT_NE(error_of(zero).find("byte 0"), std::string::npos) << error_of(zero);
  // After the normaliser's name: tag and length (3 bytes), then the table: length of its tree, root, ...
  const std::string name = "user_defined";
  const std::size_t table = whole.find(name) + name.size() + 3;
  ASSERT_EQ(whole.substr(table, 4), std::string("\0\4\0\0", 4));
  const auto with = [&](std::size_t at, const std::string& bytes) {
    std::string damaged = whole;
    damaged.replace(at, bytes.size(), bytes);
    return error_of(damaged);
  };
  EXPECT_NE(with(table, "\xFF\xFF\xFF\x7F").find("tree"), std::string::npos);
  EXPECT_NE(with(table, std::string("\1\4\0\0", 4)).find("tree"), std::string::npos);
  EXPECT_NE(with(table, std::string(4, '\0')).find("tree"), std::string::npos);
  EXPECT_NE(with(table + 4, "\xFF\xFF\xFF\x7F").find("leads to"), std::string::npos);
  int outside = 0;  // leaves that point behind the texts
  for (std::size_t at = table + 8; at < table + 4 + 1024; at += 4)
    if (with(at, "\xFF\xFF\xFF\xFF").find("points to") != std::string::npos) ++outside;
  EXPECT_GT(outside, 20);
}

TEST(SentencePiece, files_that_are_no_model_are_named_in_the_error) {
  const std::string path =
      (std::filesystem::temp_directory_path() / "tarsier_sentencepiece_test.model").string();
  for (const std::string& bytes :
       {std::string(), std::string("hello"), std::string(1000, '\xFF'), std::string(1000, '\0')}) {
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      const Tokenizer t(read_tokenizer_model(path));
      ADD_FAILURE() << bytes.size() << " bytes were taken as a model";
    } catch (const core::Error& e) {
      EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
    }
  }
  std::filesystem::remove(path);
  EXPECT_THROW(read_tokenizer_model(path), core::Error);
}

}  // namespace
}  // namespace tarsier
