// Found before the real one where instructions are emulated: emulated registers are memory.
#pragma once

namespace {

template <class T>
[[gnu::always_inline]] inline T kept(T v) {
  return v;
}

}  // namespace
