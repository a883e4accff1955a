// The grids of the IQ formats: lists of points that their blocks number instead of holding weights. Plain
// (blocks.h says why): data of grid_tables.cpp, which a script makes.
#pragma once

#include <cstdint>

namespace core {

template <class Value, int kPoints, int kLength>
struct Grid {
  Value point[kPoints][kLength];
};

// Magnitudes; blocks hold the signs.
extern const Grid<std::uint8_t, 256, 8> grid_iq2_xxs;
extern const Grid<std::uint8_t, 512, 8> grid_iq2_xs;
extern const Grid<std::uint8_t, 1024, 8> grid_iq2_s;
extern const Grid<std::uint8_t, 256, 4> grid_iq3_xxs;
extern const Grid<std::uint8_t, 512, 4> grid_iq3_s;
// Values -1, 0, 1.
extern const Grid<std::int8_t, 2048, 8> grid_iq1;

}  // namespace core
