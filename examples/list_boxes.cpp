// Where things are in a picture: reads the answer's JSON, [{"bbox_2d": [x0, y0, x1, y1], "label": ...}, ...],
// whose numbers are thousandths of the picture's width and height.
//   list_boxes MODEL.gguf PICTURE [QUESTION]
#include <cstdio>
#include <nlohmann/json.hpp>

#include "src/engine.h"
#include "src/input/image.h"

namespace {

int list(const char* model_path, const char* picture, const char* question) {
  const auto model = tarsier::Model::open(model_path);
  tarsier::Session session(model);
  const tarsier::Image image = tarsier::load_image(picture);
  const auto answer = tarsier::generate(session, model->prompt(tarsier::question(question, {picture})));
  for (const auto& found : nlohmann::json::parse(answer.text)) {
    const auto& box = found.at("bbox_2d");
    std::printf("%s: %.0f,%.0f to %.0f,%.0f\n", found.at("label").get<std::string>().c_str(),
                box.at(0).get<double>() / 1000 * image.width, box.at(1).get<double>() / 1000 * image.height,
                box.at(2).get<double>() / 1000 * image.width, box.at(3).get<double>() / 1000 * image.height);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: list_boxes MODEL.gguf PICTURE [QUESTION]\n");
    return 2;
  }
  try {
    return list(argv[1], argv[2], argc == 4 ? argv[3] : "Locate every shape.");
  } catch (const core::Error& error) {
    std::fprintf(stderr, "list_boxes: %s\n", error.what());
  } catch (const nlohmann::json::exception&) {
    std::fprintf(stderr, "list_boxes: the answer is no list of boxes\n");
  }
  return 1;
}
