// Functions of one vector type behind pointers, so that a test compiled for any processor can call them.
#pragma once

#include <cstdint>

struct SimdProbe {
  const char* name;  // of the table
  int lanes;
  void (*dot2)(std::int32_t* sum, const void* words, const void* x);  // words: aligned to 64
  void (*store_i16)(std::int16_t* out, const float* x);
};
