// Reads every #include line of the program against the picture in README.md: nothing includes upwards or
// sideways, and every line of ours is a full path from the repository's root.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

// A folder and the folders whose headers its files may include, besides its own.
struct Room {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

// From the bottom of the picture to its top.
const std::vector<Room>& rooms() {
  static const std::vector<Room> kRooms = {
      {"ggml-like-core/base", {}},
      {"ggml-like-core/quant", {"ggml-like-core/base"}},
      {"ggml-like-core/gguf", {"ggml-like-core/quant", "ggml-like-core/base"}},
      {"ggml-like-core/kernels", {"ggml-like-core/quant", "ggml-like-core/base"}},
      {"ggml-like-core/graph", {"ggml-like-core/quant", "ggml-like-core/base"}},
      {"ggml-like-core/backend",
       {"ggml-like-core/graph", "ggml-like-core/kernels", "ggml-like-core/quant", "ggml-like-core/base"}},
      {"src/input", {"ggml-like-core/base"}},
      {"src/model",
       {"src/input", "ggml-like-core/graph", "ggml-like-core/gguf", "ggml-like-core/quant",
        "ggml-like-core/base"}},
      {"src/run", {"src/model", "src/input", "src/engine.h", "ggml-like-core"}},
      {"src", {"src/run", "src/model", "src/input", "ggml-like-core"}},
      {"convert",
       {"src/model", "src/input", "ggml-like-core/gguf", "ggml-like-core/kernels", "ggml-like-core/quant",
        "ggml-like-core/base"}},
      {"src/chat", {"src", "src/run", "src/model", "src/input", "ggml-like-core/base"}},
      {"src/terminal", {"src/input", "ggml-like-core/base"}},
      {"src/cli",
       {"src/chat", "src/terminal", "src", "src/run", "src/model", "src/input", "convert", "ggml-like-core"}},
      {"examples", {"src", "src/input", "ggml-like-core/base"}},
  };
  return kRooms;
}

bool lies_in(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

// The room with the longest folder that holds path; nullptr where there is none.
const Room* room_of(std::string_view path) {
  const Room* best = nullptr;
  for (const Room& room : rooms())
    if (lies_in(path, room.folder) && (best == nullptr || room.folder.size() > best->folder.size()))
      best = &room;
  return best;
}

// "" or what is wrong with the line '#include "target"' in file.
std::string complaint(std::string_view file, std::string_view target) {
  if (!fs::exists(fs::path(TARSIER_SOURCE) / target)) return "is no path from the repository's root";
  const Room* from = room_of(file);
  const Room* to = room_of(target);
  if (from == nullptr) return "";
  if (to == nullptr) return "lies in no room";
  if (to == from) return "";
  const bool allowed =
      std::any_of(from->may_include.begin(), from->may_include.end(), [&](std::string_view allowed_path) {
        return allowed_path == target || allowed_path == to->folder ||
               (allowed_path == "ggml-like-core" && lies_in(target, allowed_path));
      });
  return allowed ? "" : "goes upwards or sideways: " + std::string(from->folder) + " may not include it";
}

struct IncludeLine {
  std::string file;  // from the root
  int line;
  std::string target;
};

std::vector<IncludeLine> own_includes() {
  std::vector<IncludeLine> found;
  for (const char* top : {"ggml-like-core", "src", "convert", "examples"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(TARSIER_SOURCE) / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".inl" && extension != ".cu") continue;
      std::ifstream in(entry.path());
      std::string text;
      for (int line = 1; std::getline(in, text); ++line) {
        if (!text.starts_with("#include \"")) continue;
        const std::size_t begin = text.find('"') + 1;
        found.push_back({fs::relative(entry.path(), TARSIER_SOURCE).string(), line,
                         text.substr(begin, text.find('"', begin) - begin)});
      }
    }
  return found;
}

TEST(IncludeDirection, every_include_line_follows_the_picture) {
  const auto lines = own_includes();
  ASSERT_GT(lines.size(), 20U);  // the sources were really found
  for (const IncludeLine& include : lines)
    EXPECT_EQ(complaint(include.file, include.target), "")
        << include.file << ":" << include.line << ": #include \"" << include.target << "\"";
}

TEST(IncludeDirection, wrong_lines_are_noticed) {
  EXPECT_EQ(complaint("ggml-like-core/quant/reference.cpp", "ggml-like-core/base/error.h"), "");
  EXPECT_NE(complaint("ggml-like-core/base/buffer.cpp", "ggml-like-core/quant/dtype.h"), "");    // upwards
  EXPECT_NE(complaint("ggml-like-core/graph/plan.cpp", "ggml-like-core/kernels/select.h"), "");  // sideways
  EXPECT_NE(complaint("src/input/prompt.cpp", "src/model/config.h"), "");                        // upwards
  EXPECT_NE(complaint("ggml-like-core/base/buffer.cpp", "buffer.h"), "");  // no full path
  EXPECT_NE(complaint("examples/describe_image.cpp", "ggml-like-core/kernels/select.h"),
            "");  // past the boundary
  EXPECT_NE(complaint("src/input/prompt.cpp", "src/engine.h"), "");
  EXPECT_EQ(complaint("src/engine.cpp", "src/run/sampler.h"), "");
}

}  // namespace
