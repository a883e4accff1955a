// Real photographs through decoding, resizing and patches: every bit as transformers' processor gives it.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>

#include "src/input/processor.h"
#include "tests/safetensors_file.h"

namespace tarsier {
namespace {

// sum over a patch of bits(value k) * (2 k + 1), modulo 2^64: as tests/oracle/make_photographs.py
std::vector<std::int64_t> checksums(const Patches& patches) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(patches.grid.patches()));
  const std::size_t patch_values = patches.values.size() / out.size();
  for (std::size_t p = 0; p < out.size(); ++p) {
    std::uint64_t sum = 0;
    for (std::size_t k = 0; k < patch_values; ++k) {
      sum += std::uint64_t{std::bit_cast<std::uint32_t>(patches.values[p * patch_values + k])} * (2 * k + 1);
    }
    out[p] = static_cast<std::int64_t>(sum);
  }
  return out;
}

TEST(Photographs, pixel_values_are_bit_equal_to_transformers) {
  const std::string folder = std::string(TARSIER_TEST_DATA) + "/photographs/";
  const test::SafetensorsFile want(folder + "photographs.safetensors");
  int runs = 0;
  int equal = 0;
  std::int64_t patches_compared = 0;
  for (const auto& [name, tensor] : want.tensors) {
    if (!name.ends_with(".grid")) continue;
    SCOPED_TRACE(name);
    const std::string key = name.substr(0, name.size() - 5);  // FILE.SETTING
    const std::string file = key.substr(0, key.rfind('.'));
    ProcessorConfig config;  // the published settings
    if (key.ends_with(".tiny")) config.image = {4096, 20480};
    const Patches got = image_patches(config, load_image(folder + file));
    ASSERT_EQ((std::vector<std::int64_t>{got.grid.t, got.grid.h, got.grid.w}), want.i64(name));
    const std::vector<float> first = want.f32(key + ".first");
    EXPECT_TRUE(std::equal(first.begin(), first.end(), got.values.begin()));
    const bool same = checksums(got) == want.i64(key + ".checksums");
    EXPECT_TRUE(same);
    ++runs;
    equal += same ? 1 : 0;
    patches_compared += got.grid.patches();
  }
  std::printf("photographs: %d of %d runs bit-equal, %lld patches\n", equal, runs,
              static_cast<long long>(patches_compared));
  EXPECT_EQ(runs, 16);
}

}  // namespace
}  // namespace tarsier
