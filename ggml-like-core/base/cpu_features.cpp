#include "ggml-like-core/base/cpu_features.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace core {
namespace {

struct Row {
  CpuFeature bit;
  const char* name;
};
constexpr Row kRows[] = {{kAvx2, "avx2"},
                         {kFma, "fma"},
                         {kF16c, "f16c"},
                         {kAvx512, "avx512"},
                         {kAvx512Vnni, "avx512_vnni"},
                         {kAvx512Bf16, "avx512_bf16"},
                         {kAvxVnni, "avx_vnni"},
                         {kNeon, "neon"},
                         {kDotprod, "dotprod"},
                         {kI8mm, "i8mm"}};

}  // namespace

std::uint32_t cpu_features() {
  std::uint32_t found = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) found |= kAvx2;
  if (__builtin_cpu_supports("fma")) found |= kFma;
  if (__builtin_cpu_supports("avx2"))
    found |= kF16c;  // every AVX2 processor has F16C; the builtin does not know the name everywhere
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    found |= kAvx512;
  if (__builtin_cpu_supports("avx512vnni")) found |= kAvx512Vnni;
  if (__builtin_cpu_supports("avx512bf16")) found |= kAvx512Bf16;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAvxVnniBit = 1U << 4;  // of EAX; the builtin does not know the name everywhere
  if ((found & kAvx2) != 0 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvxVnniBit) != 0)
    found |= kAvxVnni;
#elif defined(__aarch64__)
  constexpr unsigned long kHwcapDotprod = 1UL << 20;  // HWCAP_ASIMDDP
  constexpr unsigned long kHwcap2I8mm = 1UL << 13;    // HWCAP2_I8MM
  found |= kNeon;
  if ((getauxval(AT_HWCAP) & kHwcapDotprod) != 0) found |= kDotprod;
  if ((getauxval(AT_HWCAP2) & kHwcap2I8mm) != 0) found |= kI8mm;
#endif
  return found;
}

std::string cpu_features_text(std::uint32_t features) {
  std::string text;
  for (const Row& row : kRows)
    if ((features & row.bit) != 0) text.append(text.empty() ? "" : " ").append(row.name);
  return text.empty() ? "none" : text;
}

}  // namespace core
