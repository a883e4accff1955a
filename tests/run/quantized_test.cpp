// What quantization costs: KL divergence from the F32 file over the prompt and the fixture's 48 ids,
// teacher-forced.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>

#include "convert/quantize.h"
#include "ggml-like-core/gguf/reader.h"
#include "ggml-like-core/quant/formats.h"
#include "tests/model_files.h"
#include "tests/safetensors_file.h"
#include "tests/temp_folder.h"

namespace {

constexpr double kMostQ8Divergence = 1e-3;  // mean over tokens, nats
constexpr double kMostQ4CacheDivergence = 0.05;

// prompt with more text tokens behind it.
tarsier::Prompt extended(tarsier::Prompt prompt, const std::vector<int>& ids) {
  for (const int id : ids) {
    const int position = static_cast<int>(prompt.ids.size()) + prompt.positions.rope_delta;
    prompt.ids.push_back(id);
    prompt.token_types.push_back(0);
    prompt.answer.push_back(0);
    for (auto* axis : {&prompt.positions.t, &prompt.positions.h, &prompt.positions.w})
      axis->push_back(position);
  }
  return prompt;
}

using Rows = std::vector<std::vector<float>>;

Rows all_logits(const std::shared_ptr<const tarsier::Model>& model, const tarsier::Prompt& prompt,
                const tarsier::RunControl& control = {}, std::optional<core::DType> kv_type = {}) {
  Rows rows;
  tarsier::Session session(model, {.kv_type = kv_type});
  session.read_all(
      prompt, [&](int, std::span<const float> logits) { rows.emplace_back(logits.begin(), logits.end()); },
      control);
  return rows;
}

// The experts that each layer's router took.
class Routing final : public tarsier::ValueObserver {
 public:
  bool wants(std::string_view name) const override { return name.ends_with(".router.experts"); }
  void value(std::string_view, std::string_view, std::span<const std::int64_t>,
             std::span<const std::byte> bytes) override {
    std::vector<std::int64_t> wide(bytes.size() / sizeof(std::int64_t));
    std::memcpy(wide.data(), bytes.data(), bytes.size());
    experts.emplace_back(wide.begin(), wide.end());  // layers come in order
  }
  std::vector<std::vector<std::int32_t>> experts;
};

double divergence(const std::vector<float>& from, const std::vector<float>& to) {
  const auto log_softmax = [](const std::vector<float>& x) {
    const double top = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const float v : x) sum += std::exp(v - top);
    std::vector<double> out;
    for (const float v : x) out.push_back(v - top - std::log(sum));
    return out;
  };
  const std::vector<double> p = log_softmax(from);
  const std::vector<double> q = log_softmax(to);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += std::exp(p[i]) * (p[i] - q[i]);
  return sum;
}

struct Mean {
  double sum = 0, worst = 0;
  int count = 0;
  void add(double x) { sum += x, worst = std::max(worst, x), ++count; }
  double mean() const { return sum / count; }
};

// Mean divergence over all cases; routing of the F32 run forced, or free.
Mean measure(const std::string& name, const std::string& type, const std::string& vision_type, bool forced) {
  const test::ModelFile exact(name);
  const test::ModelFile file(name, type, vision_type);
  Mean mean;
  for (const test::FixtureCase& c : test::fixture_cases(name)) {
    const auto ids = test::read_json(c.folder + "/result.json").at("greedy_ids").get<std::vector<int>>();
    const tarsier::Prompt prompt = extended(test::fixture_prompt(*exact.model(), c), ids);
    Routing routing;
    if (forced) {
      tarsier::Session session(exact.model());
      session.sync(prompt, {.values = &routing});
    }
    const Rows from = all_logits(exact.model(), prompt);
    const Rows to = all_logits(file.model(), prompt, {.forced_experts = forced ? &routing.experts : nullptr});
    for (std::size_t i = 0; i < from.size(); ++i) mean.add(divergence(from[i], to[i]));
  }
  std::cout << name << " " << type << ", vision " << vision_type << (forced ? ", experts of the F32 run" : "")
            << ": mean KL " << mean.mean() << ", worst " << mean.worst << " over " << mean.count
            << " tokens\n";
  return mean;
}

// The same of the F32 file with a cache of another type.
Mean measure_cache(const std::string& name, core::DType kv_type) {
  const test::ModelFile exact(name);
  Mean mean;
  for (const test::FixtureCase& c : test::fixture_cases(name)) {
    const auto ids = test::read_json(c.folder + "/result.json").at("greedy_ids").get<std::vector<int>>();
    const tarsier::Prompt prompt = extended(test::fixture_prompt(*exact.model(), c), ids);
    const Rows from = all_logits(exact.model(), prompt);
    const Rows to = all_logits(exact.model(), prompt, {}, kv_type);
    for (std::size_t i = 0; i < from.size(); ++i) mean.add(divergence(from[i], to[i]));
  }
  std::cout << name << " f32, cache " << core::info(kv_type).name << ": mean KL " << mean.mean() << ", worst "
            << mean.worst << " over " << mean.count << " tokens\n";
  return mean;
}

// A cache costs less than weights of the same size: a tenth of what is allowed for them in 16 bits.
TEST(Quantized, a_cache_in_fixed_point_is_close_to_f32) {
  EXPECT_LT(measure_cache("tiny-vl-dense", core::DType::f16).mean(), kMostQ8Divergence / 10);
  EXPECT_LT(measure_cache("tiny-vl-dense", core::DType::q8_0).mean(), kMostQ8Divergence);
  EXPECT_LT(measure_cache("tiny-vl-dense", core::DType::q4_0).mean(), kMostQ4CacheDivergence);
}

TEST(Quantized, q8_0_dense_is_close_to_f32) {
  EXPECT_LT(measure("tiny-vl-dense", "q8_0", "bf16", false).mean(), kMostQ8Divergence);
  EXPECT_LT(measure("tiny-vl-dense", "q8_0", "q8_0", false).mean(), kMostQ8Divergence);
}

TEST(Quantized, q8_0_moe_is_close_to_f32_with_the_same_experts) {
  EXPECT_LT(measure("tiny-vl-moe", "q8_0", "bf16", true).mean(), kMostQ8Divergence);
  EXPECT_LT(measure("tiny-vl-moe", "q8_0", "q8_0", true).mean(), kMostQ8Divergence);
  measure("tiny-vl-moe", "q8_0", "bf16", false);  // free routing is reported
}

// Smaller types are reported; what is asserted is that more bits are not worse.
TEST(Quantized, smaller_types_cost_more) {
  double before = 0;
  for (const char* type : {"q8_0", "q6_k", "q5_k", "q4_k"}) {
    const double mean = measure("tiny-vl-dense", type, "bf16", false).mean();
    EXPECT_GT(mean, before) << type;
    before = mean;
  }
  for (const char* type : {"q3_k", "q2_k"}) {
    const double mean = measure("tiny-vl-dense", type, "bf16", false).mean();
    EXPECT_GT(mean, before) << type;
    before = mean;
  }
  for (const char* type :
       {"iq4_xs", "q5_1", "q5_0", "q4_1", "iq4_nl", "q4_0", "mxfp4", "x8", "x7", "x6", "x5", "x4"})
    measure("tiny-vl-dense", type, "bf16", false);
  measure("tiny-vl-moe", "q4_k", "bf16", true);
  measure("tiny-vl-moe", "q4_k", "bf16", false);
}

// What the text model sees of pictures: the rows of the merger and of DeepStack.
class PictureRows final : public tarsier::ValueObserver {
 public:
  bool wants(std::string_view name) const override {
    return name.ends_with(".merger") || name.find(".deepstack.") != std::string_view::npos;
  }
  void value(std::string_view, std::string_view, std::span<const std::int64_t> shape,
             std::span<const std::byte> bytes) override {
    std::vector<float> all(bytes.size() / sizeof(float));
    std::memcpy(all.data(), bytes.data(), bytes.size());
    const auto width = static_cast<std::ptrdiff_t>(shape.back());
    for (auto at = all.begin(); at != all.end(); at += width) rows.emplace_back(at, at + width);
  }
  std::vector<std::vector<float>> rows;
};

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * double{b[i]};
    aa += double{a[i]} * double{a[i]};
    bb += double{b[i]} * double{b[i]};
  }
  return ab / std::sqrt(aa * bb);
}

// The fast towers: weights of 7 or 8 bits, activations of 8.
TEST(Quantized, a_tower_in_7_or_8_bits_sees_the_same) {
  constexpr double kLeastCosine = 0.999;
  for (const char* name : {"tiny-vl-dense", "tiny-vl-moe"}) {
    const test::ModelFile exact(name);
    for (const char* type : {"bf16", "q8_0", "x7"}) {
      const test::ModelFile file(name, "f32", type);
      double least = 1;
      std::size_t count = 0;
      for (const test::FixtureCase& c : test::fixture_cases(name)) {
        PictureRows from;
        PictureRows to;
        tarsier::Session(exact.model()).sync(test::fixture_prompt(*exact.model(), c), {.values = &from});
        tarsier::Session(file.model()).sync(test::fixture_prompt(*file.model(), c), {.values = &to});
        ASSERT_EQ(from.rows.size(), to.rows.size());
        count += from.rows.size();
        for (std::size_t i = 0; i < from.rows.size(); ++i)
          least = std::min(least, cosine(from.rows[i], to.rows[i]));
      }
      std::cout << name << ", vision " << type << ": least cosine " << least << " of " << count << " rows\n";
      ASSERT_GT(count, 100U);
      EXPECT_GE(least, kLeastCosine) << name << " " << type;
    }
  }
}

// Rows 16 together are the same weights.
TEST(Quantized, a_file_of_tiles_gives_the_same_logits_bit_for_bit) {
  const struct {
    const char *model, *text, *vision;
  } files[] = {
      {"tiny-vl-dense", "q4_k", "q8_0"}, {"tiny-vl-moe", "q4_k", "q8_0"}, {"tiny-vl-moe", "bf16", "bf16"}};
  for (const auto& [name, text, vision] : files) {
    SCOPED_TRACE(std::string(name) + ", text " + text + ", vision " + vision);
    const test::ModelFile rows(name, text, vision);
    const test::TempFolder folder;
    tarsier::quantize(
        {.source = rows.model()->path(), .output = folder.path("tiles.gguf"), .type = "same", .tiles = true});
    const auto tiles = tarsier::Model::open(folder.path("tiles.gguf"));
    const core::GgufReader file(folder.path("tiles.gguf"));
    int tiled = 0;
    for (const core::GgufTensor& t : file.tensors()) tiled += core::info(t.dtype).is_tiled() ? 1 : 0;
    EXPECT_GT(tiled, 20) << name;
    for (const test::FixtureCase& c : test::fixture_cases(name)) {
      const tarsier::Prompt prompt = test::fixture_prompt(*rows.model(), c);
      ASSERT_EQ(all_logits(rows.model(), prompt), all_logits(tiles, prompt)) << name << " " << c.folder;
    }
    tarsier::quantize({.source = folder.path("tiles.gguf"),
                       .output = folder.path("back.gguf"),
                       .type = "same",
                       .vision_type = "same"});
    const core::GgufReader back(folder.path("back.gguf"));
    const core::GgufReader first(rows.model()->path());
    ASSERT_EQ(back.tensors().size(), first.tensors().size());
    for (const core::GgufTensor& t : first.tensors()) {
      const core::GgufTensor* other = back.find_tensor(t.name);
      ASSERT_TRUE(other != nullptr && other->dtype == t.dtype) << t.name;
      const auto a = first.data(t);
      const auto b = back.data(*other);
      EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << t.name;
    }
  }
}

}  // namespace
