// A second question about the same picture: its answer is the same, token by token and bit by bit, whatever
// is remembered of the first.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/model_files.h"
#include "tests/temp_folder.h"

namespace {

using tarsier::Conversation;
using tarsier::Prompt;
using tarsier::Session;
using tarsier::SessionOptions;

const tarsier::GenerateOptions kGreedy{.sampling = tarsier::SamplingOptions{.temperature = 0},
                                       .max_tokens = 48};

struct Way {
  const char* name;
  std::function<void(Session&)> before;  // what the session does before the second question
  bool encodes, reuses;  // what the second question then still costs, and takes from the KV cache
  bool disk = false;
};

TEST(SecondQuestion, has_the_same_answer_with_every_cache_and_without) {
  for (const char* name : {"tiny-vl-dense", "tiny-vl-moe"}) {
    const test::ModelFile file(name, "q8_0", "bf16");
    const auto& model = file.model();
    const std::string picture = std::string(TARSIER_SOURCE) + "/examples/pictures/two-shapes.png";
    Conversation c = tarsier::question("Describe this image.", {picture});
    const Prompt first = model->prompt(c);
    const Prompt elsewhere =  // the same picture behind other words
        model->prompt(tarsier::question("Describe this image.", {picture}, "Be brief."));
    const test::TempFolder folder;
    const SessionOptions kDisk{.row_folder = folder.path("rows")};
    Session one(model, kDisk);  // who asks the first question
    const auto answer = tarsier::generate(one, first, kGreedy);
    one.timeline().save(folder.path("kv"));
    c.messages.push_back({.role = "assistant", .content = {{.text = answer.text}}});
    c.messages.push_back({.role = "user", .content = {{.text = "How many shapes are there?"}}});
    const Prompt second = model->prompt(c);

    Session plain(model);
    const auto wanted = tarsier::generate(plain, second, kGreedy);
    ASSERT_GT(wanted.ids.size(), 3U);
    const auto ahead = [&](Session& s) { s.encode_ahead(second.images); };
    const std::vector<Way> ways = {
        {"nothing", [](Session&) {}, true, false},
        {"KV cache", [&](Session& s) { tarsier::generate(s, first, kGreedy); }, false, true},
        {"embeddings in memory", [&](Session& s) { s.sync(elsewhere); }, false, false},
        {"embeddings on disk", [](Session&) {}, false, false, true},
        {"encoded ahead, waited for", ahead, true, false},
        {"encoded ahead, done",
         [&](Session& s) {
           ahead(s);
           s.timeline().ahead().finish({});
         },
         true, false},
        {"found on disk ahead", ahead, false, false, true},
        {"KV cache on disk", [&](Session& s) { s.timeline().restore(folder.path("kv")); }, false, true},
    };
    for (const Way& way : ways) {
      Session session(model, way.disk ? kDisk : SessionOptions{});
      way.before(session);
      const auto before = session.stats();
      const auto found = tarsier::generate(session, second, kGreedy);
      EXPECT_EQ(found.ids, wanted.ids) << name << ", " << way.name;
      EXPECT_EQ(found.log_probs, wanted.log_probs) << name << ", " << way.name;
      EXPECT_EQ(session.stats().images - before.images, way.encodes ? 1 : 0) << name << ", " << way.name;
      EXPECT_EQ(session.stats().images_from_disk, way.disk ? 1 : 0) << name << ", " << way.name;
      EXPECT_EQ(session.stats().reused_tokens - before.reused_tokens > 20, way.reuses)
          << name << ", " << way.name;
    }
  }
}

}  // namespace
