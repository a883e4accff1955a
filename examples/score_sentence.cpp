// How surprising a sentence is for the model: minus the mean natural-log probability of its tokens, each
// given those before.
//   score_sentence MODEL.gguf "A sentence."
#include <cstdio>

#include "src/engine.h"

namespace {

int score(const char* model_path, const char* sentence) {
  const auto model = tarsier::Model::open(model_path);
  tarsier::Session session(model);
  const tarsier::Prompt prompt = model->raw_prompt(sentence);
  if (prompt.ids.size() < 2) core::fail("wanted a sentence of at least two tokens");
  double sum = 0;
  session.read_all(prompt, [&](int row, std::span<const float> logits) {
    const auto next = static_cast<std::size_t>(row) + 1;  // row predicts the token after it
    if (next < prompt.ids.size()) sum -= tarsier::token_score(logits, prompt.ids[next]).log_prob;
  });
  std::printf("%.4f nats a token over %zu tokens\n", sum / static_cast<double>(prompt.ids.size() - 1),
              prompt.ids.size() - 1);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: score_sentence MODEL.gguf SENTENCE\n");
    return 2;
  }
  try {
    return score(argv[1], argv[2]);
  } catch (const core::Error& error) {
    std::fprintf(stderr, "score_sentence: %s\n", error.what());
    return 1;
  }
}
