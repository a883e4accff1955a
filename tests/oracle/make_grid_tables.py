"""The grids of the IQ formats as C++ data, by the `gguf` package (numpy code of llama.cpp's authors).

    python tests/oracle/make_grid_tables.py > ggml-like-core/quant/grid_tables.cpp

A grid is a list of points; a point has 8 or 4 coordinates out of a few values. The file holds the number of the value of
each coordinate, 2 or 3 bits each from the lowest up; the compiler makes bytes of them.
"""
from importlib.metadata import version

from gguf import quants

GRIDS = {  # name: class that has it, bits of a coordinate, name of the values
    "iq2_xxs": (quants.IQ2_XXS, 2, "kIq2Values"), "iq2_xs": (quants.IQ2_XS, 2, "kIq2Values"),
    "iq2_s": (quants.IQ2_S, 2, "kIq2Values"), "iq3_xxs": (quants.IQ3_XXS, 3, "kIq3XxsValues"),
    "iq3_s": (quants.IQ3_S, 3, "kIq3SValues"), "iq1": (quants.IQ1_S, 2, "kIq1Values"),
}
A_LINE = 13

print(f"""// Made by tests/oracle/make_grid_tables.py of gguf {version("gguf")}: the points of the grids of the IQ formats.
#include "ggml-like-core/quant/grid_tables.h"

namespace core {{
namespace {{

// Each point packs the numbers of its kLength values, kBits bits each from the lowest up.
template <int kBits, int kLength, class Value, int kPoints, int kValues>
constexpr Grid<Value, kPoints, kLength> unpacked(const std::uint16_t (&packed)[kPoints],
                                                 const Value (&values)[kValues]) {{
  static_assert(kValues <= 1 << kBits && kLength * kBits <= 16);
  Grid<Value, kPoints, kLength> grid{{}};
  for (int p = 0; p < kPoints; ++p)
    for (int i = 0; i < kLength; ++i)
      grid.point[p][i] = values[(packed[p] >> (kBits * i)) & ((1 << kBits) - 1)];
  return grid;
}}
""")
values = {}
for kind, _, name in GRIDS.values():
    assert values.setdefault(name, kind.grid_map) == kind.grid_map
for name, numbers in values.items():
    print(f"constexpr std::{'u' if min(numbers) >= 0 else ''}int8_t {name}[] = {{{', '.join(map(str, numbers))}}};")
for name, (kind, bits, _) in GRIDS.items():
    kind.init_grid()
    points = kind.grid.reshape(kind.grid_shape)
    packed = [sum(kind.grid_map.index(int(v)) << (bits * i) for i, v in enumerate(point)) for point in points]
    print(f"\nconstexpr std::uint16_t packed_{name}[] = {{")
    for at in range(0, len(packed), A_LINE):
        line = ", ".join(f"0x{p:04x}" for p in packed[at:at + A_LINE])
        print(f"    {line}" + ("," if at + A_LINE < len(packed) else "};"))
print("\n}  // namespace\n")
for name, (kind, bits, numbers) in GRIDS.items():
    (n_points, length), value = kind.grid_shape, "uint8" if min(kind.grid_map) >= 0 else "int8"
    print(f"constexpr Grid<std::{value}_t, {n_points}, {length}> grid_{name} = "
          f"unpacked<{bits}, {length}>(packed_{name}, {numbers});")
print("\n}  // namespace core")
