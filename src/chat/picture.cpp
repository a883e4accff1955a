#include "src/chat/picture.h"

#include <glib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "ggml-like-core/base/error.h"

namespace tarsier::chat {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPictureEndings[] = {".png", ".jpg", ".jpeg", ".webp", ".gif",
                                                ".bmp", ".ppm", ".pgm",  ".pnm",  ".pbm"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "frame9" before "frame10".
bool numbers_first(const std::string& a, const std::string& b) {
  std::size_t i = 0;
  std::size_t j = 0;
  const auto number = [](const std::string& s, std::size_t& at) {
    const std::size_t first = std::min(s.find_first_not_of('0', at), s.size());
    std::size_t end = at;
    while (end < s.size() && is_digit(s[end])) ++end;
    at = end;
    return s.substr(std::min(first, end), end - std::min(first, end));
  };
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::string x = number(a, i);
      const std::string y = number(b, j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

Bytes read_bytes(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  core::require(in.good(), path, ": ", std::string_view(std::strerror(errno != 0 ? errno : EIO)));
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  core::require(!in.bad(), path, ": cannot be read");
  Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

Attachment attach_folder(const std::string& path, double fps) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_regular_file() && has_picture_name(entry.path().string()))
      names.push_back(entry.path().filename().string());
  core::require(names.size() >= 2, path, ": found ", names.size(),
                " pictures in this folder, wanted at least 2 frames of a clip");
  std::sort(names.begin(), names.end(), numbers_first);
  const fs::path folder(path);
  Attachment out{.name = (folder.has_filename() ? folder : folder.parent_path()).filename().string() + "/",
                 .clip = true,
                 .fps = fps};
  for (const std::string& name : names)
    out.pictures.push_back(make_picture(name, read_bytes((folder / name).string())));
  return out;
}

}  // namespace

std::string sha256(std::string_view bytes) {
  gchar* text = g_compute_checksum_for_data(G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(bytes.data()),
                                            bytes.size());
  std::string out(text);
  g_free(text);
  return out;
}

bool has_picture_name(std::string_view path) {
  std::string name(path.substr(path.size() - std::min<std::size_t>(path.size(), 6)));
  std::transform(name.begin(), name.end(), name.begin(), lower);
  return std::any_of(std::begin(kPictureEndings), std::end(kPictureEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

Picture make_picture(std::string name, Bytes bytes) {
  const Image image = decode_image(bytes, name);
  Picture out{.name = std::move(name), .width = image.width, .height = image.height};
  out.sha256 = sha256({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  out.bytes = std::make_shared<const Bytes>(std::move(bytes));
  return out;
}

Attachment attach_file(const std::string& path, double fps) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return attach_folder(path, fps);
  const std::string name = fs::path(path).filename().string();
  return {.name = name, .pictures = {make_picture(name, read_bytes(path))}};
}

Image pixels_of(const Picture& picture) { return decode_image(*picture.bytes, picture.name); }

}  // namespace tarsier::chat
