// The loop from a prompt to an answer.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/run/control.h"
#include "src/run/sampler.h"
#include "src/run/timeline.h"

namespace tarsier {

struct GenerateOptions {
  std::optional<SamplingOptions> sampling;  // default: the checkpoint's
  int max_tokens = 1024;
  std::vector<std::string> stop;  // text that ends the answer; not part of it
  bool stop_at_end_of_turn = true;
  // Sees every token as it is taken; true ends the answer behind it, as cancelled.
  std::function<bool(int id)> enough;
  // Tokens that prompt and answer suggest are read together with the one before them: less time where text
  // repeats, the same answer (run/prompt_lookup.h).
  bool speculate = true;
};

enum class FinishReason { stop, length, cancelled };
std::string_view name_of(FinishReason finish);  // "stop", ...

struct GenerateResult {
  std::string text;                          // whole UTF-8, without special tokens
  std::vector<int> ids;                      // everything sampled, the end-of-turn id too
  std::vector<double> log_probs, entropies;  // of ids, temperature 1, nats
  FinishReason finish = FinishReason::stop;
};

// Whole UTF-8 pieces of the answer as they come; text that may become a stop string waits.
using PieceCallback = std::function<void(std::string_view piece)>;

GenerateResult generate(Timeline& timeline, const LoadedModel& model, const Prompt& prompt,
                        const GenerateOptions& options, const PieceCallback& piece,
                        const RunControl& control);

}  // namespace tarsier
