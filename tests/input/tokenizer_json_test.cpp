// tokenizer.json: what is read from a good file, and that every malformed one is refused with a sentence.
#include "src/input/tokenizer_json.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

using nlohmann::json;

const std::string kTinyFile = std::string(TARSIER_SOURCE) + "/models/tiny-vl-dense/tokenizer.json";

json small() {
  return json::parse(R"({
    "added_tokens": [{"id": 4, "content": "<x>", "special": true, "normalized": false, "lstrip": false,
                      "rstrip": true, "single_word": false}],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "a+|b"}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "aab": 3}, "merges": ["a b", ["a", "ab"]]}})");
}

class TokenizerJson : public testing::Test {
 protected:
  TokenizerJson()
      : path_((std::filesystem::temp_directory_path() /
               ("tarsier_tokenizer_json_test_" + std::to_string(::getpid()) + ".json"))
                  .string()) {}
  ~TokenizerJson() override { std::filesystem::remove(path_); }

  TokenizerData read(const std::string& text) const {
    std::ofstream(path_, std::ios::binary) << text;
    return read_tokenizer_json(path_);
  }
  // Of reading and of building; "" where both succeed.
  std::string error_of(const std::string& text) const {
    try {
      const Tokenizer t(read(text));
    } catch (const core::Error& e) {
      return e.what();
    }
    return "";
  }
  std::string error_after(const std::function<void(json&)>& change) const {
    json file = small();
    change(file);
    return error_of(file.dump());
  }
  std::string path_;
};

TEST_F(TokenizerJson, a_good_file_is_read_as_it_stands) {
  const TokenizerData data = read(small().dump());
  EXPECT_EQ(data.tokens, (std::vector<std::string>{"a", "b", "ab", "aab", "<x>"}));
  EXPECT_EQ(data.merges, (std::vector<std::string>{"a b", "a ab"}));
  EXPECT_EQ(data.pattern, "a+|b");
  EXPECT_TRUE(data.nfc);
  EXPECT_FALSE(data.ignore_merges);
  EXPECT_TRUE(data.sentencepiece.empty());
  ASSERT_EQ(data.added.size(), 1U);
  EXPECT_EQ(data.added[0].id, 4);
  EXPECT_EQ(data.added[0].text, "<x>");
  EXPECT_TRUE(data.added[0].special && data.added[0].rstrip);
  EXPECT_FALSE(data.added[0].normalized || data.added[0].lstrip || data.added[0].single_word);
  EXPECT_EQ(error_of(small().dump()), "");
}

TEST_F(TokenizerJson, the_tiny_models_file_is_whole) {
  const TokenizerData data = read_tokenizer_json(kTinyFile);
  EXPECT_EQ(data.tokens.size(), 1176U);
  EXPECT_EQ(data.added.size(), 26U);
  EXPECT_EQ(data.tokens[1151], "<|im_start|>");
  EXPECT_NE(data.pattern.find("(?!\\S)"), std::string::npos);
}

TEST_F(TokenizerJson, variants_of_a_good_file_are_read) {
  EXPECT_EQ(error_after([](json& f) { f["normalizer"] = nullptr; }), "");
  EXPECT_EQ(error_after([](json& f) { f.erase("added_tokens"); }), "");
  EXPECT_EQ(error_after([](json& f) { f.erase("decoder"); }), "");
  EXPECT_EQ(error_after([](json& f) { f["model"]["vocab"]["<x>"] = 4; }), "");  // also in the vocabulary
  EXPECT_EQ(error_after([](json& f) { f["model"]["ignore_merges"] = true; }), "");
  EXPECT_EQ(error_after([](json& f) {
              f["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
            }),
            "");
}

TEST_F(TokenizerJson, what_is_wrong_is_said_with_the_files_name) {
  struct Case {
    const char* what;
    std::function<void(json&)> change;
    const char* says;  // a part of the sentence
  };
  const std::vector<Case> cases = {
      {"no model", [](json& f) { f.erase("model"); }, "model"},
      {"model of another kind", [](json& f) { f["model"] = 3; }, "model"},
      {"null model", [](json& f) { f["model"] = nullptr; }, "model"},
      {"WordPiece", [](json& f) { f["model"]["type"] = "WordPiece"; }, "WordPiece"},
      {"Unigram",
       [](json& f) {
         f["model"] = {{"type", "Unigram"}, {"vocab", json::array()}};
       },
       "Unigram"},
      {"type of a number", [](json& f) { f["model"]["type"] = 1; }, "model"},
      {"no vocab", [](json& f) { f["model"].erase("vocab"); }, "vocab"},
      {"vocab of an array", [](json& f) { f["model"]["vocab"] = json::array(); }, "vocab"},
      {"id of a string", [](json& f) { f["model"]["vocab"]["a"] = "0"; }, "id"},
      {"id of a fraction", [](json& f) { f["model"]["vocab"]["a"] = 0.5; }, "id"},
      {"negative id", [](json& f) { f["model"]["vocab"]["a"] = -1; }, "id"},
      {"id of an array", [](json& f) { f["model"]["vocab"]["a"] = json::array(); }, "id"},
      {"duplicate ids", [](json& f) { f["model"]["vocab"]["b"] = 0; }, "0"},
      {"an added token on another's id", [](json& f) { f["added_tokens"][0]["id"] = 1; }, "<x>"},
      {"sparse ids", [](json& f) { f["model"]["vocab"]["aab"] = 9; }, "id"},
      {"a hole before the added tokens", [](json& f) { f["added_tokens"][0]["id"] = 6; }, "id"},
      {"large id", [](json& f) { f["model"]["vocab"]["aab"] = 15000000; }, "id"},
      {"huge id", [](json& f) { f["model"]["vocab"]["aab"] = 4294967296; }, "id"},
      {"hugest id", [](json& f) { f["model"]["vocab"]["aab"] = 18446744073709551615ULL; }, "id"},
      {"huge added id", [](json& f) { f["added_tokens"][0]["id"] = 2147483648; }, "id"},
      {"no merges", [](json& f) { f["model"].erase("merges"); }, "merges"},
      {"merges of an object", [](json& f) { f["model"]["merges"] = json::object(); }, "merges"},
      {"merge of a number", [](json& f) { f["model"]["merges"][0] = 7; }, "merge"},
      {"merge of three",
       [](json& f) {
         f["model"]["merges"][0] = {"a", "b", "c"};
       },
       "merge"},
      {"merge of numbers",
       [](json& f) {
         f["model"]["merges"][0] = {1, 2};
       },
       "merge"},
      {"merge of one word", [](json& f) { f["model"]["merges"][0] = "ab"; }, "merge"},
      {"empty merge", [](json& f) { f["model"]["merges"][0] = ""; }, "merge"},
      {"merge of an unknown token", [](json& f) { f["model"]["merges"][0] = "a q"; }, "q"},
      {"merge that makes no token", [](json& f) { f["model"]["merges"][0] = "b a"; }, "ba"},
      {"added tokens of an object", [](json& f) { f["added_tokens"] = json::object(); }, "added_tokens"},
      {"added token of a string", [](json& f) { f["added_tokens"][0] = "<x>"; }, ""},
      {"added token without text", [](json& f) { f["added_tokens"][0].erase("content"); }, "content"},
      {"added token without id", [](json& f) { f["added_tokens"][0].erase("id"); }, "id"},
      {"flag of a string", [](json& f) { f["added_tokens"][0]["special"] = "yes"; }, "special"},
      {"another normaliser", [](json& f) { f["normalizer"]["type"] = "Lowercase"; }, "Lowercase"},
      {"normaliser of a string", [](json& f) { f["normalizer"] = "NFC"; }, "normalizer"},
      {"no pre-tokenizer", [](json& f) { f.erase("pre_tokenizer"); }, "pre_tokenizer"},
      {"another pre-tokenizer",
       [](json& f) {
         f["pre_tokenizer"] = {{"type", "Metaspace"}};
       },
       "Metaspace"},
      {"no regex",
       [](json& f) {
         f["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"String", " "}};
       },
       "Regex"},
      {"regex of a number", [](json& f) { f["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = 1; },
       "pattern"},
      {"regex that does not compile",
       [](json& f) { f["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a"; }, "pattern"},
      {"another behaviour", [](json& f) { f["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; },
       "Removed"},
      {"inverted", [](json& f) { f["pre_tokenizer"]["pretokenizers"][0]["invert"] = true; }, ""},
      {"prefix space", [](json& f) { f["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
       "prefix"},
      {"another decoder", [](json& f) { f["decoder"]["type"] = "WordPiece"; }, "WordPiece"},
      {"tokens around the text",
       [](json& f) {
         f["post_processor"] = {{"type", "TemplateProcessing"}};
       },
       "TemplateProcessing"},
      {"byte fallback", [](json& f) { f["model"]["byte_fallback"] = true; }, "byte_fallback"},
      {"word endings", [](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix"},
  };
  for (const Case& c : cases) {
    const std::string error = error_after(c.change);
    EXPECT_GT(error.size(), 10U) << c.what << " was taken";
    EXPECT_NE(error.find(c.says), std::string::npos) << c.what << ": " << error;
    EXPECT_LT(error.size(), 1000U) << c.what;
  }
}

TEST_F(TokenizerJson, an_error_of_reading_names_the_file) {
  EXPECT_NE(error_of("{}").find(path_), std::string::npos);
  EXPECT_NE(error_of("").find(path_), std::string::npos);
  EXPECT_NE(error_of("[1, 2").find(path_), std::string::npos);
  EXPECT_NE(error_of("\"\xFF\"").find(path_), std::string::npos);
  EXPECT_NE(error_of(std::string(200000, '[')).find(path_), std::string::npos);
  EXPECT_THROW(read_tokenizer_json(path_ + ".absent"), core::Error);
  for (const char* text : {"null", "1", "[]", "\"x\"", "true"}) EXPECT_NE(error_of(text), "") << text;
}

TEST_F(TokenizerJson, a_file_cut_anywhere_is_refused) {
  const std::string whole = small().dump();
  for (std::size_t n = 0; n < whole.size(); n += 5) EXPECT_NE(error_of(whole.substr(0, n)), "") << n;
}

TEST_F(TokenizerJson, changed_bytes_are_refused_or_read_but_never_crash) {
  const std::string whole = small().dump();
  std::mt19937 random(3);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string damaged = whole;
    for (int i = 0; i <= round % 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    if (!error_of(damaged).empty()) ++refused;
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace tarsier
