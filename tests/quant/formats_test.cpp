// What is derived from the list of formats.
#include "ggml-like-core/quant/formats.h"

#include <gtest/gtest.h>

namespace core {
namespace {

TEST(Formats, have_the_ids_and_sizes_that_gguf_gives_them) {
  struct Row {
    DType dtype;
    std::uint32_t id;
    int block_len;
    std::size_t block_bytes;
    double bits;
  };
  const Row rows[] = {{DType::f32, 0, 1, 4, 32},
                      {DType::f16, 1, 1, 2, 16},
                      {DType::bf16, 30, 1, 2, 16},
                      {DType::q8_0, 8, 32, 34, 8.5},
                      {DType::q4_0, 2, 32, 18, 4.5},
                      {DType::q4_1, 3, 32, 20, 5},
                      {DType::q5_0, 6, 32, 22, 5.5},
                      {DType::q5_1, 7, 32, 24, 6},
                      {DType::iq4_nl, 20, 32, 18, 4.5},
                      {DType::mxfp4, 39, 32, 17, 4.25},
                      {DType::q2_K, 10, 256, 84, 2.625},
                      {DType::q3_K, 11, 256, 110, 3.4375},
                      {DType::q4_K, 12, 256, 144, 4.5},
                      {DType::q5_K, 13, 256, 176, 5.5},
                      {DType::q6_K, 14, 256, 210, 6.5625},
                      {DType::iq4_xs, 23, 256, 136, 4.25},
                      {DType::iq3_xxs, 18, 256, 98, 3.0625},
                      {DType::iq3_s, 21, 256, 110, 3.4375},
                      {DType::iq2_xxs, 16, 256, 66, 2.0625},
                      {DType::iq2_xs, 17, 256, 74, 2.3125},
                      {DType::iq2_s, 22, 256, 82, 2.5625},
                      {DType::iq1_s, 19, 256, 50, 1.5625},
                      {DType::iq1_m, 29, 256, 56, 1.75},
                      {DType::tq1_0, 34, 256, 54, 1.6875},
                      {DType::tq2_0, 35, 256, 66, 2.0625},
                      {DType::x4, 504, 256, 136, 4.25},
                      {DType::x5, 505, 256, 168, 5.25},
                      {DType::x6, 506, 256, 200, 6.25},
                      {DType::x7, 507, 256, 232, 7.25},
                      {DType::x8, 508, 256, 264, 8.25}};
  ASSERT_EQ(std::size(rows), kFormats.size());
  for (const Row& row : rows) {
    EXPECT_EQ(static_cast<std::uint32_t>(row.dtype), row.id);
    EXPECT_EQ(info(row.dtype).block_len, row.block_len);
    EXPECT_EQ(info(row.dtype).block_bytes, row.block_bytes);
    EXPECT_DOUBLE_EQ(info(row.dtype).bits_per_weight(), row.bits);
    EXPECT_EQ(row_bytes(row.dtype, 512), 512 / static_cast<std::size_t>(row.block_len) * row.block_bytes);
  }
}

TEST(Formats, are_found_by_name_in_any_case) {
  for (const FormatInfo& f : kFormats) {
    std::string lower(f.name);
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(format_by_name(f.name), f.dtype);
    EXPECT_EQ(format_by_name(lower), f.dtype);
  }
  for (const char* name : {"", "Q4", "Q4_K ", "Q4_KM", "I32"})
    EXPECT_EQ(format_by_name(name), std::nullopt) << name;
}

TEST(Formats, that_are_not_weights_have_no_index) {
  EXPECT_EQ(format_index(DType::i32), std::nullopt);
  EXPECT_EQ(format_index(static_cast<DType>(9)), std::nullopt);
  for (int i = 0; i < AllFormats::count; ++i) EXPECT_EQ(format_index(kFormats[i].dtype), i);
}

TEST(Formats, that_are_only_read_are_those_of_grids_and_three_values) {
  std::vector<DType> only_read;
  for (const FormatInfo& f : kFormats)
    if (!f.writable) only_read.push_back(f.dtype);
  EXPECT_EQ(only_read,
            (std::vector<DType>{DType::iq3_xxs, DType::iq3_s, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,
                                DType::iq1_s, DType::iq1_m, DType::tq1_0, DType::tq2_0}));
}

TEST(Formats, visit_calls_the_struct_of_the_type) {
  for (const FormatInfo& f : kFormats) {
    int calls = 0;
    visit(f.dtype, [&]<class Q>() {
      ++calls;
      EXPECT_EQ(f.name, Q::name);
    });
    EXPECT_EQ(calls, 1);
  }
}

TEST(FormatsDeathTest, stop_at_a_row_that_is_not_whole_blocks) {
  EXPECT_DEATH(row_bytes(DType::q4_K, 96), "multiple of the block");
}

}  // namespace
}  // namespace core
