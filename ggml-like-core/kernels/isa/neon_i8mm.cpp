// NEON with dot products and 8-bit matrices: Neoverse V1, Apple M2, Cortex-X2 and later.
#include "ggml-like-core/kernels/simd/neon_i8mm.h"

#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"

constinit const core::KernelTable core::kernels_neon_i8mm =
    make_table<NeonI8mm>("neon_i8mm", core::kNeon | core::kDotprod | core::kI8mm);
