// AVX2 with VNNI but no AVX-512: Alder Lake and later Intel processors for clients.
#include "ggml-like-core/kernels/simd/avx2_vnni.h"

#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"

constinit const core::KernelTable core::kernels_avx2_vnni =
    make_table<Avx2Vnni>("avx2_vnni", core::kAvxVnni | core::kAvx2 | core::kFma | core::kF16c);
