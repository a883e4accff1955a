// JSON as Python prints it: ", " and ": " between, floats as repr(), keys in their order.
#include <array>
#include <charconv>
#include <cmath>

#include "src/input/chat_template.h"

namespace tarsier {
namespace {

void print_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (byte < 0x20) {
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

// repr(float): the shortest digits that read back, in plain notation for exponents -4 to 15.
void print_float(std::string& out, double x) {
  if (std::isnan(x)) {
    out += "NaN";
    return;
  }
  if (std::isinf(x)) {
    out += x < 0 ? "-Infinity" : "Infinity";
    return;
  }
  std::array<char, 64> buffer{};
  const auto print = [&](std::chars_format format) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, format).ptr;
    return std::string_view(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  };
  const std::string_view scientific = print(std::chars_format::scientific);
  const std::string_view digits = scientific.substr(scientific.find('e') + 1);
  int exponent = 0;
  std::from_chars(digits.data() + (digits[0] == '+' ? 1 : 0), digits.data() + digits.size(), exponent);
  if (exponent < -4 || exponent >= 16) {
    out += scientific;
    return;
  }
  const std::string_view plain = print(std::chars_format::fixed);
  out += plain;
  if (plain.find('.') == std::string_view::npos) out += ".0";
}

void print(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, member] : value.items()) {
        if (!first) out += ", ";
        first = false;
        print_string(out, key);
        out += ": ";
        print(out, member);
      }
      out += '}';
      break;
    }
    case Json::value_t::array: {
      out += '[';
      bool first = true;
      for (const auto& member : value) {
        if (!first) out += ", ";
        first = false;
        print(out, member);
      }
      out += ']';
      break;
    }
    case Json::value_t::string:
      print_string(out, value.get_ref<const std::string&>());
      break;
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      break;
    case Json::value_t::number_integer:
      out += std::to_string(value.get<std::int64_t>());
      break;
    case Json::value_t::number_unsigned:
      out += std::to_string(value.get<std::uint64_t>());
      break;
    case Json::value_t::number_float:
      print_float(out, value.get<double>());
      break;
    default:
      out += "null";
  }
}

}  // namespace

std::string python_json(const Json& value) {
  std::string out;
  print(out, value);
  return out;
}

}  // namespace tarsier
