#include "src/chat/dropped.h"

#include <glob.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>

#include "ggml-like-core/base/error.h"
#include "src/input/picture_folder.h"

namespace tarsier::chat {
namespace {

namespace fs = std::filesystem;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    out += low < 0 ? text[i] : static_cast<char>(high * 16 + low);
    if (low >= 0) i += 2;
  }
  return out;
}

struct Word {
  std::string text;     // without quotes and escapes
  std::string pattern;  // the same, quoted characters escaped for glob
  std::size_t end = 0;  // behind it, in the source
  bool quoted = false;  // begins with a quote that closes
  bool glob = false;
};

// The word that begins at source[at], which is no blank. A quote without its partner is a plain character.
Word read_word(std::string_view source, std::size_t at) {
  Word word;
  const auto add = [&](char c, bool plain) {
    const bool special = c == '*' || c == '?' || c == '[';
    word.text += c;
    if ((special || c == '\\') && !plain) word.pattern += '\\';
    word.pattern += c;
    word.glob = word.glob || (special && plain);
  };
  const std::size_t begin = at;
  while (at < source.size() && !is_blank(source[at])) {
    const char c = source[at];
    if (c == '\\' && at + 1 < source.size()) {
      add(source[at + 1], false);
      at += 2;
    } else if ((c == '\'' || c == '"') && source.find(c, at + 1) != std::string_view::npos) {
      word.quoted = word.quoted || at == begin;
      for (++at; source[at] != c; ++at) {
        if (c == '"' && source[at] == '\\' && (source[at + 1] == '"' || source[at + 1] == '\\')) ++at;
        add(source[at], false);
      }
      ++at;
    } else {
      add(c, true);
      ++at;
    }
  }
  word.end = at;
  return word;
}

// ~ and file:// resolved.
std::string resolved(const std::string& text) {
  constexpr std::string_view kFile = "file://";
  if (text.starts_with(kFile)) {
    std::string path = percent_decoded(std::string_view(text).substr(kFile.size()));
    if (path.starts_with("localhost/")) path.erase(0, std::string_view("localhost").size());
    return path;
  }
  const char* home = std::getenv("HOME");
  if (home != nullptr && (text == "~" || text.starts_with("~/"))) return home + text.substr(1);
  return text;
}

// False also for what can be no path at all.
bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<std::string> expanded(const Word& word) {
  if (!word.glob || exists(resolved(word.text))) return {resolved(word.text)};
  ::glob_t found{};
  std::vector<std::string> out;
  if (::glob(word.pattern.c_str(), GLOB_TILDE, nullptr, &found) == 0)
    out.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (out.empty()) out.push_back(word.text);
  return out;
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_there(const Word& word) {
  const std::vector<std::string> paths = expanded(word);
  return std::all_of(paths.begin(), paths.end(), exists);
}

// The word that begins at source[at]. Where nothing has its name, what ends a sentence is no part of it.
Word read_name(std::string_view source, std::size_t at) {
  Word word = read_word(source, at);
  if (is_there(word)) return word;
  const std::size_t end = source.find_last_not_of(".,;:!?)", word.end - 1) + 1;
  if (end <= at || end == word.end) return word;
  Word shorter = read_word(source.substr(0, end), at);
  return is_there(shorter) || has_picture_name(shorter.text) || has_video_name(shorter.text) ? shorter : word;
}

// A folder of frames as it is dropped: a word of a sentence may happen to name a folder, but not from the
// root.
bool is_dropped_clip(const std::string& path) {
  std::error_code ignored;
  if (!path.starts_with('/') || !fs::is_directory(path, ignored)) return false;
  try {
    return !pictures_of_folder(path).empty();
  } catch (const core::Error&) {
    return false;
  }
}

// The pictures that a word of a sentence names, if it names any.
std::optional<std::vector<std::string>> pictures_of(const Word& word) {
  std::vector<std::string> paths = expanded(word);
  for (const std::string& path : paths)
    if (!(is_file(path) && (has_picture_name(path) || has_video_name(path))) && !is_dropped_clip(path))
      return std::nullopt;
  return paths;
}

}  // namespace

std::vector<std::string> path_words(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    if (is_blank(text[at])) {
      ++at;
      continue;
    }
    const Word word = read_word(text, at);
    at = word.end;
    for (std::string& path : expanded(word)) out.push_back(std::move(path));
  }
  return out;
}

Dropped take_paths(std::string_view text) {
  Dropped out;
  for (std::size_t at = 0; at < text.size();) {
    if (is_blank(text[at])) {
      out.text += text[at++];
      continue;
    }
    const bool asked = text[at] == '@' && at + 1 < text.size() && !is_blank(text[at + 1]);
    const Word word = read_name(text, at + (asked ? 1 : 0));
    std::optional<std::vector<std::string>> paths;
    // "@anna" in a sentence is no path; what looks like one is, even if it cannot be read.
    if (asked && (word.quoted || exists(resolved(word.text)) || word.text.find('/') != std::string::npos ||
                  has_picture_name(word.text) || has_video_name(word.text)))
      paths = expanded(word);
    else if (!asked)
      paths = pictures_of(word);
    if (paths) {
      out.paths.insert(out.paths.end(), paths->begin(), paths->end());
      // A blank leaves with it: the one behind, or before what ends the sentence.
      at = word.end;
      if (at < text.size() && text[at] == ' ')
        ++at;
      else if (at < text.size() && !is_blank(text[at]) && out.text.ends_with(' '))
        out.text.pop_back();
    } else {
      out.text += text.substr(at, word.end - at);
      at = word.end;
    }
  }
  const std::size_t begin = out.text.find_first_not_of(" \n\t");
  const std::size_t end = out.text.find_last_not_of(" \n\t");
  out.text = begin == std::string::npos ? "" : out.text.substr(begin, end - begin + 1);
  return out;
}

}  // namespace tarsier::chat
