// The row avx512_vnni, for now made of plain code.
#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"
#include "ggml-like-core/kernels/simd/scalar.h"

constinit const core::KernelTable core::kernels_avx512_vnni =
    make_table<Scalar>("avx512_vnni", core::kAvx512 | core::kAvx512Vnni | core::kAvx512Bf16 | core::kAvx2 |
                                          core::kFma | core::kF16c);
