// JSON as Python's json.dumps(value, ensure_ascii=False) prints it.
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "ggml-like-core/base/error.h"
#include "src/input/chat_template.h"

namespace tarsier {
namespace {

constexpr int kMaxDepth = 500;  // Python gives up at about a thousand

void put_string(std::string& out, const std::string& text) {
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
      case '\f':
        out += "\\f";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (byte < 0x20)
          out.append("\\u00") += {kHex[byte >> 4], kHex[byte & 15]};
        else
          out += c;
    }
  }
  out += '"';
}

// Python's repr(float): the shortest digits that read back; an exponent below 1e-4 and from 1e16 on.
void put_float(std::string& out, double x) {
  if (std::isnan(x)) {
    out += "NaN";
    return;
  }
  if (std::isinf(x)) {
    out += x < 0 ? "-Infinity" : "Infinity";
    return;
  }
  std::array<char, 64> text{};
  char* const begin = text.data();
  const double size = std::fabs(x);
  if (size != 0 && (size < 1e-4 || size >= 1e16)) {
    out.append(begin, std::to_chars(begin, begin + text.size(), x, std::chars_format::scientific).ptr);
    return;
  }
  const std::string fixed(begin, std::to_chars(begin, begin + text.size(), x, std::chars_format::fixed).ptr);
  out += fixed;
  if (fixed.find('.') == std::string::npos) out += ".0";
}

void put(std::string& out, const Json& value, int depth) {
  core::require(depth < kMaxDepth, "JSON is nested deeper than ", kMaxDepth, " levels");
  switch (value.type()) {
    case Json::value_t::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, member] : value.items()) {
        if (!first) out += ", ";
        first = false;
        put_string(out, key);
        out += ": ";
        put(out, member, depth + 1);
      }
      out += '}';
      break;
    }
    case Json::value_t::array: {
      out += '[';
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (i > 0) out += ", ";
        put(out, value[i], depth + 1);
      }
      out += ']';
      break;
    }
    case Json::value_t::string:
      put_string(out, value.get_ref<const std::string&>());
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
      put_float(out, value.get<double>());
      break;
    default:
      out += "null";
  }
}

}  // namespace

std::string python_json(const Json& value) {
  std::string out;
  put(out, value, 0);
  return out;
}

}  // namespace tarsier
