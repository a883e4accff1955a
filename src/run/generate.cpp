#include "src/run/generate.h"

#include <algorithm>

#include "ggml-like-core/base/error.h"
#include "src/run/prompt_lookup.h"

namespace tarsier {
namespace {

// Collects the answer's text, holds back what may become a stop string, and hands on the rest.
class AnswerText {
 public:
  AnswerText(const std::vector<std::string>& stop, const PieceCallback& piece)
      : stop_(&stop), piece_(&piece) {}

  // True when a stop string was found: it and all behind it are dropped.
  bool push(std::string_view more) {
    text_ += more;
    for (const std::string& s : *stop_) {
      const std::size_t from = sent_ > s.size() ? sent_ - s.size() : 0;
      const std::size_t at = s.empty() ? std::string::npos : text_.find(s, from);
      if (at == std::string::npos) continue;
      text_.resize(at);
      send(text_.size());
      return true;
    }
    std::size_t held = 0;
    for (const std::string& s : *stop_)
      for (std::size_t n = std::min(s.empty() ? 0 : s.size() - 1, text_.size() - sent_); n > held; --n)
        if (text_.ends_with(std::string_view(s).substr(0, n))) held = n;
    send(text_.size() - held);
    return false;
  }
  std::string finish() {
    send(text_.size());
    return std::move(text_);
  }

 private:
  void send(std::size_t end) {
    if (end > sent_ && *piece_) (*piece_)(std::string_view(text_).substr(sent_, end - sent_));
    sent_ = std::max(sent_, end);
  }

  const std::vector<std::string>* stop_;
  const PieceCallback* piece_;
  std::string text_;
  std::size_t sent_ = 0;
};

}  // namespace

std::string_view name_of(FinishReason finish) {
  switch (finish) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  core::bug("unknown finish reason");
}

GenerateResult generate(Timeline& timeline, const LoadedModel& model, const Prompt& prompt,
                        const GenerateOptions& options, const PieceCallback& piece,
                        const RunControl& control) {
  core::require(options.max_tokens > 0, "max tokens: found ", options.max_tokens, ", wanted at least 1");
  const GenerationConfig& defaults = model.config.generation;
  Sampler sampler(options.sampling.value_or(SamplingOptions::defaults(defaults)), prompt.ids,
                  model.config.text.vocab_size);
  GenerateResult result;
  AnswerText text(options.stop, piece);
  Utf8Stream utf8;
  std::vector<float> scratch;
  const auto end_of_turn = [&](int id) {
    return std::find(defaults.eos_token_id.begin(), defaults.eos_token_id.end(), id) !=
           defaults.eos_token_id.end();
  };
  // In the timeline: all but the token taken last.
  const auto length = [&] { return static_cast<int>(prompt.ids.size() + result.ids.size()) - 1; };
  // Chooses the token that the logits are of. False: the answer ends with it.
  const auto take = [&](std::span<const float> logits) {
    scratch.assign(logits.begin(), logits.end());
    const int id = sampler.next(scratch, model.tokenizer.size());
    const TokenScore score = token_score(logits, id);
    result.ids.push_back(id);
    result.log_probs.push_back(score.log_prob);
    result.entropies.push_back(score.entropy);
    if (options.stop_at_end_of_turn && end_of_turn(id)) return false;
    if (!model.tokenizer.is_special(id) && text.push(utf8.push(model.tokenizer.token_bytes(id))))
      return false;
    if (options.enough && options.enough(id)) {
      result.finish = FinishReason::cancelled;
      return false;
    }
    if (static_cast<int>(result.ids.size()) == options.max_tokens || length() == timeline.context()) {
      result.finish = FinishReason::length;
      return false;
    }
    return true;
  };

  // Guesses are read together with the token before them. The rows of logits go through the sampler one by
  // one as long as the guess before was right, so the answer is the one without guesses.
  const bool guesses = options.speculate && timeline.exact_in_company() && control.forced_experts == nullptr;
  PromptLookup lookup(prompt.ids);
  std::vector<int> run;  // what was read at once: the token taken last, and guesses
  const auto vocab = static_cast<std::size_t>(model.config.text.vocab_size);
  std::span<const float> logits = timeline.sync(prompt, control);
  for (;;) {
    bool more = !logits.empty();
    if (!more) result.finish = FinishReason::cancelled;
    std::size_t row = 0;
    for (; more; ++row) {
      more = take(logits.subspan(row * vocab, vocab));
      lookup.push(result.ids.back());
      if (!more || row + 1 >= run.size() || run[row + 1] != result.ids.back()) break;
      if (control.cancel == nullptr || !control.cancel->load(std::memory_order_relaxed)) continue;
      result.finish = FinishReason::cancelled;
      more = false;
    }
    if (!result.ids.empty()) timeline.truncate(static_cast<std::size_t>(length()));
    if (!more) break;
    lookup.judge(static_cast<int>(row));
    run.assign(1, result.ids.back());
    if (guesses) {
      const int room = timeline.context() - length() - 1;
      const int wanted = options.max_tokens - static_cast<int>(result.ids.size()) - 1;
      const auto guess = lookup.guess(std::min(room, wanted));
      run.insert(run.end(), guess.begin(), guess.end());
    }
    logits = timeline.append(run, control);
  }
  text.push(utf8.flush());
  result.text = text.finish();
  return result;
}

}  // namespace tarsier
