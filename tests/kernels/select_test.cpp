// Which table runs.
#include "ggml-like-core/kernels/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "ggml-like-core/base/error.h"

namespace core {
namespace {

TEST(Select, ends_with_the_plain_table_that_runs_everywhere) {
  ASSERT_FALSE(all_tables().empty());
  EXPECT_STREQ(all_tables().back()->name, "scalar");
  EXPECT_TRUE(supported(*all_tables().back()));
}

TEST(Select, takes_the_first_supported_one_or_the_one_named) {
  const KernelTable& best = find_table();
  for (const KernelTable* table : all_tables()) {
    if (table == &best) break;
    EXPECT_FALSE(supported(*table));
  }
  for (const KernelTable* table : all_tables()) {
    if (supported(*table)) {
      EXPECT_EQ(&find_table(table->name), table);
    }
  }
}

TEST(Select, refuses_unknown_and_unsupported_names_and_lists_the_others) {
  try {
    find_table("mmx");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("mmx"), testing::HasSubstr("scalar")));
  }
  for (const KernelTable* table : all_tables()) {
    if (!supported(*table)) {
      EXPECT_THROW(find_table(table->name), Error);
    }
  }
}

TEST(Select, follows_the_environment_variable) {
  const char* before = std::getenv("TARSIER_ISA");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TARSIER_ISA", "scalar", 1);
  EXPECT_EQ(&selected_table(), &kernels_scalar);
  setenv("TARSIER_ISA", "abacus", 1);
  EXPECT_THROW(selected_table(), Error);
  setenv("TARSIER_ISA", "", 1);
  EXPECT_EQ(&selected_table(), &find_table());
  unsetenv("TARSIER_ISA");
  EXPECT_EQ(&selected_table(), &find_table());
  if (before != nullptr) setenv("TARSIER_ISA", kept.c_str(), 1);
}

TEST(Select, every_pointer_of_every_table_is_set) {
  for (const KernelTable* t : all_tables()) {
    for (const MatKernels& m : t->mat)
      EXPECT_TRUE(m.dequantize_row && m.convert_activation && m.activation_bytes && m.mat_mul) << t->name;
    EXPECT_TRUE(t->rms_norm && t->layer_norm && t->rope && t->add && t->multiply_add && t->silu_mul &&
                t->gelu_tanh && t->gelu_erf && t->softmax && t->attention && t->attention_scratch_bytes)
        << t->name;
    for (const KvKernels* kv : {&t->fixed.kv16, &t->fixed.kv8, &t->fixed.kv4})
      EXPECT_TRUE(kv->store && kv->round_query && kv->attend && kv->finish) << t->name;
    EXPECT_TRUE(t->fixed.fold && t->fixed.scratch_bytes) << t->name;
  }
}

}  // namespace
}  // namespace core
