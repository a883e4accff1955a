// A session's promises: reuse, limits, cancelling, stop strings, and no allocation for one more token.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <new>

#include "tests/model_files.h"

namespace {
std::atomic<bool> g_count = false;
std::atomic<long> g_allocations = 0;
}  // namespace

// Counts what the program allocates while g_count is set.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (g_count.load(std::memory_order_relaxed)) ++g_allocations;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* p = operator new(size, std::nothrow);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace {

const test::ModelFile& dense() {
  static const test::ModelFile file("tiny-vl-dense", "bf16", "bf16");
  return file;
}
std::string picture(const char* name) { return std::string(TARSIER_TEST_DATA) + "/tiny-vl-dense/" + name; }

const tarsier::GenerateOptions kGreedy{.sampling = tarsier::SamplingOptions{.temperature = 0},
                                       .max_tokens = 48};

TEST(Session, nothing_is_allocated_for_one_more_token) {
  for (const char* name : {"tiny-vl-dense", "tiny-vl-moe"}) {
    const test::ModelFile file(name, "q8_0", "bf16");
    tarsier::Session session(file.model(), {.threads = 2});
    session.sync(file.model()->prompt(tarsier::question("What is 3 plus 4?")));
    session.append(5);  // the first token makes the plan
    if (const auto& fetching = file.model()->loaded().fetching; fetching != nullptr) fetching->wait();
    g_allocations = 0;
    g_count = true;
    for (int i = 0; i < 5; ++i) session.append(5);
    g_count = false;
    EXPECT_EQ(g_allocations, 0) << name;
  }
}

TEST(Session, a_second_question_about_a_picture_encodes_nothing) {
  const auto& model = dense().model();
  tarsier::Session session(model);
  const std::string path = picture("image/a.png");
  const auto first =
      tarsier::generate(session, model->prompt(tarsier::question("Describe this image.", {path})), kGreedy);
  EXPECT_EQ(session.stats().images, 1);
  // Another text before the picture: the cache is of no use, the embedding is.
  const auto prompt =
      model->prompt(tarsier::question("Describe this image.", {path}, "You are a helpful assistant."));
  const auto second = tarsier::generate(session, prompt, kGreedy);
  EXPECT_EQ(session.stats().images, 1);
  tarsier::Session fresh(model);
  EXPECT_EQ(tarsier::generate(fresh, prompt, kGreedy).log_probs, second.log_probs);
  EXPECT_FALSE(first.text.empty());
}

TEST(Session, pictures_are_compared_by_content_not_by_name) {
  const auto& model = dense().model();
  tarsier::Session session(model);
  session.sync(model->prompt(tarsier::question("Describe this image.", {picture("image/a.png")})));
  const auto other =
      model->prompt(tarsier::question("Describe this image.", {picture("image_locate/a.png")}));
  const auto reused = session.stats().reused_tokens;
  const auto found = tarsier::generate(session, other, kGreedy);
  EXPECT_LT(session.stats().reused_tokens - reused, 10);  // not beyond the first row of the picture
  tarsier::Session fresh(model);
  EXPECT_EQ(tarsier::generate(fresh, other, kGreedy).log_probs, found.log_probs);
}

TEST(Session, too_long_prompts_and_full_contexts_are_errors_with_both_numbers) {
  const auto& model = dense().model();
  tarsier::Session session(model, {.context = 20});
  const auto prompt = model->prompt(tarsier::question("Say hello."));
  const auto long_prompt = model->prompt(
      tarsier::question("one two three four five six seven eight nine ten eleven twelve thirteen"));
  try {
    session.sync(long_prompt);
    ADD_FAILURE();
  } catch (const core::Error& e) {
    EXPECT_NE(std::string(e.what()).find("20"), std::string::npos) << e.what();
  }
  session.sync(prompt);
  while (session.length() < 20) session.append(5);
  EXPECT_THROW(session.append(5), core::Error);
  tarsier::GenerateOptions on = kGreedy;
  on.stop_at_end_of_turn = false;
  const auto answer = tarsier::generate(session, prompt, on);  // ends at the limit instead
  EXPECT_EQ(answer.finish, tarsier::FinishReason::length);
  EXPECT_THROW(tarsier::Session(model, {.context = 1 << 20}), core::Error);
  EXPECT_THROW(tarsier::Session(model, {.kv_type = core::DType::q6_K}), core::Error);
  EXPECT_THROW(tarsier::Session(model, {.isa = "mmx"}), core::Error);
}

// Sets the flag at the first progress of a step.
struct CancelAt final : core::ProgressObserver {
  explicit CancelAt(std::string s) : step(std::move(s)) {}
  void progress(std::string_view now, double, double) override {
    if (now == step) cancel = true;
  }
  std::string step;
  std::atomic<bool> cancel = false;
};

TEST(Session, cancelling_inside_a_picture_or_a_prompt_loses_nothing) {
  const auto& model = dense().model();
  const auto prompt = model->prompt(tarsier::question("Describe this image.", {picture("image/a.png")}));
  tarsier::Session fresh(model);
  const auto wanted = tarsier::generate(fresh, prompt, kGreedy);
  for (const char* step : {"image", "prompt"}) {
    tarsier::Session session(model, {.chunk = 8});
    CancelAt at(step);
    const auto cancelled =
        tarsier::generate(session, prompt, kGreedy, {}, {.progress = &at, .cancel = &at.cancel});
    EXPECT_EQ(cancelled.finish, tarsier::FinishReason::cancelled) << step;
    EXPECT_TRUE(cancelled.ids.empty());
    EXPECT_EQ(tarsier::generate(session, prompt, kGreedy).log_probs, wanted.log_probs) << step;
  }
  std::atomic<bool> cancel = false;
  tarsier::Session session(model);
  const auto part = tarsier::generate(session, prompt, kGreedy, [&](std::string_view) { cancel = true; },
                                      {.cancel = &cancel});
  EXPECT_EQ(part.finish, tarsier::FinishReason::cancelled);
  EXPECT_FALSE(part.text.empty());
  EXPECT_EQ(wanted.text.rfind(part.text, 0), 0U);
}

TEST(Session, progress_ends_with_done_equal_to_total) {
  struct Last final : core::ProgressObserver {
    void progress(std::string_view step, double done, double total) override {
      if (step == name) {
        EXPECT_GE(done, before);
      }
      before = done;
      name = step;
      share = done / total;
      ++calls;
    }
    std::string name;
    double share = 0, before = 0;
    int calls = 0;
  } last;
  const auto& model = dense().model();
  tarsier::Session session(model, {.chunk = 16});
  session.sync(model->prompt(tarsier::question("Describe this image.", {picture("image/a.png")})),
               {.progress = &last});
  EXPECT_EQ(last.name, "prompt");
  EXPECT_NEAR(last.share, 1, 1e-9);
  EXPECT_GT(last.calls, 10);
}

TEST(Generate, stop_strings_end_the_answer_and_are_not_part_of_it) {
  const auto& model = dense().model();
  tarsier::Session session(model);
  const auto prompt = model->prompt(tarsier::question("What is 3 plus 4?"));
  const auto whole = tarsier::generate(session, prompt, kGreedy);
  ASSERT_GT(whole.text.size(), 6U);
  tarsier::GenerateOptions options = kGreedy;
  options.stop = {"never there", whole.text.substr(4, 3)};
  std::string streamed;
  const auto cut =
      tarsier::generate(session, prompt, options, [&](std::string_view piece) { streamed += piece; });
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(options.stop[1])));
  EXPECT_EQ(streamed, cut.text);
  EXPECT_EQ(cut.finish, tarsier::FinishReason::stop);
}

TEST(Generate, the_stream_and_the_result_are_the_same_whole_utf8) {
  const auto& model = dense().model();
  tarsier::Session session(model);
  std::string streamed;
  const auto answer = tarsier::generate(session, model->prompt(tarsier::question("Say hello in Chinese.")),
                                        kGreedy, [&](std::string_view piece) {
                                          EXPECT_NE(piece.front() & 0xC0, 0x80)
                                              << "a piece begins inside a character";
                                          streamed += piece;
                                        });
  EXPECT_EQ(streamed, answer.text);
  EXPECT_EQ(answer.finish, tarsier::FinishReason::stop);
}

TEST(Memory, the_need_is_what_the_parts_say) {
  const auto& model = dense().model();
  const auto& t = model->config().text;
  // 1,000 positions are 16 blocks of 64; a row has a scale of 4 bytes.
  const auto rows = 2ULL * 1024 * static_cast<unsigned>(t.num_hidden_layers * t.num_key_value_heads);
  const auto dim = static_cast<unsigned>(t.head_dim);
  const auto need = tarsier::memory_need(*model, {.context = 1000, .kv_type = core::DType::f16});
  EXPECT_EQ(need.kv_cache, rows * (2 * dim + 4));
  EXPECT_EQ(tarsier::memory_need(*model, {.context = 1000, .kv_type = core::DType::q8_0}).kv_cache,
            rows * (dim + 4));
  EXPECT_GT(need.prompt_plan, need.decode_plan);
  EXPECT_NE(tarsier::plan_text(*model, 16).find("text.layer.3.out"), std::string::npos);
  EXPECT_NE(tarsier::plan_text(*model, 0, 64).find("vision.block.0"), std::string::npos);
}

}  // namespace
