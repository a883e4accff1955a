// Asks one question about one picture and prints the answer as it comes.
//   describe_image MODEL.gguf PICTURE [QUESTION]
#include <cstdio>

#include "src/engine.h"

namespace {

int describe(const char* model_path, const char* picture, const char* question) {
  const auto model = tarsier::Model::open(model_path);
  tarsier::Session session(model);
  const tarsier::Prompt prompt = model->prompt(tarsier::question(question, {picture}));
  const auto print = [](std::string_view piece) {
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  };
  tarsier::generate(session, prompt, {}, print);
  std::puts("");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: describe_image MODEL.gguf PICTURE [QUESTION]\n");
    return 2;
  }
  try {
    return describe(argv[1], argv[2], argc == 4 ? argv[3] : "Describe this image.");
  } catch (const core::Error& error) {
    std::fprintf(stderr, "describe_image: %s\n", error.what());
    return 1;
  }
}
