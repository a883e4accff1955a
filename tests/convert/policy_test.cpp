// Which format each role gets, said once more in words.
#include "convert/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ggml-like-core/quant/formats.h"
#include "tests/temp_folder.h"

namespace {

using core::DType;
using tarsier::format_for;
using tarsier::Role;
using tarsier::type_preset;

DType format(std::string_view type, Role role, std::int64_t length,
             const std::string& name = "blk.8.x.weight", std::string_view vision = "bf16") {
  tarsier::Config config;
  config.text.num_hidden_layers = 16;
  const tarsier::TensorSpec spec{.name = name, .hf_name = "", .shape = {4, length}, .role = role};
  return format_for(spec, config, type_preset(type), type_preset(vision));
}

TEST(Policy, norms_biases_positions_and_routers_are_always_f32) {
  for (const auto& type : tarsier::type_presets())
    for (const Role role : {Role::norm, Role::bias, Role::position, Role::router})
      EXPECT_EQ(format(type.name, role, 256, "x", type.name), DType::f32);
}

TEST(Policy, matrices_get_the_type_that_was_asked_for) {
  for (const Role role : {Role::attention, Role::ffn, Role::expert}) {
    EXPECT_EQ(format("f32", role, 256), DType::f32);
    EXPECT_EQ(format("F16", role, 256), DType::f16);
    EXPECT_EQ(format("bf16", role, 256), DType::bf16);
    EXPECT_EQ(format("q8_0", role, 256), DType::q8_0);
    EXPECT_EQ(format("q4_0", role, 256), DType::q4_0);
    EXPECT_EQ(format("Q4_K", role, 256), DType::q4_K);
    EXPECT_EQ(format("q5_k", role, 256), DType::q5_K);
    EXPECT_EQ(format("q6_k", role, 256), DType::q6_K);
    EXPECT_EQ(format("iq4_xs", role, 256), DType::iq4_xs);
    EXPECT_EQ(format("q3_k", role, 256), DType::q3_K);
    EXPECT_EQ(format("q2_k", role, 256), DType::q2_K);
    EXPECT_EQ(format("mxfp4", role, 256), DType::mxfp4);
  }
  EXPECT_EQ(format("q4_k", Role::vision_linear, 1024), DType::bf16);
  EXPECT_EQ(format("q4_k", Role::vision_linear, 1024, "x", "q8_0"), DType::q8_0);
}

TEST(Policy, every_format_that_can_be_written_has_a_type_of_its_name) {
  for (const core::FormatInfo& f : core::kFormats)
    if (f.writable) {
      EXPECT_EQ(type_preset(f.name).base, f.dtype) << f.name;
    }
  EXPECT_EQ(tarsier::type_presets().size(),
            static_cast<std::size_t>(std::count_if(core::kFormats.begin(), core::kFormats.end(),
                                                   [](const core::FormatInfo& f) { return f.writable; })));
}

TEST(Policy, q4_k_keeps_embedding_head_values_and_the_outer_down_projections_at_six_bits) {
  for (const Role role : {Role::embedding, Role::head, Role::attention_value})
    EXPECT_EQ(format("q4_k", role, 256), DType::q6_K);
  for (const Role role : {Role::ffn_down, Role::expert_down}) {
    for (const char* layer : {"0", "1", "14", "15"})
      EXPECT_EQ(format("q4_k", role, 256, std::string("blk.") + layer + ".ffn_down.weight"), DType::q6_K)
          << layer;
    for (const char* layer : {"2", "8", "13"})
      EXPECT_EQ(format("q4_k", role, 256, std::string("blk.") + layer + ".ffn_down.weight"), DType::q4_K)
          << layer;
  }
  EXPECT_EQ(format("q4_0", Role::embedding, 256), DType::q8_0);
}

TEST(Policy, rows_that_are_no_multiple_of_the_block_fall_to_q8_0_then_to_bf16) {
  EXPECT_EQ(format("q4_k", Role::expert, 96), DType::q8_0);
  EXPECT_EQ(format("q6_k", Role::expert, 768), DType::q6_K);
  EXPECT_EQ(format("q4_k", Role::expert, 48), DType::bf16);
  EXPECT_EQ(format("q4_0", Role::expert, 48), DType::bf16);
  EXPECT_EQ(format("q8_0", Role::vision_patch, 16, "x", "q8_0"), DType::bf16);
  EXPECT_EQ(format("q8_0", Role::vision_patch, 16, "x", "f16"), DType::f16);
}

TEST(Policy, an_unknown_type_is_an_error_with_those_there_are) {
  EXPECT_THAT(test::error_of([] { type_preset("q3_m"); }),
              ::testing::AllOf(::testing::HasSubstr("no type q3_m"), ::testing::HasSubstr("f32, f16, bf16")));
  EXPECT_THAT(test::error_of([] { type_preset("IQ2_XS"); }),
              ::testing::AllOf(::testing::HasSubstr("iq2_xs can be read, not written"),
                               ::testing::HasSubstr("f32, f16, bf16")));
}

}  // namespace
