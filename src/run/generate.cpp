#include "src/run/generate.h"

#include <algorithm>

#include "ggml-like-core/base/error.h"

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

  std::span<const float> logits = timeline.sync(prompt, control);
  for (bool stopped = false; !stopped;) {
    if (logits.empty()) {
      result.finish = FinishReason::cancelled;
      break;
    }
    scratch.assign(logits.begin(), logits.end());
    const int id = sampler.next(scratch, model.tokenizer.size());
    const TokenScore score = token_score(logits, id);
    result.ids.push_back(id);
    result.log_probs.push_back(score.log_prob);
    result.entropies.push_back(score.entropy);
    if (options.stop_at_end_of_turn && end_of_turn(id)) break;
    if (!model.tokenizer.is_special(id)) stopped = text.push(utf8.push(model.tokenizer.token_bytes(id)));
    if (stopped) break;
    if (options.enough && options.enough(id)) {
      result.finish = FinishReason::cancelled;
      break;
    }
    if (static_cast<int>(result.ids.size()) == options.max_tokens ||
        static_cast<int>(timeline.ids().size()) == timeline.context()) {
      result.finish = FinishReason::length;
      break;
    }
    logits = timeline.append(id, control);
  }
  text.push(utf8.flush());
  result.text = text.finish();
  return result;
}

}  // namespace tarsier
