// Tarsier's library in two nouns: a Model is what a file holds (immutable, shared), a Session is one timeline
// of tokens (it owns the KV cache). Make a Prompt from a conversation, then generate(). The library never
// prints; it reports through observers.
//
//   auto model = tarsier::Model::open("model.gguf");
//   tarsier::Session session(model);
//   tarsier::generate(session, model->prompt(tarsier::question("What is this?", {"cat.jpg"})), {}, print);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/conversation.h"
#include "src/input/prompt.h"
#include "src/input/tokenizer.h"
#include "src/model/config.h"
#include "src/run/control.h"
#include "src/run/generate.h"
#include "src/run/sampler.h"
#include "src/run/timeline.h"

namespace tarsier {

// A conversation of one user's turn: the pictures first, then the text.
Conversation question(std::string text, const std::vector<std::string>& image_paths = {},
                      std::string system = {});
// The same with pictures and clips in any order.
Conversation question_about(std::vector<ContentPart> media, std::string text, std::string system = {});

// What a file holds. Immutable: any number of sessions and threads may share one. The weights stay in the
// mapped file.
class Model {
 public:
  // path: a file made by convert, a pair's text model with its vision tower (mmproj), or a text model alone,
  // which refuses pictures. Throws Error listing every missing, extra or misshapen tensor and every
  // impossible number.
  // fetch: what is asked of the disk at once, so that reading overlaps with what comes before computing.
  static std::shared_ptr<const Model> open(const std::string& path, const std::string& mmproj = {},
                                           Fetch fetch = Fetch::text);
  ~Model();

  const std::string& path() const;
  const Config& config() const;
  const Tokenizer& tokenizer() const;

  // Loads the pictures, runs processor, template and tokenizer. Error: an unreadable picture, an impossible
  // conversation.
  Prompt prompt(const Conversation& conversation, const PromptOptions& options = {}) const;
  // text as it is, with one <|image_pad|> for each picture.
  Prompt raw_prompt(const std::string& text, const std::vector<std::string>& image_paths = {}) const;

  const LoadedModel& loaded() const { return *loaded_; }  // for the library's own rooms

 private:
  explicit Model(std::unique_ptr<const LoadedModel> loaded);
  std::unique_ptr<const LoadedModel> loaded_;
};

// One timeline. Not thread-safe.
class Session {
 public:
  explicit Session(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  const Model& model() const;
  int context() const;                  // capacity in tokens
  int length() const;                   // tokens in the cache
  const std::vector<int>& ids() const;  // of the tokens in the cache
  const SessionStats& stats() const;
  Timeline& timeline() { return *timeline_; }  // for the library's own rooms

  // Brings the timeline to exactly this prompt: keeps the longest common beginning (pictures compared by
  // content), reads the rest. Returns the logits of the last token [vocab_size], valid until the next call;
  // empty when cancelled (what was read is kept). Error: a prompt longer than the context.
  std::span<const float> sync(const Prompt& prompt, const RunControl& control = {});
  // Reads one more text token. Returns its logits. Error: the context is full.
  std::span<const float> append(int id, const RunControl& control = {});
  // Reads the prompt anew and hands out the logits of each row in order.
  bool read_all(const Prompt& prompt, const RowLogits& rows,
                const RunControl& control = {});  // false: cancelled
  // Begins to encode the media of a prompt to come, in a thread of the session's own. Every other function
  // waits for it where it needs one of them, with its progress, and else stops it; so does this one, for
  // other media. Nothing: stops.
  void encode_ahead(std::vector<Media> media);

 private:
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Timeline> timeline_;
};

// Bytes that a session will take beside the mapped file.
struct MemoryNeed {
  std::uint64_t weights, kv_cache, prompt_plan, decode_plan;
  std::uint64_t total() const { return weights + kv_cache + prompt_plan + decode_plan; }
};
MemoryNeed memory_need(const Model& model, const SessionOptions& options);
// The plan of n_tokens of text (n_patches == 0) or of the vision tower, one line an operation: name, shape,
// place in memory.
std::string plan_text(const Model& model, int n_tokens, int n_patches = 0);

// Answers the prompt; piece (may be empty) gets the text as it comes.
GenerateResult generate(Session& session, const Prompt& prompt, const GenerateOptions& options = {},
                        const PieceCallback& piece = {}, const RunControl& control = {});

}  // namespace tarsier
