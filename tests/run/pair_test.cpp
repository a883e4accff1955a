// A pair of files, the file merged from it, and a text model alone answer as the one file does.
#include "convert/pair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ggml-like-core/gguf/reader.h"
#include "ggml-like-core/gguf/writer.h"
#include "tests/model_files.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::Model;
using test::TempFolder;

// The logits of the last token of a prompt.
std::vector<float> logits(const std::shared_ptr<const Model>& model, const tarsier::Prompt& prompt) {
  tarsier::Session session(model, {.threads = 2});
  const auto out = session.sync(prompt);
  return {out.begin(), out.end()};
}

tarsier::Conversation about_a_picture() {
  return tarsier::question("Describe this image.",
                           {std::string(TARSIER_SOURCE) + "/examples/pictures/two-shapes.png"});
}

class RunPair : public testing::TestWithParam<const char*> {};

TEST_P(RunPair, and_the_merged_file_give_the_same_bits_as_the_one_file) {
  const TempFolder folder;
  const test::ModelFile one(GetParam(), "q8_0", "f16");
  const std::string text = folder.path("text.gguf");
  const std::string mmproj = folder.path("mmproj.gguf");
  tarsier::split_pair({.source = one.path(), .text = text, .mmproj = mmproj});
  tarsier::merge_pair({.text = text, .mmproj = mmproj, .output = folder.path("merged.gguf")});
  const auto wanted = logits(one.model(), one.model()->prompt(about_a_picture()));
  const auto pair = Model::open(text, mmproj);
  EXPECT_EQ(logits(pair, pair->prompt(about_a_picture())), wanted);
  const auto merged = Model::open(folder.path("merged.gguf"));
  EXPECT_EQ(logits(merged, merged->prompt(about_a_picture())), wanted);

  const auto alone = Model::open(text);
  const auto words = tarsier::question("What is a circle?");
  EXPECT_EQ(logits(alone, alone->prompt(words)), logits(one.model(), one.model()->prompt(words)));
  EXPECT_THROW(
      try { alone->prompt(about_a_picture()); } catch (const core::Error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("reads text only"));
        throw;
      },
      core::Error);
}

INSTANTIATE_TEST_SUITE_P(Models, RunPair, testing::Values("tiny-vl-dense", "tiny-vl-moe"),
                         [](const auto& one) { return std::string(one.param).substr(8); });

// The text half as the plain text model that its tensors are, too.
std::string as_architecture(const TempFolder& folder, const std::string& path,
                            const std::string& architecture) {
  const core::GgufReader file(path);
  const std::string& old = file.text("general.architecture");
  core::GgufWriter writer;
  for (const auto& [key, value] : file.metadata()) {
    if (key.starts_with("tarsier.") || key.find(".rope.dimension_sections") != std::string::npos) continue;
    if (key == "general.architecture")
      writer.set(key, architecture);
    else
      writer.set(key.starts_with(old + ".") ? architecture + key.substr(old.size()) : key, value);
  }
  for (const core::GgufTensor& t : file.tensors()) writer.add_tensor(t.name, t.dtype, t.shape());
  writer.begin(folder.path(architecture + ".gguf"));
  for (std::size_t i = 0; i < file.tensors().size(); ++i) writer.write(i, 0, file.data(file.tensors()[i]));
  writer.commit();
  return folder.path(architecture + ".gguf");
}

TEST(RunTextModel, qwen3_and_qwen3moe_are_the_family_without_pictures) {
  const TempFolder folder;
  for (const auto& [name, architecture] :
       {std::pair("tiny-vl-dense", "qwen3"), std::pair("tiny-vl-moe", "qwen3moe")}) {
    const test::ModelFile one(name, "q8_0", "f16");
    tarsier::split_pair(
        {.source = one.path(), .text = folder.path("text.gguf"), .mmproj = folder.path("mmproj.gguf")});
    const auto plain = Model::open(as_architecture(folder, folder.path("text.gguf"), architecture));
    EXPECT_EQ(plain->config().architecture(), architecture);
    EXPECT_TRUE(plain->config().text.mrope_section.empty());
    const auto words = tarsier::question("What is a circle?");
    EXPECT_EQ(plain->prompt(words).ids, one.model()->prompt(words).ids);
    EXPECT_EQ(logits(plain, plain->prompt(words)), logits(one.model(), one.model()->prompt(words)));
    EXPECT_THROW(Model::open(folder.path(std::string(architecture) + ".gguf"), folder.path("mmproj.gguf")),
                 core::Error);
  }
}

}  // namespace
