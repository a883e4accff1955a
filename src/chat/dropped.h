// Paths inside what a person typed, pasted or dropped on the window.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tarsier::chat {

// The words of a command's arguments: quotes and backslashes as in a shell; ~, file:// and globs become
// paths. A glob that matches nothing stays as it is.
std::vector<std::string> path_words(std::string_view text);

struct Dropped {
  std::vector<std::string> paths;  // pictures, videos and folders, in order
  std::string text;                // the rest
};
// Takes out of text: @path (whatever it names), every path of an existing picture or video that is written as
// terminals drop it (absolute, ~, file://, quoted, ./) or that ends like one's, and absolute paths of folders
// that are clips. The rest keeps its form.
Dropped take_paths(std::string_view text);

}  // namespace tarsier::chat
