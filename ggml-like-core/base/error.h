// The three kinds of failure.
//   1 The outside world is wrong (a file, a picture, a flag): Error, a sentence for the user: who, what,
//   found, wanted. 2 An expected outcome is a value (optional, enum). 3 Our own mistake: bug_if stops at
//   once, in every build. Never reachable by input.
// Thrown only while opening, parsing, declaring and preparing; never inside kernels or a running plan.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace core {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline std::string to_text(std::string_view s) { return std::string(s); }
template <std::integral T>
std::string to_text(T x) {
  if constexpr (std::same_as<T, char>)
    return std::string(1, x);
  else if constexpr (std::same_as<T, bool>)
    return x ? "true" : "false";
  else
    return std::to_string(x);
}
std::string to_text(double x);                         // shortest form that reads back
std::string to_text(std::span<const std::int64_t> v);  // "[2, 3, 4]"

template <class... T>
[[noreturn]] void fail(const T&... part) {
  throw Error((to_text(part) + ...));
}
template <class... T>
void require(bool ok, const T&... part) {
  if (!ok) [[unlikely]]
    fail(part...);
}

// Prints what and aborts.
[[noreturn]] void bug(const char* what);
inline void bug_if(bool broken, const char* what) {
  if (broken) [[unlikely]]
    bug(what);
}

}  // namespace core
