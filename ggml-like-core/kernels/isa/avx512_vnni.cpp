// AVX-512 with VNNI: Ice Lake, Zen 4 and later.
#include "ggml-like-core/kernels/simd/avx512_vnni.h"

#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"

constinit const core::KernelTable core::kernels_avx512_vnni = make_table<Avx512Vnni>(
    "avx512_vnni", core::kAvx512 | core::kAvx512Vnni | core::kAvx2 | core::kFma | core::kF16c);
