// How sizes and times are said, and that every sampling flag reaches its field.
#include "src/cli/terminal.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <string>

#include "ggml-like-core/base/error.h"
#include "src/cli/sampling_flags.h"

namespace {

using tarsier::cli::bytes_text;
using tarsier::cli::duration_text;

TEST(Terminal, sizes_have_three_digits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1500), "1.50 kB");
  EXPECT_EQ(bytes_text(12'345'678), "12.3 MB");
  EXPECT_EQ(bytes_text(123'456'789), "123 MB");
  EXPECT_EQ(bytes_text(999'900'000), "1.00 GB");
  EXPECT_EQ(bytes_text(2.5e15), "2500 TB");
}

TEST(Terminal, durations_are_for_people) {
  EXPECT_EQ(duration_text(0.4), "0 s");
  EXPECT_EQ(duration_text(59.4), "59 s");
  EXPECT_EQ(duration_text(125), "2 min 05 s");
  EXPECT_EQ(duration_text(3720), "1 h 02 min");
  EXPECT_EQ(duration_text(-5), "0 s");
}

TEST(SamplingFlags, change_only_what_was_given) {
  CLI::App app;
  tarsier::cli::SamplingFlags flags(app);
  app.parse("--temperature 0.25 --seed 18446744073709551615 --top-k 3");
  tarsier::SamplingOptions defaults;
  defaults.top_p = 0.5;
  defaults.top_k = 7;
  const auto options = flags.apply(defaults);
  EXPECT_EQ(options.temperature, 0.25);
  EXPECT_EQ(options.seed, 18446744073709551615U);
  EXPECT_EQ(options.top_k, 3);
  EXPECT_EQ(options.top_p, 0.5);
}

TEST(SamplingFlags, every_field_has_a_flag) {
  CLI::App app;
  tarsier::cli::SamplingFlags flags(app);
  app.parse(
      "--temperature 0.1 --top-k 2 --top-p 0.3 --min-p 0.4 --repetition-penalty 1.5 --presence-penalty 0.6 "
      "--frequency-penalty 0.7 --seed 8");
  const auto o = flags.apply({});
  EXPECT_EQ(o.temperature, 0.1);
  EXPECT_EQ(o.top_k, 2);
  EXPECT_EQ(o.top_p, 0.3);
  EXPECT_EQ(o.min_p, 0.4);
  EXPECT_EQ(o.repetition_penalty, 1.5);
  EXPECT_EQ(o.presence_penalty, 0.6);
  EXPECT_EQ(o.frequency_penalty, 0.7);
  EXPECT_EQ(o.seed, 8U);
}

TEST(SamplingFlags, out_of_range_is_an_error) {
  CLI::App app;
  tarsier::cli::SamplingFlags flags(app);
  app.parse("--temperature -1");
  EXPECT_THROW(flags.apply({}), core::Error);
}

}  // namespace
