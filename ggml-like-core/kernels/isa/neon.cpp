// The row neon, for now made of plain code.
#include "ggml-like-core/base/cpu_bits.h"
#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"
#include "ggml-like-core/kernels/simd/scalar.h"

constinit const core::KernelTable core::kernels_neon = make_table<Scalar>("neon", core::kNeon);
