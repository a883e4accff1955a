// Which kernel table runs: the rows of this build, best first.
#include "ggml-like-core/kernels/select.h"

#include <cstdlib>
#include <string>

#include "ggml-like-core/base/cpu_features.h"
#include "ggml-like-core/base/error.h"

namespace core {
namespace {

constexpr const KernelTable* kTables[] = {
#if defined(__x86_64__)
    &kernels_avx512_vnni, &kernels_avx512, &kernels_avx2_vnni, &kernels_avx2,
#elif defined(__aarch64__)
    &kernels_neon_i8mm, &kernels_neon,
#endif
    &kernels_scalar};

std::string names_of_supported() {
  std::string names;
  for (const KernelTable* table : kTables)
    if (supported(*table)) names.append(names.empty() ? "" : ", ").append(table->name);
  return names;
}

}  // namespace

std::span<const KernelTable* const> all_tables() { return kTables; }

bool supported(const KernelTable& table) { return (table.required & ~cpu_features()) == 0; }

const KernelTable& find_table(std::string_view name) {
  for (const KernelTable* table : kTables) {
    if (name.empty() && supported(*table)) return *table;
    if (name != table->name) continue;
    require(supported(*table), "kernel table \"", name, "\" needs ", cpu_features_text(table->required),
            "; this processor has ", cpu_features_text(cpu_features()),
            ". Available: ", names_of_supported());
    return *table;
  }
  fail("there is no kernel table \"", name, "\". Available: ", names_of_supported());
}

const KernelTable& selected_table() {
  const char* name = std::getenv("TARSIER_ISA");
  return find_table(name == nullptr ? std::string_view{} : std::string_view(name));
}

}  // namespace core
