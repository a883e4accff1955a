// The engine against what transformers computed in float32, value by value: tests/data/README.md.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>

#include "ggml-like-core/kernels/select.h"
#include "ggml-like-core/quant/formats.h"
#include "src/model/vision.h"
#include "tests/model_files.h"
#include "tests/safetensors_file.h"

namespace {

constexpr double kRelativeRms = 1e-4;  // of every float value
constexpr double kLogits = 1e-3;       // absolute
constexpr double kSureGap =
    1e-3;  // log-probability between the first and second token under which float order may decide
constexpr double kRoutingTie =
    1e-5;  // probability between the last chosen expert and the next under which float order may decide
constexpr double kCoarseGap = 0.05;  // the same where weights or arithmetic are coarser than float32

struct Seen {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

class Collect final : public tarsier::ValueObserver {
 public:
  bool wants(std::string_view) const override { return true; }
  void value(std::string_view name, std::string_view dtype, std::span<const std::int64_t> shape,
             std::span<const std::byte> bytes) override {
    const bool added =
        values
            .emplace(name,
                     Seen{std::string(dtype), {shape.begin(), shape.end()}, {bytes.begin(), bytes.end()}})
            .second;
    EXPECT_TRUE(added) << name << " came twice";
  }
  std::map<std::string, Seen, std::less<>> values;
};

double relative_rms(const std::vector<float>& wanted, const float* found) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference += std::pow(static_cast<double>(found[i]) - static_cast<double>(wanted[i]), 2);
    size += std::pow(static_cast<double>(wanted[i]), 2);
  }
  return size == 0 ? std::sqrt(difference) : std::sqrt(difference / size);
}

// Names of the dump that are inputs: the prompt's tests compare them exactly.
bool is_input(const std::string& name) {
  static const std::set<std::string> inputs = {"input_ids",           "mm_token_type_ids", "pixel_values",
                                               "pixel_values_videos", "image_grid_thw",    "video_grid_thw",
                                               "position_ids",        "rope_deltas"};
  return inputs.contains(name);
}

void expect_experts(const std::vector<std::int64_t>& wanted, const std::int64_t* found,
                    const std::vector<float>& logits, std::int64_t experts, const std::string& name) {
  const std::int64_t tokens = static_cast<std::int64_t>(logits.size()) / experts;
  const std::int64_t k = static_cast<std::int64_t>(wanted.size()) / tokens;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::set<std::int64_t> a(wanted.begin() + t * k, wanted.begin() + (t + 1) * k);
    const std::set<std::int64_t> b(found + t * k, found + (t + 1) * k);
    if (a == b) continue;
    std::vector<double> p;
    double total = 0;
    for (std::int64_t e = 0; e < experts; ++e)
      total += std::exp(static_cast<double>(logits[static_cast<std::size_t>(t * experts + e)]));
    for (std::int64_t e = 0; e < experts; ++e)
      p.push_back(std::exp(static_cast<double>(logits[static_cast<std::size_t>(t * experts + e)])) / total);
    std::sort(p.rbegin(), p.rend());
    const double gap = p[static_cast<std::size_t>(k - 1)] - p[static_cast<std::size_t>(k)];
    std::cout << "routing tie: " << name << " token " << t << ", gap " << gap << "\n";
    EXPECT_LT(gap, kRoutingTie) << name << " token " << t;
  }
}

// Ids of the fixture read one by one behind its prompt; the argmax must be the fixture's wherever its gap is
// over `gap`. Returns the number of steps compared.
int expect_teacher_forced(tarsier::Session& session, const tarsier::Prompt& prompt,
                          const nlohmann::json& result, double gap) {
  const auto ids = result.at("greedy_ids").get<std::vector<int>>();
  const auto gaps = result.at("top1_top2_gap").get<std::vector<double>>();
  std::span<const float> logits = session.sync(prompt);
  int compared = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (gaps[i] > gap) {
      ++compared;
      EXPECT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(), ids[i])
          << "step " << i << ", gap " << gaps[i];
    }
    if (i + 1 < ids.size()) logits = session.append(ids[i]);
  }
  return compared;
}

class Fixtures : public testing::TestWithParam<const char*> {};

TEST_P(Fixtures, f32_every_named_value_and_the_greedy_ids_equal_transformers) {
  const test::ModelFile file(GetParam());
  double worst_anywhere = 0;
  for (const test::FixtureCase& c : test::fixture_cases(GetParam())) {
    SCOPED_TRACE(c.name());
    const test::SafetensorsFile dump(c.folder + "/dump.safetensors");
    const auto result = test::read_json(c.folder + "/result.json");
    const tarsier::Prompt prompt = test::fixture_prompt(*file.model(), c);
    tarsier::Session session(file.model());
    Collect seen;
    const std::span<const float> first = session.sync(prompt, {.values = &seen});
    ASSERT_FALSE(first.empty());

    double worst = 0;
    std::string worst_name;
    for (const auto& [name, tensor] : dump.tensors) {
      if (is_input(name)) continue;
      ASSERT_TRUE(seen.values.contains(name)) << name;
      const Seen& value = seen.values.at(name);
      ASSERT_EQ(value.dtype, tensor.dtype) << name;
      ASSERT_EQ(value.shape, tensor.shape) << name;
      if (tensor.dtype == "I64") {
        const std::string logits = name.substr(0, name.rfind('.')) + ".logits";
        const auto& shape = seen.values.at(logits).shape;
        const auto* bytes = reinterpret_cast<const float*>(seen.values.at(logits).bytes.data());
        expect_experts(dump.i64(name), reinterpret_cast<const std::int64_t*>(value.bytes.data()),
                       {bytes, bytes + shape[0] * shape[1]}, shape[1], name);
        continue;
      }
      const std::vector<float> wanted = dump.f32(name);
      const auto* found = reinterpret_cast<const float*>(value.bytes.data());
      for (std::size_t i = 0; name == "logits_last" && i < wanted.size(); ++i)
        ASSERT_NEAR(found[i], wanted[i], kLogits) << i;
      const double rms = relative_rms(wanted, found);
      EXPECT_LT(rms, kRelativeRms) << name;
      if (rms > worst) worst = rms, worst_name = name;
    }
    std::cout << c.name() << ": worst relative RMS " << worst << " (" << worst_name << ")\n";
    worst_anywhere = std::max(worst_anywhere, worst);

    // Greedy, by the cache, up to the first step where the fixture itself is undecided.
    tarsier::Session fresh(file.model());
    const auto answer = tarsier::generate(fresh, prompt,
                                          {.sampling = tarsier::SamplingOptions{.temperature = 0},
                                           .max_tokens = 48,
                                           .stop_at_end_of_turn = false});
    const auto ids = result.at("greedy_ids").get<std::vector<int>>();
    const auto gaps = result.at("top1_top2_gap").get<std::vector<double>>();
    const auto log_probs = result.at("log_probs").get<std::vector<double>>();
    const auto entropies = result.at("entropies").get<std::vector<double>>();
    for (std::size_t i = 0; i < ids.size() && gaps[i] > kSureGap; ++i) {
      ASSERT_EQ(answer.ids[i], ids[i]) << "step " << i;
      EXPECT_NEAR(answer.log_probs[i], log_probs[i], 1e-3) << "step " << i;
      EXPECT_NEAR(answer.entropies[i], entropies[i], 1e-3) << "step " << i;
    }
    tarsier::Session third(file.model());
    const auto turn = tarsier::generate(
        third, prompt, {.sampling = tarsier::SamplingOptions{.temperature = 0}, .max_tokens = 48});
    EXPECT_EQ(turn.text, result.at("answer").get<std::string>());
  }
  std::cout << GetParam() << ": worst relative RMS of all cases " << worst_anywhere << "\n";
}

TEST_P(Fixtures, bf16_argmax_equals_wherever_the_fixture_is_sure) {
  const test::ModelFile file(GetParam(), "bf16", "bf16");
  int compared = 0;
  for (const test::FixtureCase& c : test::fixture_cases(GetParam())) {
    SCOPED_TRACE(c.name());
    tarsier::Session session(file.model());
    compared += expect_teacher_forced(session, test::fixture_prompt(*file.model(), c),
                                      test::read_json(c.folder + "/result.json"), kCoarseGap);
  }
  std::cout << compared << " steps compared\n";
  EXPECT_GT(compared, 500);
}

TEST_P(Fixtures, every_kernel_table_and_openblas_agree_wherever_the_fixture_is_sure) {
  const test::ModelFile file(GetParam());
  int not_run = 0;
  for (const core::KernelTable* table : core::all_tables()) {
    if (!core::supported(*table)) {
      std::cout << "not run on this machine: table " << table->name << "\n";
      ++not_run;
      continue;
    }
    for (const test::FixtureCase& c : test::fixture_cases(GetParam())) {
      SCOPED_TRACE(std::string(table->name) + " " + c.name());
      tarsier::Session session(file.model(), {.isa = table->name});
      expect_teacher_forced(session, test::fixture_prompt(*file.model(), c),
                            test::read_json(c.folder + "/result.json"), kCoarseGap);
    }
  }
  std::cout << not_run << " tables not run\n";
  for (const test::FixtureCase& c : test::fixture_cases(GetParam())) {
    SCOPED_TRACE("OpenBLAS " + c.name());
    tarsier::Session session(file.model(), {.blas = true});
    expect_teacher_forced(session, test::fixture_prompt(*file.model(), c),
                          test::read_json(c.folder + "/result.json"), kCoarseGap);
  }
}

// Greedy ids, log-probabilities and the last logits must be the same bits whatever the threads and chunks
// are.
TEST_P(Fixtures, threads_chunks_and_prefix_reuse_do_not_change_a_bit) {
  for (const char* type : {"f32", "bf16", "q8_0"}) {
    const test::ModelFile file(GetParam(), type, type);
    for (const core::KernelTable* table : core::all_tables()) {
      if (!core::supported(*table)) {
        std::cout << "not run on this machine: table " << table->name << "\n";
        continue;
      }
      for (const test::FixtureCase& c : test::fixture_cases(GetParam())) {
        if (c.folder.ends_with("without_outer_markers")) continue;
        SCOPED_TRACE(std::string(type) + " " + table->name + " " + c.name());
        const tarsier::Prompt prompt = test::fixture_prompt(*file.model(), c);
        const tarsier::GenerateOptions greedy{.sampling = tarsier::SamplingOptions{.temperature = 0},
                                              .max_tokens = 8,
                                              .stop_at_end_of_turn = false};
        tarsier::Session whole(file.model(), {.threads = 1, .chunk = 4096, .isa = table->name});
        const auto wanted = tarsier::generate(whole, prompt, greedy);
        const auto again =
            tarsier::generate(whole, prompt, greedy);  // the prompt is reused, the answer dropped
        tarsier::Session pieces(file.model(), {.threads = 2, .chunk = 7, .isa = table->name});
        const auto found = tarsier::generate(pieces, prompt, greedy);
        EXPECT_EQ(found.ids, wanted.ids);
        EXPECT_EQ(found.log_probs, wanted.log_probs);
        EXPECT_EQ(found.entropies, wanted.entropies);
        EXPECT_EQ(again.log_probs, wanted.log_probs);
        EXPECT_GT(whole.stats().reused_tokens, 0);
      }
    }
  }
}

// As the test before, for every type of cache on the best table.
TEST_P(Fixtures, no_type_of_cache_lets_threads_or_chunks_change_a_bit) {
  const test::ModelFile file(GetParam(), "q8_0", "bf16");
  for (const core::DType kv_type :
       {core::DType::f32, core::DType::f16, core::DType::bf16, core::DType::q8_0, core::DType::q4_0}) {
    for (const test::FixtureCase& c : test::fixture_cases(GetParam())) {
      SCOPED_TRACE(std::string(core::info(kv_type).name) + " " + c.name());
      const tarsier::Prompt prompt = test::fixture_prompt(*file.model(), c);
      const tarsier::GenerateOptions greedy{.sampling = tarsier::SamplingOptions{.temperature = 0},
                                            .max_tokens = 8,
                                            .stop_at_end_of_turn = false};
      tarsier::Session whole(file.model(), {.threads = 1, .chunk = 4096, .kv_type = kv_type});
      const auto wanted = tarsier::generate(whole, prompt, greedy);
      const auto again = tarsier::generate(whole, prompt, greedy);
      tarsier::Session pieces(file.model(), {.threads = 2, .chunk = 7, .kv_type = kv_type});
      EXPECT_EQ(tarsier::generate(pieces, prompt, greedy).log_probs, wanted.log_probs);
      EXPECT_EQ(again.log_probs, wanted.log_probs);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Fixtures, testing::Values("tiny-vl-dense", "tiny-vl-moe"),
                         [](const auto& model) {
                           return std::string(model.param) == "tiny-vl-dense" ? "dense" : "moe";
                         });

TEST(VisionInputs, positions_equal_the_vectors_bit_for_bit) {
  const std::string stem = std::string(TARSIER_TEST_DATA) + "/vectors/pos_embed_interpolation";
  const test::SafetensorsFile vectors(stem + ".safetensors");
  const auto cases = test::read_json(stem + ".json");
  int compared = 0;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.dump());
    tarsier::VisionConfig config;
    config.hidden_size = 64;
    config.num_heads = 2;
    const int side = c.at("num_grid_per_side").get<int>();
    config.num_position_embeddings = side * side;
    std::vector<tarsier::Patches> media;
    for (const auto& g : c.at("grid_thw"))
      media.push_back({.values = {}, .grid = {g[0].get<int>(), g[1].get<int>(), g[2].get<int>()}});
    std::vector<const tarsier::Patches*> pointers;
    for (const auto& m : media) pointers.push_back(&m);
    const tarsier::VisionInputs in = tarsier::make_vision_inputs(config, pointers);
    const std::string name = std::to_string(c.at("case").get<int>());
    EXPECT_EQ(in.position_index, vectors.i32(name + ".indices"));
    EXPECT_EQ(in.position_weight, vectors.f32(name + ".weights"));
    // The first frequency is 1: its cosine tells the position. [h frequencies, w frequencies] twice, 8 each.
    const std::vector<std::int32_t> hw = vectors.i32(name + ".rope_hw");
    for (std::size_t i = 0; i < hw.size() / 2; ++i) {
      ASSERT_EQ(in.rope_cos[i * 32], std::cos(static_cast<float>(hw[2 * i]))) << i;
      ASSERT_EQ(in.rope_sin[i * 32 + 8], std::sin(static_cast<float>(hw[2 * i + 1]))) << i;
      ASSERT_EQ(in.rope_sin[i * 32 + 24], in.rope_sin[i * 32 + 8]) << i;
    }
    ++compared;
  }
  EXPECT_GT(compared, 5);
}

}  // namespace
