// tarsier trace: every named value of one run as a safetensors file, and what the model answers greedily, in
// the form of tests/data.
#include <fmt/core.h>
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/output_file.h"
#include "src/cli/commands.h"
#include "src/cli/common_flags.h"
#include "src/cli/safetensors_writer.h"
#include "src/cli/terminal.h"
#include "src/engine.h"

namespace tarsier::cli {
namespace {

struct TraceFlags {
  SessionFlags session;
  PromptFlags prompt_form;
  std::string messages, output, match = "*";
  int greedy = 48;
  int logits = RunControl{}.logits;
};

// Passes the values whose names match on to the file.
class TraceObserver : public ValueObserver {
 public:
  TraceObserver(SafetensorsWriter& writer, std::string match) : writer_(&writer), match_(std::move(match)) {}
  bool wants(std::string_view name) const override {
    return ::fnmatch(match_.c_str(), std::string(name).c_str(), 0) == 0;
  }
  void value(std::string_view name, std::string_view dtype, std::span<const std::int64_t> shape,
             std::span<const std::byte> bytes) override {
    writer_->add(name, dtype, shape, bytes);
  }

 private:
  SafetensorsWriter* writer_;
  std::string match_;
};

// The inputs: what the processor made of the conversation.
class InputValues {
 public:
  InputValues(TraceObserver& out, const Prompt& prompt) : out_(&out), prompt_(&prompt) {}

  void write() {
    const auto length = static_cast<std::int64_t>(prompt_->ids.size());
    integers("input_ids", {1, length}, {prompt_->ids.begin(), prompt_->ids.end()});
    integers("mm_token_type_ids", {1, length}, {prompt_->token_types.begin(), prompt_->token_types.end()});
    const Positions& p = prompt_->positions;
    std::vector<std::int64_t> positions;
    for (const auto& axis : {p.t, p.h, p.w}) positions.insert(positions.end(), axis.begin(), axis.end());
    integers("position_ids", {3, length}, positions);
    integers("rope_deltas", {1, 1}, {p.rope_delta});
    media("pixel_values", "image_grid_thw", prompt_->images);
    media("pixel_values_videos", "video_grid_thw", prompt_->videos);
  }

 private:
  void integers(const char* name, std::vector<std::int64_t> shape, const std::vector<std::int64_t>& values) {
    if (out_->wants(name)) out_->value(name, "I64", shape, std::as_bytes(std::span(values)));
  }
  void media(const char* pixels, const char* grid_name, const std::vector<Media>& all) {
    if (all.empty()) return;
    std::vector<std::int64_t> grids;
    for (const Media& media : all) {
      const Grid& grid = media.patches.grid;
      const std::int64_t rows = grid.patches();
      if (out_->wants(pixels)) {
        const Patches patches = whole_patches(media);
        const std::int64_t shape[] = {rows, static_cast<std::int64_t>(patches.values.size()) / rows};
        out_->value(pixels, "F32", shape, std::as_bytes(std::span(patches.values)));
      }
      grids.insert(grids.end(), {grid.t, grid.h, grid.w});
    }
    integers(grid_name, {static_cast<std::int64_t>(all.size()), 3}, grids);
  }

  TraceObserver* out_;
  const Prompt* prompt_;
};

struct Greedy {
  std::vector<int> ids;
  std::vector<double> log_probs, entropies;
};

// count tokens after logits, each the most likely one, past the end of turn.
bool take_greedily(Greedy& taken, Session& session, std::span<const float> logits, int count,
                   const RunControl& control) {
  for (int i = 0; i < count; ++i) {
    const auto best = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    const TokenScore score = token_score(logits, best);
    taken.ids.push_back(best);
    taken.log_probs.push_back(score.log_prob);
    taken.entropies.push_back(score.entropy);
    if (i + 1 == count) break;
    logits = session.append(best, control);
    if (logits.empty()) return false;
  }
  return true;
}

// The answer's text up to the end of the turn.
std::string answer_text(const Model& model, const std::vector<int>& ids) {
  const auto& ends = model.config().generation.eos_token_id;
  std::string text;
  for (const int id : ids) {
    if (std::find(ends.begin(), ends.end(), id) != ends.end()) break;
    if (!model.tokenizer().is_special(id)) text += model.tokenizer().token_bytes(id);
  }
  return text;
}

int trace(const TraceFlags& flags) {
  const std::atomic<bool>* cancel = cancel_on_interrupt();
  ProgressBar bar;
  const auto model = open_model(flags.session, Fetch::text);
  const Prompt prompt = make_prompt(model, read_conversation(flags.messages), flags.prompt_form,
                                    session_options(flags.session));
  SafetensorsWriter writer(flags.output);
  TraceObserver observer(writer, flags.match);
  InputValues(observer, prompt).write();

  Session session(model,
                  session_options(flags.session, prompt.ids.size() + static_cast<std::size_t>(flags.greedy)));
  const auto logits =
      session.sync(prompt, {.progress = &bar, .cancel = cancel, .values = &observer, .logits = flags.logits});
  Greedy taken;
  if (logits.empty() || !take_greedily(taken, session, logits, flags.greedy, {.cancel = cancel}))
    return kInterrupted;
  const nlohmann::json result = {{"greedy_ids", taken.ids},
                                 {"log_probs", taken.log_probs},
                                 {"entropies", taken.entropies},
                                 {"answer", answer_text(*model, taken.ids)},
                                 {"prompt_length", prompt.ids.size()},
                                 {"rope_delta", prompt.positions.rope_delta}};
  const std::string text = result.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  core::OutputFile json(flags.output + ".json", text.size());
  json.append(std::as_bytes(std::span(text)));
  writer.finish();
  json.commit();
  note(fmt::format("{}: {} values", flags.output, writer.tensors()));
  return kOk;
}

}  // namespace

void add_trace_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "trace", "Writes the named values of one run, for comparing with another implementation");
  const auto flags = std::make_shared<TraceFlags>();
  add_model_flag(*command, flags->session);
  add_messages_flag(*command, flags->messages)->required();
  command
      ->add_option("-o,--output", flags->output,
                   "The safetensors file; FILE.json beside it gets the greedy answer")
      ->required()
      ->type_name("FILE");
  command->add_option("--match", flags->match, "Only values whose names match, such as 'text.layer.*.out'")
      ->capture_default_str()
      ->type_name("GLOB");
  command->add_option("--greedy", flags->greedy, "Tokens to take greedily, past the end of the turn")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--logits", flags->logits, "Last tokens of the prompt whose logits are written")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->type_name("N");
  add_prompt_flags(*command, flags->prompt_form);
  add_session_flags(*command, flags->session);
  command->footer(
      "Examples:\n"
      "  tarsier trace -m model.gguf --messages conversation.json -o dump.safetensors\n"
      "  tarsier trace -m model.gguf --messages conversation.json -o dump.safetensors --match 'vision.*' "
      "--greedy 0\n"
      "\nNames and shapes: the table in tests/data/README.md.");
  command->callback([flags, &action] { action = [flags] { return trace(*flags); }; });
}

}  // namespace tarsier::cli
