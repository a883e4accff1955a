// Plain C++: runs everywhere, and is what the other rows are tested against.
#include "ggml-like-core/kernels/simd/scalar.h"

#include "ggml-like-core/kernels/kernel_table.h"
#include "ggml-like-core/kernels/make_table.inl"

constinit const core::KernelTable core::kernels_scalar = make_table<Scalar>("scalar", 0);
