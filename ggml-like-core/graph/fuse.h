// Joins operations that one pass over the data can do. The same kernels on the same rows: not a bit of a
// result changes.
#pragma once

#include "ggml-like-core/graph/builder.h"

namespace core {

// - products of one x become parts of one product: x is converted once, and the team meets once;
// - a norm whose only readers are parts of one product becomes that product's;
// - silu_mul of two parts, and add of a product and an earlier value, become the product's last step;
// - a norm of heads, or a slice, that only a rotation reads becomes the rotation's.
// Values that the model named or made outputs stay.
Graph fuse(Graph graph);

}  // namespace core
