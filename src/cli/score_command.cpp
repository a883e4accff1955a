// tarsier score: how likely the model finds the words of a conversation.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/cli/commands.h"
#include "src/cli/common_flags.h"
#include "src/cli/terminal.h"
#include "src/engine.h"

namespace tarsier::cli {
namespace {

struct ScoreFlags {
  SessionFlags session;
  PromptFlags prompt_form;
  std::string messages;
  bool all = false;
  bool json = false;
};

struct ScoredToken {
  int id;
  TokenScore score;
};

int score(const ScoreFlags& flags) {
  const std::atomic<bool>* cancel = cancel_on_interrupt();
  ProgressBar bar;
  const auto model = open_model(flags.session, Fetch::text);
  Conversation conversation = read_conversation(flags.messages);
  conversation.add_generation_prompt = false;
  const Prompt prompt = make_prompt(model, conversation, flags.prompt_form, session_options(flags.session));
  const auto wanted = [&](std::size_t i) {
    return prompt.token_types[i] == 0 && (flags.all || prompt.answer[i] != 0);
  };
  std::vector<ScoredToken> scored;
  Session session(model, session_options(flags.session, prompt.ids.size()));
  // Row i predicts token i + 1.
  const auto row = [&](int at, std::span<const float> logits) {
    const auto next = static_cast<std::size_t>(at) + 1;
    if (next < prompt.ids.size() && wanted(next))
      scored.push_back({prompt.ids[next], token_score(logits, prompt.ids[next])});
  };
  if (!session.read_all(prompt, row, {.progress = &bar, .cancel = cancel})) return kInterrupted;
  core::require(!scored.empty(), flags.messages,
                ": there is no turn of the assistant to score (--all scores every token)");

  double sum = 0;
  for (const ScoredToken& token : scored) sum -= token.score.log_prob;
  const double nll = sum / static_cast<double>(scored.size());
  const auto text = [&](int id) { return model->tokenizer().token_bytes(id); };
  if (flags.json) {
    nlohmann::json tokens = nlohmann::json::array();
    for (const ScoredToken& t : scored)
      tokens.push_back(
          {{"id", t.id}, {"text", text(t.id)}, {"log_prob", t.score.log_prob}, {"entropy", t.score.entropy}});
    const nlohmann::json out = {{"tokens", tokens}, {"nll", nll}, {"perplexity", std::exp(nll)}};
    print(out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return kOk;
  }
  std::string table = fmt::format("{:>8}  {:>10}  {:>8}  text\n", "id", "log prob", "entropy");
  for (const ScoredToken& t : scored)
    table += fmt::format(
        "{:>8}  {:>10.4f}  {:>8.4f}  {}\n", t.id, t.score.log_prob, t.score.entropy,
        nlohmann::json(text(t.id)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  print(table + fmt::format("{} tokens, {:.4f} nats a token, perplexity {:.3f}\n", scored.size(), nll,
                            std::exp(nll)));
  return kOk;
}

}  // namespace

void add_score_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "score", "Log-probability and entropy (nats) of every token of the assistant's turns");
  const auto flags = std::make_shared<ScoreFlags>();
  add_model_flag(*command, flags->session);
  add_messages_flag(*command, flags->messages)->required();
  command->add_flag("--all", flags->all, "Score every token that is no picture, not only the assistant's");
  command->add_flag("--json", flags->json, "Print one JSON object: tokens, nll, perplexity");
  add_prompt_flags(*command, flags->prompt_form);
  add_session_flags(*command, flags->session);
  command->footer(
      "Examples:\n"
      "  tarsier score -m model.gguf --messages conversation.json\n"
      "  tarsier score -m model.gguf --messages text.json --all --json\n"
      "\nnll is the mean negative log-probability, perplexity its exponential. The first token has no "
      "prediction.");
  command->callback([flags, &action] { action = [flags] { return score(*flags); }; });
}

}  // namespace tarsier::cli
