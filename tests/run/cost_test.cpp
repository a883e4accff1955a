// The cost of a whole model: no operation that reads weights is forgotten.
#include "ggml-like-core/graph/cost.h"

#include <gtest/gtest.h>

#include "src/model/loaded_model.h"
#include "src/model/text.h"
#include "src/model/vision.h"
#include "src/run/kv_cache.h"
#include "tests/model_files.h"

namespace {

double bytes_of(const core::Plan& plan) {
  double bytes = 0;
  for (const core::Node& node : plan.graph.nodes) bytes += core::cost(plan.graph, node, {}).bytes;
  return bytes;
}

// Of all matrices but tables that rows are looked up in.
double matrix_bytes(const tarsier::LoadedModel& model, bool vision) {
  double bytes = 0;
  for (const core::GgufTensor& t : model.files.text().tensors()) {
    const bool is_vision = t.name.starts_with("v.") || t.name.starts_with("mm.");
    const bool table = t.name == "v.position_embd.weight" ||
                       (t.name == "token_embd.weight" && !model.config.text.tie_word_embeddings);
    if (is_vision == vision && t.rows() > 1 && !table) bytes += static_cast<double>(t.bytes);
  }
  return bytes;
}

TEST(Cost, of_one_token_and_of_a_picture_is_every_matrix_once) {
  const test::ModelFile dense("tiny-vl-dense", "q8_0", "bf16");
  const tarsier::LoadedModel& model = dense.model()->loaded();
  const auto cache =
      tarsier::KvCache::bytes(model.config.text, 1, core::DType::f32);  // the token sees itself
  const auto text = tarsier::make_text_plan(model.config, model.weights, {.n_tokens = 1, .n_logits = 1});
  EXPECT_EQ(bytes_of(text.plan), matrix_bytes(model, false) + static_cast<double>(cache));
  const auto tower = tarsier::make_vision_plan(model.config.vision, model.weights, 64, 1);
  EXPECT_EQ(bytes_of(tower.plan), matrix_bytes(model, true));
}

}  // namespace
