// The row avx512, for now made of plain code.
#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"
#include "ggml-like-core/kernels/simd/scalar.h"

constinit const core::KernelTable core::kernels_avx512 =
    make_table<Scalar>("avx512", core::kAvx512 | core::kAvx2 | core::kFma | core::kF16c);
