#include "ggml-like-core/base/error.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace core {

std::string to_text(double x) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, x);
  return {text, end.ptr};
}

std::string to_text(std::span<const std::int64_t> v) {
  std::string text = "[";
  for (std::size_t i = 0; i < v.size(); ++i) text += (i ? ", " : "") + std::to_string(v[i]);
  return text + "]";
}

void bug(const char* what) {
  std::fprintf(stderr, "tarsier: bug: %s\n", what);
  std::abort();
}

}  // namespace core
