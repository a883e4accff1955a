// What the processor can do is named, and one instruction set comes with those it builds on.
#include "ggml-like-core/base/cpu_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace {

TEST(CpuFeatures, every_bit_has_a_name) {
  EXPECT_EQ(core::cpu_features_text(core::kAvx2 | core::kFma | core::kF16c), "avx2 fma f16c");
  EXPECT_EQ(core::cpu_features_text(core::kNeon | core::kDotprod | core::kI8mm), "neon dotprod i8mm");
  EXPECT_EQ(core::cpu_features_text(core::kAvx512 | core::kAvx512Vnni | core::kAvx512Bf16),
            "avx512 avx512_vnni avx512_bf16");
  EXPECT_EQ(core::cpu_features_text(0), "none");
}

TEST(CpuFeatures, do_not_change_while_the_program_runs) {
  EXPECT_EQ(core::cpu_features(), core::cpu_features());
}

// The kernel's own list of flags, one word each: another way to the same answer.
TEST(CpuFeatures, agree_with_what_the_operating_system_lists) {
  std::ifstream in("/proc/cpuinfo");
  std::string words = " ";
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("flags") || line.starts_with("Features")) {
      std::istringstream parts(line.substr(line.find(':') + 1));
      for (std::string word; parts >> word;) words += word + " ";
      break;
    }
  if (words == " ") GTEST_SKIP() << "/proc/cpuinfo lists no flags on this machine";
  const auto listed = [&](const char* word) {
    return words.find(" " + std::string(word) + " ") != std::string::npos;
  };
  const auto found = [](core::CpuFeature bit) { return (core::cpu_features() & bit) != 0; };
  if (found(core::kNeon) && listed("sse2")) {
    GTEST_SKIP() << "/proc/cpuinfo is the host's, not the emulated machine's";
  } else if (listed("fpu") || listed("sse2")) {  // x86
    EXPECT_EQ(found(core::kAvx2), listed("avx2"));
    EXPECT_EQ(found(core::kFma), listed("fma"));
    EXPECT_EQ(found(core::kAvx512),
              listed("avx512f") && listed("avx512bw") && listed("avx512vl") && listed("avx512dq"));
    EXPECT_EQ(found(core::kAvx512Vnni), listed("avx512_vnni"));
    EXPECT_EQ(found(core::kAvx512Bf16), listed("avx512_bf16"));
  } else if (!found(core::kNeon)) {
    GTEST_SKIP() << "neither x86 nor Arm";
  } else {
    EXPECT_EQ(found(core::kDotprod), listed("asimddp"));
    EXPECT_EQ(found(core::kI8mm), listed("i8mm"));
  }
}

}  // namespace
