// A timeline that was saved goes on elsewhere as if nothing had happened; what does not fit is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ggml-like-core/kernels/select.h"
#include "tests/model_files.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::Conversation;
using tarsier::Prompt;
using tarsier::Session;
using testing::HasSubstr;

const test::ModelFile& dense() {
  static const test::ModelFile file("tiny-vl-dense", "q8_0", "bf16");
  return file;
}
const tarsier::GenerateOptions kGreedy{.sampling = tarsier::SamplingOptions{.temperature = 0},
                                       .max_tokens = 48};

Conversation first_question() {
  return tarsier::question("Describe this image.",
                           {std::string(TARSIER_TEST_DATA) + "/tiny-vl-dense/image/a.png"});
}
// A second question about the same picture.
Prompt second_prompt(const std::string& answer) {
  Conversation c = first_question();
  c.messages.push_back({.role = "assistant", .content = {{.text = answer}}});
  c.messages.push_back({.role = "user", .content = {{.text = "How many shapes are there?"}}});
  return dense().model()->prompt(c);
}

TEST(TimelineFile, a_second_question_reads_and_encodes_nothing_again) {
  const test::TempFolder folder;
  for (const core::DType type : {core::DType::f32, core::DType::f16, core::DType::q8_0, core::DType::q4_0}) {
    Session session(dense().model(), {.context = 200, .kv_type = type});
    const auto answer = tarsier::generate(session, dense().model()->prompt(first_question()), kGreedy);
    const int length = session.length();
    session.timeline().save(folder.path("kv"));
    EXPECT_EQ(std::filesystem::status(folder.path("kv")).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    const Prompt second = second_prompt(answer.text);
    const auto wanted = tarsier::generate(session, second, kGreedy);
    // Neither the context nor what was read before needs to be the same.
    Session other(dense().model(), {.context = 333, .kv_type = type});
    other.sync(dense().model()->prompt(tarsier::question("Something else, of some length.")));
    other.timeline().restore(folder.path("kv"));
    EXPECT_EQ(other.length(), length);
    const int read = other.stats().prompt_tokens;
    const auto found = tarsier::generate(other, second, kGreedy);
    EXPECT_EQ(found.ids, wanted.ids);
    EXPECT_EQ(found.log_probs, wanted.log_probs);
    EXPECT_EQ(other.stats().images, 0);
    EXPECT_EQ(other.stats().reused_tokens, session.stats().reused_tokens);
    EXPECT_EQ(other.stats().prompt_tokens - read, static_cast<int>(second.ids.size()) - length);
    // And without any cache.
    Session fresh(dense().model(), {.context = 200, .kv_type = type});
    EXPECT_EQ(tarsier::generate(fresh, second, kGreedy).log_probs, wanted.log_probs);
  }
}

TEST(TimelineFile, what_does_not_fit_is_refused_and_changes_nothing) {
  const test::TempFolder folder;
  const std::string path = folder.path("kv");
  const Prompt prompt = dense().model()->prompt(first_question());
  Session session(dense().model(), {.context = 200});
  const auto wanted = tarsier::generate(session, prompt, kGreedy);
  session.timeline().save(path);
  const auto refused = [&](Session& by, const std::string& where, const std::string& why) {
    by.sync(prompt);
    const std::vector<int> before = by.ids();
    EXPECT_THAT(test::error_of([&] { by.timeline().restore(where); }), HasSubstr(why));
    EXPECT_EQ(by.ids(), before);
    EXPECT_EQ(tarsier::generate(by, prompt, kGreedy).ids, wanted.ids);
  };
  const std::string whole = test::read_bytes(path);
  std::string turned = whole;
  turned[whole.size() - 1000] = static_cast<char>(turned[whole.size() - 1000] ^ 1);
  std::string later = whole;
  later[7] = '3';
  for (const auto& [damaged, why] :
       {std::pair(turned, "is damaged"), std::pair(later, "is no cache that this version reads"),
        std::pair(whole.substr(0, 20), "found 20 bytes"), std::pair(whole + "x", "bytes behind the header")})
    refused(session, folder.write("damaged", damaged), why);
  Session small(dense().model(), {.context = session.length() - 1});
  EXPECT_THAT(test::error_of([&] { small.timeline().restore(path); }), HasSubstr("the context holds"));
  Session coarse(dense().model(), {.kv_type = core::DType::q8_0});
  EXPECT_THAT(test::error_of([&] { coarse.timeline().restore(path); }), HasSubstr("--kv-type"));
  for (const core::KernelTable* table : core::all_tables())
    if (core::supported(*table) && table != &core::selected_table()) {
      Session other(dense().model(), {.isa = table->name});
      EXPECT_THAT(test::error_of([&] { other.timeline().restore(path); }), HasSubstr("another model"))
          << table->name;
    }
  for (const char* types : {"q4_0 bf16", "q8_0 f32"}) {
    const std::string text(types);
    const test::ModelFile file("tiny-vl-dense", text.substr(0, 4), text.substr(5));
    Session other(file.model());
    EXPECT_THAT(test::error_of([&] { other.timeline().restore(path); }), HasSubstr("another model"));
  }
}

}  // namespace
