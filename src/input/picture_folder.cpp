#include "src/input/picture_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/hash.h"

namespace tarsier {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPictureEndings[] = {".png", ".jpg", ".jpeg", ".webp", ".gif",
                                                ".bmp", ".tif", ".tiff", ".ppm",  ".pgm",
                                                ".pnm", ".pbm", ".heic", ".heif", ".avif"};

constexpr std::string_view kVideoEndings[] = {".mp4",  ".m4v", ".mov",  ".mkv", ".webm", ".avi", ".mpg",
                                              ".mpeg", ".ts",  ".m2ts", ".wmv", ".flv",  ".3gp", ".ogv"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool ends_like(std::string_view path, std::span<const std::string_view> endings) {
  std::string name(path.substr(path.size() - std::min<std::size_t>(path.size(), 6)));
  std::transform(name.begin(), name.end(), name.begin(), lower);
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}
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

class PictureFrames final : public VideoFile {
 public:
  PictureFrames(std::vector<std::string> paths, std::optional<double> frame_rate, ImageLoader load)
      : paths_(std::move(paths)), load_(std::move(load)) {
    first_ = load_(paths_.at(0));
    info_.frames = static_cast<int>(paths_.size());
    info_.fps = frame_rate;
    info_.seconds = frame_rate ? info_.frames / *frame_rate : 0;
    info_.size = {first_.height, first_.width};
    info_.codec = "pictures";
    info_.hash = hash_of_files();
  }
  const VideoInfo& info() const override { return info_; }
  bool read(std::span<const int> indices, const VideoSink& sink, const std::atomic<bool>* stop,
            int /*threads*/) const override {
    for (const int i : indices) {
      if (stop != nullptr && stop->load()) return false;
      const std::string& path = paths_.at(static_cast<std::size_t>(i));
      Image image = i == 0 ? first_ : load_(path);
      core::require(image.height == info_.size.height && image.width == info_.size.width, path,
                    ": a frame of ", image.height, " x ", image.width, " after one of ", info_.size.height,
                    " x ", info_.size.width);
      if (!sink(std::move(image))) return false;
    }
    return true;
  }

 private:
  // Which files they are, not what is in them: nothing of a long clip is read before it is wanted.
  std::uint64_t hash_of_files() const {
    core::Hash hash;
    for (const std::string& path : paths_) {
      hash.add(std::string_view(path));
      struct stat file {};
      if (::stat(path.c_str(), &file) != 0) continue;
      hash.add(static_cast<std::uint64_t>(file.st_size));
      hash.add(static_cast<std::uint64_t>(file.st_ino));
      hash.add(static_cast<std::uint64_t>(file.st_mtim.tv_sec));
      hash.add(static_cast<std::uint64_t>(file.st_mtim.tv_nsec));
    }
    return hash.value();
  }

  std::vector<std::string> paths_;
  ImageLoader load_;
  Image first_;
  VideoInfo info_;
};

}  // namespace

bool has_picture_name(std::string_view path) { return ends_like(path, kPictureEndings); }
bool has_video_name(std::string_view path) { return ends_like(path, kVideoEndings); }

std::vector<std::string> pictures_of_folder(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && has_picture_name(entry.path().string()))
      names.push_back(entry.path().filename().string());
  core::require(names.size() >= 2, folder, ": found ", names.size(),
                " pictures in this folder, wanted at least 2 frames of a clip");
  std::sort(names.begin(), names.end(), numbers_first);
  for (std::string& name : names) name = (fs::path(folder) / name).string();
  return names;
}

std::shared_ptr<const VideoFile> pictures_as_video(std::vector<std::string> paths,
                                                   std::optional<double> frame_rate, ImageLoader load) {
  return std::make_shared<const PictureFrames>(std::move(paths), frame_rate, std::move(load));
}

}  // namespace tarsier
