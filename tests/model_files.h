// The demo models as GGUF files of any type, converted when a test asks for them; and the fixtures' cases.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "src/engine.h"

namespace test {

// models/tiny-vl-dense or -moe with these types. Each test process makes its own file and removes it.
class ModelFile {
 public:
  explicit ModelFile(const std::string& model, const std::string& type = "f32",
                     const std::string& vision_type = "f32") {
    const auto folder = std::filesystem::path(TARSIER_BUILD) / "test-models";
    std::filesystem::create_directories(folder);
    path_ = (folder / (model + "-" + type + "-" + vision_type + "-" + std::to_string(::getpid()) + ".gguf"))
                .string();
    tarsier::convert({.source = std::string(TARSIER_SOURCE) + "/models/" + model,
                      .output = path_,
                      .type = type,
                      .vision_type = vision_type});
    model_ = tarsier::Model::open(path_);
  }
  ~ModelFile() { std::filesystem::remove(path_); }
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  const std::string& path() const { return path_; }
  const std::shared_ptr<const tarsier::Model>& model() const { return model_; }

 private:
  std::string path_;
  std::shared_ptr<const tarsier::Model> model_;
};

struct FixtureCase {
  std::string model;     // tiny-vl-dense
  std::string folder;    // with dump.safetensors and result.json
  std::string messages;  // messages.json
  bool outer_markers;
  std::string name() const { return folder.substr(folder.find(model)); }
};

// Every case of a model, both ways of writing a video.
inline std::vector<FixtureCase> fixture_cases(const std::string& model) {
  std::vector<FixtureCase> out;
  const auto root = std::filesystem::path(TARSIER_TEST_DATA) / model;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (!std::filesystem::exists(entry.path() / "messages.json")) continue;
    const std::string messages = (entry.path() / "messages.json").string();
    out.push_back({model, entry.path().string(), messages, true});
    const auto plain = entry.path() / "without_outer_markers";
    if (std::filesystem::exists(plain)) out.push_back({model, plain.string(), messages, false});
  }
  std::sort(out.begin(), out.end(),
            [](const FixtureCase& a, const FixtureCase& b) { return a.folder < b.folder; });
  return out;
}

inline tarsier::Prompt fixture_prompt(const tarsier::Model& model, const FixtureCase& c) {
  return model.prompt(tarsier::read_conversation(c.messages),
                      {.video_outer_markers = c.outer_markers, .special_tokens_in_text = true});
}

}  // namespace test
