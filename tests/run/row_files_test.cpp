// Rows of pictures on disk: the same bits as encoded anew, for the right picture and tower only, within a
// size.
#include "src/run/row_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "ggml-like-core/kernels/select.h"
#include "src/model/identity.h"
#include "tests/model_files.h"
#include "tests/temp_folder.h"

namespace {

namespace fs = std::filesystem;
using tarsier::Part;
using tarsier::Prompt;
using tarsier::Session;
using tarsier::SessionOptions;

const test::ModelFile& dense() {
  static const test::ModelFile file("tiny-vl-dense", "q8_0", "bf16");
  return file;
}
Prompt ask(const std::string& name, const tarsier::Model& model = *dense().model()) {
  const std::string path = std::string(TARSIER_TEST_DATA) + "/tiny-vl-dense/" + name;
  return model.prompt(tarsier::question("Describe this image.", {path}));
}
const tarsier::GenerateOptions kGreedy{.sampling = tarsier::SamplingOptions{.temperature = 0},
                                       .max_tokens = 48};

std::vector<std::string> files(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

// What one more session does about the prompt.
struct Seen {
  int encoded, found;
  std::vector<double> log_probs;
};
Seen answer(const Prompt& prompt, const SessionOptions& options,
            const std::shared_ptr<const tarsier::Model>& model = dense().model()) {
  Session session(model, options);
  const auto result = tarsier::generate(session, prompt, kGreedy);
  return {session.stats().images, session.stats().images_from_disk, result.log_probs};
}

TEST(RowFiles, the_same_picture_in_another_session_is_not_encoded) {
  const test::TempFolder folder;
  const SessionOptions kept{.row_folder = folder.path("rows")};
  const Prompt prompt = ask("image/a.png");
  const Seen plain = answer(prompt, {});
  const Seen first = answer(prompt, kept);
  EXPECT_EQ(first.encoded, 1);
  EXPECT_EQ(first.found, 0);
  const Seen second = answer(prompt, kept);
  EXPECT_EQ(second.encoded, 0);
  EXPECT_EQ(second.found, 1);
  EXPECT_EQ(first.log_probs, plain.log_probs);
  EXPECT_EQ(second.log_probs, plain.log_probs);
  EXPECT_EQ(answer(ask("image_locate/a.png"), kept).found, 0);
  EXPECT_EQ(files(folder.path("rows")).size(), 2U);
}

TEST(RowFiles, what_was_encoded_ahead_is_kept_too) {
  const test::TempFolder folder;
  const Prompt prompt = ask("image/a.png");
  {
    Session session(dense().model(), {.row_folder = folder.path()});
    session.encode_ahead(prompt.images);
    ASSERT_TRUE(session.timeline().ahead().finish({}));
  }
  const Seen later = answer(prompt, {.row_folder = folder.path()});
  EXPECT_EQ(later.found, 1);
  EXPECT_EQ(later.log_probs, answer(prompt, {}).log_probs);
}

TEST(RowFiles, what_is_damaged_is_removed_and_encoded_again) {
  const test::TempFolder folder;
  const SessionOptions kept{.row_folder = folder.path()};
  const Prompt prompt = ask("image/a.png");
  const Seen plain = answer(prompt, {});
  answer(prompt, kept);
  const std::string path = files(folder.path()).at(0);
  const std::string whole = test::read_bytes(path);
  std::string turned = whole;
  turned[whole.size() / 2] = static_cast<char>(turned[whole.size() / 2] ^ 1);
  std::string other = whole;
  other[25] = 1;  // rows: 256 more
  for (const std::string& damaged :
       {std::string(), whole.substr(0, 40), whole.substr(0, whole.size() - 1), whole + "x", turned, other}) {
    folder.write(fs::path(path).filename().string(), damaged);
    const Seen seen = answer(prompt, kept);
    EXPECT_EQ(seen.encoded, 1) << damaged.size();
    EXPECT_EQ(seen.log_probs, plain.log_probs);
    EXPECT_EQ(test::read_bytes(path), whole);
  }
}

TEST(RowFiles, another_tower_other_weights_or_other_kernels_never_match) {
  const test::TempFolder folder;
  const SessionOptions kept{.row_folder = folder.path()};
  answer(ask("image/a.png"), kept);
  const test::ModelFile exact("tiny-vl-dense", "q8_0", "f32");
  const test::ModelFile moe("tiny-vl-moe", "q8_0", "bf16");
  for (const auto* file : {&exact, &moe})
    EXPECT_EQ(answer(ask("image/a.png", *file->model()), kept, file->model()).found, 0);
  for (const core::KernelTable* table : core::all_tables())
    if (core::supported(*table) && table != &core::selected_table()) {
      const SessionOptions other{.isa = table->name, .row_folder = folder.path()};
      EXPECT_EQ(answer(ask("image/a.png"), other).found, 0) << table->name;
    }
  // Another type of the text model is nothing to the tower.
  const test::ModelFile text("tiny-vl-dense", "q4_0", "bf16");
  EXPECT_EQ(answer(ask("image/a.png", *text.model()), kept, text.model()).found, 1);
  EXPECT_NE(tarsier::identity(text.model()->loaded(), Part::text),
            tarsier::identity(dense().model()->loaded(), Part::text));
}

TEST(RowFiles, the_oldest_use_leaves_a_full_folder) {
  const test::TempFolder folder;
  tarsier::RowFiles rows(dense().model()->loaded(), folder.path(), 3000, "any");
  const tarsier::RowsShape shape{.rows = 2, .hidden = 40, .features = 3};
  const tarsier::MediaRows values{.rows = 2, .hidden = 40, .values = std::vector<float>(240, 1.5F)};
  const auto used = [&](std::uint64_t hash) {  // a file's times have few digits on some systems
    for (const std::string& path : files(folder.path()))
      if (fs::path(path).stem().string().ends_with(std::to_string(hash)))
        fs::last_write_time(path, fs::last_write_time(path) - std::chrono::hours(hash));
  };
  for (const std::uint64_t hash : {1U, 2U}) rows.keep(hash, shape, values), used(hash);  // 2 is older
  EXPECT_NE(rows.find(2, shape), nullptr);                                               // and now used
  rows.keep(3, shape, values);
  EXPECT_EQ(rows.find(1, shape), nullptr);
  ASSERT_NE(rows.find(2, shape), nullptr);
  EXPECT_EQ(rows.find(2, shape)->values, values.values);
  EXPECT_NE(rows.find(3, shape), nullptr);
  EXPECT_EQ(files(folder.path()).size(), 2U);
}

TEST(RowFiles, without_a_folder_that_can_be_written_or_with_no_room_everything_else_goes_on) {
  const test::TempFolder folder;
  const Prompt prompt = ask("image/a.png");
  const Seen plain = answer(prompt, {});
  folder.write("file", "");
  EXPECT_EQ(answer(prompt, {.row_folder = folder.path("file")}).log_probs, plain.log_probs);
  EXPECT_EQ(answer(prompt, {.row_folder = folder.path("none"), .row_bytes = 0}).log_probs, plain.log_probs);
  EXPECT_EQ(answer(prompt, {.row_folder = folder.path("small"), .row_bytes = 100}).log_probs,
            plain.log_probs);
  EXPECT_EQ(files(folder.path()), std::vector<std::string>{folder.path("file")});
}

}  // namespace
