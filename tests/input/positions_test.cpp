// Positions against transformers' get_rope_index.
#include "src/input/positions.h"

#include <gtest/gtest.h>

#include "ggml-like-core/base/error.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

std::vector<Grid> grids(const nlohmann::json& rows) {
  std::vector<Grid> out;
  for (const auto& row : rows)
    out.push_back({row.at(0).get<int>(), row.at(1).get<int>(), row.at(2).get<int>()});
  return out;
}

TEST(Positions, every_conversation_of_transformers_is_reproduced) {
  const auto file = test::read_json(std::string(TARSIER_TEST_DATA) + "/vectors/mrope.json");
  const int merge_size = file.at("spatial_merge_size").get<int>();
  ASSERT_EQ(file.at("cases").size(), 60U);
  for (const auto& row : file.at("cases")) {
    SCOPED_TRACE(row.at("parts").dump());
    const auto types = row.at("mm_token_type_ids").get<std::vector<std::int8_t>>();
    const Positions found =
        mrope_positions(types, grids(row.at("image_grid_thw")), grids(row.at("video_grid_thw")), merge_size);
    const auto& wanted = row.at("position_ids");
    EXPECT_EQ(found.t, wanted.at(0).get<std::vector<std::int32_t>>());
    EXPECT_EQ(found.h, wanted.at(1).get<std::vector<std::int32_t>>());
    EXPECT_EQ(found.w, wanted.at(2).get<std::vector<std::int32_t>>());
    EXPECT_EQ(found.rope_delta, row.at("rope_delta").get<int>());
  }
}

TEST(Positions, of_text_alone_count_up) {
  const Positions found = mrope_positions(std::vector<std::int8_t>(3), {}, {}, 2);
  EXPECT_EQ(found.t, (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(found.h, found.t);
  EXPECT_EQ(found.w, found.t);
  EXPECT_EQ(found.rope_delta, 0);
}

TEST(Positions, of_nothing_are_nothing) {
  const Positions found = mrope_positions({}, {}, {}, 2);
  EXPECT_TRUE(found.t.empty());
  EXPECT_EQ(found.rope_delta, 0);
}

TEST(Positions, grids_that_do_not_fit_the_runs_are_an_error) {
  const std::vector<std::int8_t> run = {0, 1, 1, 0};
  const std::vector<Grid> two_rows = {{1, 4, 2}};
  EXPECT_EQ(mrope_positions(run, two_rows, {}, 2).h, (std::vector<std::int32_t>{0, 1, 2, 3}));
  EXPECT_THROW(mrope_positions(run, {}, {}, 2), core::Error);                                 // no grid
  EXPECT_THROW(mrope_positions(run, std::vector<Grid>{{1, 4, 4}}, {}, 2), core::Error);       // too large
  EXPECT_THROW(mrope_positions(run, std::vector<Grid>(2, two_rows[0]), {}, 2), core::Error);  // one too many
  EXPECT_THROW(mrope_positions(run, {}, two_rows, 2), core::Error);                           // wrong kind
  EXPECT_THROW(mrope_positions(run, std::vector<Grid>{{1, 3, 2}}, {}, 2), core::Error);       // half a token
  EXPECT_THROW(mrope_positions(run, std::vector<Grid>{{-1, -4, 2}}, {}, 2), core::Error);
  EXPECT_THROW(mrope_positions(run, two_rows, {}, 0), core::Error);
  EXPECT_THROW(mrope_positions(std::vector<std::int8_t>{3}, {}, {}, 2), core::Error);
  const std::vector<std::int8_t> frame = {2, 0};  // of two
  EXPECT_THROW(mrope_positions(frame, {}, std::vector<Grid>{{2, 2, 2}}, 2), core::Error);
}

}  // namespace
}  // namespace tarsier
