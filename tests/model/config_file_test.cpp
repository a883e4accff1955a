// Configuration and tokenizer through a GGUF file and back; and files that hold only llama.cpp's keys.
#include "src/model/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/model/some_config.h"
#include "tests/temp_folder.h"

namespace {

using core::GgufReader;
using core::GgufWriter;
using tarsier::Config;
using test::error_of;
using test::some_config;
using test::TempFolder;
using ::testing::HasSubstr;

// Every field as text, in order.
struct Printer {
  std::map<std::string, std::string>& out;
  template <class T>
  void operator()(std::string_view key, std::string_view, const T& field) const {
    out[std::string(key)] = text(field);
  }
  template <class T>
  void operator()(std::string_view key, std::string_view, bool, const T& field) const {
    out[std::string(key)] = text(field);
  }
  static std::string text(float x) { return core::to_text(static_cast<double>(x)); }
  static std::string text(const std::vector<int>& x) {
    return core::to_text(std::vector<std::int64_t>(x.begin(), x.end()));
  }
  template <class T>
  static std::string text(const T& x) {
    return core::to_text(x);
  }
};

std::map<std::string, std::string> printed(const Config& c) {
  std::map<std::string, std::string> out;
  tarsier::config_fields(c, Printer{out});
  tarsier::processor_fields(c.processor, Printer{out});
  for (const float x : c.processor.mean) out["mean"] += Printer::text(x) + " ";
  for (const float x : c.processor.std) out["std"] += Printer::text(x) + " ";
  out["name"] = c.name;
  out["template"] = c.chat_template;
  return out;
}

tarsier::TokenizerData some_tokenizer() {
  tarsier::TokenizerData t;
  for (int i = 0; i < 28; ++i) t.tokens.push_back("t" + std::to_string(i));
  for (const char* text : {"<|endoftext|>", "<tool>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>",
                           "<|vision_end|>", "<|im_start|>", "<|im_end|>"})
    t.tokens.push_back(text);
  for (int id = 28; id < 36; ++id)
    t.added.push_back(
        {.id = id, .text = std::string(t.tokens[static_cast<std::size_t>(id)]), .special = id != 29});
  t.added[1].normalized = t.added[1].lstrip = true;
  t.added[2].rstrip = t.added[2].single_word = true;
  t.merges = {"t1 t2", "t t"};
  t.pattern = "\\w+";
  t.nfc = false;
  t.ignore_merges = true;
  return t;
}

TEST(ConfigFile, every_field_is_read_back) {
  const TempFolder folder;
  for (const bool moe : {false, true}) {
    const Config c = some_config(moe);
    GgufWriter writer;
    write_config(writer, c);
    writer.begin(folder.path("a.gguf"));
    writer.commit();
    const GgufReader file(folder.path("a.gguf"));
    EXPECT_EQ(printed(tarsier::read_config(tarsier::ModelFiles(file.path()))), printed(c));
    EXPECT_EQ(file.has("qwen3vl.expert_count"), false);
    EXPECT_EQ(file.has("qwen3vlmoe.expert_count"), moe);
  }
}

TEST(ConfigFile, no_field_of_a_changed_configuration_equals_the_default) {
  // Else a field that is never written could pass the test above.
  const auto changed = printed(some_config(true));
  const auto fresh = printed(Config());
  for (const auto& [key, value] : changed) {
    const bool fixed = key == "clip.vision.attention.layer_norm_epsilon" || key == "clip.vision.patch_size" ||
                       key == "clip.vision.spatial_merge_size" || key == "tarsier.vision.in_channels" ||
                       key == "tarsier.vision.temporal_patch_size" || key.starts_with("tarsier.processor.");
    EXPECT_TRUE(fixed || value != fresh.at(key)) << key << " " << value;
  }
}

TEST(ConfigFile, keys_of_our_own_may_be_missing) {
  const TempFolder folder;
  const Config c = some_config(true);
  GgufWriter full;
  write_config(full, c);
  write_tokenizer(full, some_tokenizer(), c.text.vocab_size);
  full.begin(folder.path("full.gguf"));
  full.commit();
  const GgufReader ours(folder.path("full.gguf"));
  GgufWriter foreign;  // as a merged pair of llama.cpp's files would be
  for (const auto& [key, value] : ours.metadata())
    if (!key.starts_with("tarsier.") && key != "qwen3vlmoe.vocab_size") foreign.set(key, value);
  foreign.set("clip.vision.attention.layer_norm_epsilon", 1e-5F);
  const std::int64_t embedding[] = {40, 32};
  const std::int64_t gate[] = {48, 32};
  foreign.add_tensor("token_embd.weight", core::DType::f32, embedding);
  foreign.add_tensor("blk.1.ffn_gate.weight", core::DType::f32, gate);
  foreign.begin(folder.path("foreign.gguf"));
  foreign.write(0, 0, std::vector<std::byte>(foreign.tensor(0).bytes));
  foreign.write(1, 0, std::vector<std::byte>(foreign.tensor(1).bytes));
  foreign.commit();

  const GgufReader file(folder.path("foreign.gguf"));
  const Config read = tarsier::read_config(tarsier::ModelFiles(file.path()));
  EXPECT_EQ(read.text.vocab_size, 40);
  EXPECT_EQ(read.text.mrope_section, (std::vector<int>{2, 1, 1}));
  EXPECT_TRUE(read.text.tie_word_embeddings);
  EXPECT_EQ(read.text.dense_layers, std::vector<int>{1});
  EXPECT_EQ(read.vision.layer_norm_eps, 1e-6F);
  EXPECT_EQ(read.vision.num_position_embeddings, 16);
  EXPECT_EQ(read.vision.deepstack_visual_indexes, (std::vector<int>{0, 2}));
  EXPECT_EQ(read.special.image_pad, 30);
  EXPECT_EQ(read.special.im_end, 35);
  EXPECT_EQ(read.generation.eos_token_id, (std::vector<int>{35, 28}));  // and <|endoftext|>
  EXPECT_FALSE(read.generation.do_sample);
  EXPECT_EQ(read.processor.image.max_pixels, 16777216);
  EXPECT_EQ(read.processor.mean, c.processor.mean);
  EXPECT_FALSE(read.video_outer_markers);

  const auto tokenizer = tarsier::read_tokenizer(file);
  EXPECT_EQ(tokenizer.tokens, some_tokenizer().tokens);
  ASSERT_EQ(tokenizer.added.size(), 8U);
  EXPECT_TRUE(tokenizer.added[0].special);
  EXPECT_FALSE(tokenizer.added[1].special);
  EXPECT_EQ(tokenizer.pattern, "");
  EXPECT_TRUE(tokenizer.nfc);
}

// The file of some_config with some keys replaced or, where nothing stands, left out.
std::string changed_file(const TempFolder& folder,
                         const std::map<std::string, std::optional<core::GgufValue>>& changes) {
  GgufWriter full;
  write_config(full, some_config());
  write_tokenizer(full, some_tokenizer(), 40);
  full.begin(folder.path("full.gguf"));
  full.commit();
  const GgufReader file(folder.path("full.gguf"));
  GgufWriter writer;
  for (const auto& [key, value] : file.metadata())
    if (!changes.contains(key)) writer.set(key, value);
  for (const auto& [key, value] : changes)
    if (value) writer.set(key, *value);
  writer.begin(folder.path("changed.gguf"));
  writer.commit();
  return folder.path("changed.gguf");
}

TEST(ConfigFile, what_a_file_must_hold_is_listed_when_missing) {
  const TempFolder folder;
  const auto refusal = [&](const std::map<std::string, std::optional<core::GgufValue>>& changes) {
    const GgufReader file(changed_file(folder, changes));
    return error_of([&] { tarsier::read_config(tarsier::ModelFiles(file.path())); });
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_THAT(refusal({{"qwen3vl.block_count", {}}, {"clip.vision.embedding_length", {}}}),
              HasSubstr("keys are missing: qwen3vl.block_count, clip.vision.embedding_length"));
  EXPECT_THAT(refusal({{"general.architecture", "bert"}}),
              HasSubstr("architecture bert, wanted one of qwen3vl, qwen3vlmoe"));
  EXPECT_THAT(refusal({{"general.architecture", {}}}), HasSubstr("general.architecture is missing"));
  EXPECT_EQ(refusal({{"clip.vision.block_count", {}}}), "");  // reads text only
  EXPECT_THAT(refusal({{"general.architecture", "llama"}}), HasSubstr("reads no pictures"));
  EXPECT_THAT(refusal({{"qwen3vl.rope.scaling.type", "yarn"}}), HasSubstr("rope.scaling.type is yarn"));
  EXPECT_THAT(refusal({{"qwen3vl.rope.dimension_count", std::uint32_t{4}}}),
              HasSubstr("wanted the whole head, 8"));
  EXPECT_THAT(refusal({{"tarsier.version", std::uint32_t{2}}}), HasSubstr("a newer program is needed"));
  EXPECT_THAT(refusal({{"qwen3vl.block_count", "three"}}),
              HasSubstr("qwen3vl.block_count is not an integer"));
  EXPECT_THAT(refusal({{"qwen3vl.block_count", std::int64_t{1} << 40}}), HasSubstr("beyond 32 bits"));
  EXPECT_THAT(refusal({{"qwen3vl.block_count", std::uint32_t{0}}}), HasSubstr("num_hidden_layers is 0"));
  EXPECT_THAT(refusal({{"clip.vision.image_mean", std::vector<double>{1, 2}}}),
              HasSubstr("2 numbers, wanted 3"));
}

TEST(TokenizerFile, every_field_is_read_back_and_rows_beyond_are_padding) {
  const TempFolder folder;
  const GgufReader file(changed_file(folder, {}));
  EXPECT_EQ(file.texts("tokenizer.ggml.tokens").size(), 40U);
  EXPECT_EQ(file.texts("tokenizer.ggml.tokens")[39], "[PAD39]");
  EXPECT_EQ(file.integers("tokenizer.ggml.token_type")[39], 5);
  EXPECT_EQ(file.integers("tokenizer.ggml.token_type")[28], 3);
  EXPECT_EQ(file.integers("tokenizer.ggml.token_type")[29], 4);
  EXPECT_EQ(file.integer("tokenizer.ggml.padding_token_id"), 28);
  EXPECT_EQ(file.integer("tokenizer.ggml.eos_token_id"), 35);
  const auto read = tarsier::read_tokenizer(file);
  const auto wanted = some_tokenizer();
  EXPECT_EQ(read.tokens, wanted.tokens);
  EXPECT_EQ(read.merges, wanted.merges);
  EXPECT_EQ(read.pattern, wanted.pattern);
  EXPECT_EQ(read.nfc, wanted.nfc);
  EXPECT_EQ(read.ignore_merges, wanted.ignore_merges);
  ASSERT_EQ(read.added.size(), wanted.added.size());
  for (std::size_t i = 0; i < read.added.size(); ++i) {
    EXPECT_EQ(read.added[i].id, wanted.added[i].id);
    EXPECT_EQ(read.added[i].text, wanted.added[i].text);
    EXPECT_EQ(read.added[i].special, wanted.added[i].special);
    EXPECT_EQ(read.added[i].normalized, wanted.added[i].normalized);
    EXPECT_EQ(read.added[i].lstrip, wanted.added[i].lstrip);
    EXPECT_EQ(read.added[i].rstrip, wanted.added[i].rstrip);
    EXPECT_EQ(read.added[i].single_word, wanted.added[i].single_word);
  }
}

TEST(TokenizerFile, keeps_the_name_of_a_pre_tokenizer_for_llama_cpp) {
  const TempFolder folder;
  for (const char* name : {"qwen2", "llama-bpe", "smollm", "gpt-2", "default"}) {
    const GgufReader file(changed_file(folder, {{"tokenizer.ggml.pre", name},
                                                {"tarsier.tokenizer.pattern", {}},
                                                {"tarsier.tokenizer.nfc", {}},
                                                {"tarsier.tokenizer.ignore_merges", {}}}));
    GgufWriter writer;
    write_tokenizer(writer, tarsier::read_tokenizer(file), 40);
    writer.begin(folder.path("again.gguf"));
    writer.commit();
    EXPECT_EQ(GgufReader(folder.path("again.gguf")).text("tokenizer.ggml.pre"), name);
  }
}

TEST(TokenizerFile, a_sentencepiece_model_is_kept_as_bytes) {
  const TempFolder folder;
  tarsier::TokenizerData t;
  t.sentencepiece = {10, 0, 255};
  t.tokens = {"<unk>", "\xe2\x96\x81", "a"};
  GgufWriter writer;
  write_tokenizer(writer, t, 8);
  writer.begin(folder.path("a.gguf"));
  writer.commit();
  const GgufReader file(folder.path("a.gguf"));
  EXPECT_EQ(file.text("tokenizer.ggml.model"), "llama");
  const auto read = tarsier::read_tokenizer(file);
  EXPECT_EQ(read.sentencepiece, t.sentencepiece);
  EXPECT_EQ(read.tokens, t.tokens);
}

TEST(TokenizerFile, lists_that_do_not_fit_together_are_refused) {
  const TempFolder folder;
  const auto refusal = [&](const std::map<std::string, std::optional<core::GgufValue>>& changes) {
    const GgufReader file(changed_file(folder, changes));
    return error_of([&] { tarsier::read_tokenizer(file); });
  };
  using Numbers = std::vector<std::int64_t>;
  EXPECT_THAT(refusal({{"tokenizer.ggml.model", {}}}), HasSubstr("tokenizer.ggml.model is missing"));
  EXPECT_THAT(refusal({{"tokenizer.ggml.model", "bert"}}), HasSubstr("is bert, wanted gpt2"));
  EXPECT_THAT(refusal({{"tokenizer.ggml.tokens", {}},
                       {"tokenizer.ggml.token_type", {}},
                       {"tarsier.tokenizer.added_ids", {}}}),
              HasSubstr("holds no tokens"));
  EXPECT_THAT(refusal({{"tokenizer.ggml.merges", {}}}), HasSubstr("tokenizer.ggml.merges is missing"));
  EXPECT_THAT(refusal({{"tokenizer.ggml.token_type", Numbers{1, 2}}}),
              HasSubstr("has 2 numbers for 40 tokens"));
  EXPECT_THAT(
      refusal({{"tarsier.tokenizer.added_ids", Numbers{99}}, {"tarsier.tokenizer.added_flags", Numbers{0}}}),
      HasSubstr("added token 99"));
  EXPECT_THAT(
      refusal({{"tarsier.tokenizer.added_ids", Numbers{-1}}, {"tarsier.tokenizer.added_flags", Numbers{0}}}),
      HasSubstr("added token -1"));
  EXPECT_THAT(refusal({{"tarsier.tokenizer.added_flags", Numbers{0}}}), HasSubstr("has 8 numbers"));
  EXPECT_THAT(refusal({{"tarsier.tokenizer.pattern", {}}, {"tokenizer.ggml.pre", "tekken"}}),
              HasSubstr("is tekken, wanted one of qwen2"));
  GgufWriter writer;
  EXPECT_THAT(error_of([&] { write_tokenizer(writer, some_tokenizer(), 35); }), HasSubstr("only 35 rows"));
}

}  // namespace
