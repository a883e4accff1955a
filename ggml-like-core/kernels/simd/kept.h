// For vector types of x86.
#pragma once

namespace {

// v, which is in a register now and was computed here: the compiler may neither move its making to another
// place nor join it with other sums. Left alone, g++ 12 adds in an order that needs more registers than there
// are.
template <class T>
[[gnu::always_inline]] inline T kept(T v) {
  asm volatile("" : "+v"(v));
  return v;
}

}  // namespace
