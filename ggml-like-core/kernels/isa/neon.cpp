// NEON: every 64-bit ARM processor.
#include "ggml-like-core/kernels/simd/neon.h"

#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"

constinit const core::KernelTable core::kernels_neon = make_table<Neon>("neon", core::kNeon);
