// AVX2: processors since 2013.
#include "ggml-like-core/kernels/simd/avx2.h"

#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"

constinit const core::KernelTable core::kernels_avx2 =
    make_table<Avx2>("avx2", core::kAvx2 | core::kFma | core::kF16c);
