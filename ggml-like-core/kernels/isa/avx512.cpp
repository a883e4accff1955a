// AVX-512 without VNNI: Skylake servers.
#include "ggml-like-core/kernels/simd/avx512.h"

#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"

constinit const core::KernelTable core::kernels_avx512 =
    make_table<Avx512>("avx512", core::kAvx512 | core::kAvx2 | core::kFma | core::kF16c);
