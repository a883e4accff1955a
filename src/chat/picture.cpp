#include "src/chat/picture.h"

#include <glib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "ggml-like-core/base/error.h"
#include "src/input/picture_folder.h"
#include "src/input/picture_source.h"

namespace tarsier::chat {
namespace {

namespace fs = std::filesystem;

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

Attachment attach_folder(const std::string& path, double fps, const ImageOptions& image) {
  const fs::path folder(path);
  Attachment out{.name = (folder.has_filename() ? folder : folder.parent_path()).filename().string() + "/",
                 .clip = true,
                 .fps = fps};
  for (const std::string& picture : pictures_of_folder(path))
    out.pictures.push_back(make_picture(fs::path(picture).filename().string(), read_bytes(picture), image));
  return out;
}

Attachment attach_video(const std::string& path, const ClipOptions& options) {
  const auto file = open_clip(path, kFolderFrameRate);
  const std::string name = fs::path(path).filename().string();
  Image first;
  const int index[] = {0};
  file->read(
      index,
      [&](Image image) {
        first = std::move(image);
        return true;
      },
      nullptr);
  AttachedVideo video{
      .path = fs::absolute(path).string(), .hash = file->info().hash, .options = options, .file = file};
  return {.name = name, .pictures = {make_picture(name, encode_png(first))}, .video = std::move(video)};
}

}  // namespace

std::string sha256(std::string_view bytes) {
  gchar* text = g_compute_checksum_for_data(G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(bytes.data()),
                                            bytes.size());
  std::string out(text);
  g_free(text);
  return out;
}

Picture make_picture(std::string name, Bytes bytes, const ImageOptions& options) {
  const DecodedImage decoded = decode_with_facts(bytes, name, options);
  Picture out{.name = std::move(name),
              .width = decoded.image.width,
              .height = decoded.image.height,
              .options = options,
              .treatment = treatment(decoded.facts, options)};
  out.sha256 = sha256({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  out.bytes = std::make_shared<const Bytes>(std::move(bytes));
  return out;
}

Attachment attach_file(const std::string& path, const ClipOptions& options, const ImageOptions& image) {
  if (!is_file_path(path)) {
    const PictureBytes read = read_picture(path);
    const std::string name = source_name(path);
    return {.name = name,
            .pictures = {make_picture(name, Bytes(read.bytes().begin(), read.bytes().end()), image)}};
  }
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return attach_folder(path, options.frame_rate.value_or(options.fps.value_or(kFolderFrameRate)), image);
  if (has_video_name(path) || !(options == ClipOptions{})) return attach_video(path, options);
  const std::string name = fs::path(path).filename().string();
  return {.name = name, .pictures = {make_picture(name, read_bytes(path), image)}};
}

void reopen(AttachedVideo& video) {
  try {
    video.file = open_clip(video.path, kFolderFrameRate);
    if (video.file->info().hash != video.hash) video.file = nullptr;
  } catch (const core::Error&) {
    video.file = nullptr;
  }
}

Image pixels_of(const Picture& picture) {
  return decode_image(*picture.bytes, picture.name, picture.options);
}

}  // namespace tarsier::chat
