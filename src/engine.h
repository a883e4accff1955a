// Tarsier's library in two nouns: a Model is what a file holds (immutable, shared), a Session is one timeline of tokens (it owns the
// KV cache). Make a Prompt from a conversation, then generate(). The library never prints; it reports through observers.
//
//   auto model = tarsier::Model::open("model.gguf");
//   tarsier::Session session(model);
//   tarsier::generate(session, model->prompt(tarsier::question("What is this?", {"cat.jpg"})), {}, print);
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/observer.h"
#include "ggml-like-core/quant/dtype.h"
#include "src/input/conversation.h"
#include "src/input/prompt.h"
#include "src/input/tokenizer.h"
#include "src/model/config.h"
#include "src/run/sampler.h"

namespace tarsier {

// A conversation of one user's turn: the pictures first, then the text.
Conversation question(std::string text, const std::vector<std::string>& image_paths = {}, std::string system = {});

// What a file holds. Immutable: any number of sessions and threads may share one. The weights stay in the mapped file.
class Model {
 public:
  // Throws Error listing every missing, extra or misshapen tensor and every impossible number.
  static std::shared_ptr<const Model> open(const std::string& path, core::ProgressObserver* progress = nullptr);
  ~Model();

  const std::string& path() const;
  const Config& config() const;
  const Tokenizer& tokenizer() const;

  // Loads the pictures, runs processor, template and tokenizer. Error: an unreadable picture, an impossible conversation.
  Prompt prompt(const Conversation& conversation, const PromptOptions& options = {}) const;
  // text as it is, with one <|image_pad|> for each picture.
  Prompt raw_prompt(const std::string& text, const std::vector<std::string>& image_paths = {}) const;

  struct Parts;  // for the library's own rooms
  const Parts& parts() const { return *parts_; }

 private:
  explicit Model(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

struct SessionOptions {
  int context = 0;                      // tokens that fit; 0: what the model was made for, at most 8,192
  int threads = 0;                      // 0: all cores
  int chunk = 512;                      // tokens of a prompt read at once
  std::optional<core::DType> kv_type;   // f32, f16 or bf16; default f32 for a model stored in F32, else f16
  std::string isa;                      // kernel table; empty: TARSIER_ISA, or the best
};

// Every named value of a run: text.layer.0.out, vision.image.block.3, ... Names and shapes: tests/data/README.md.
class ValueObserver {
 public:
  virtual ~ValueObserver() = default;
  virtual bool wants(std::string_view name) const = 0;
  // bytes: f32 or i64, as dtype says ("F32", "I64"); only valid during the call.
  virtual void value(std::string_view name, std::string_view dtype, std::span<const std::int64_t> shape,
                     std::span<const std::byte> bytes) = 0;
};

// Who watches a step, and who may stop it. All may be null.
struct RunControl {
  core::ProgressObserver* progress = nullptr;  // steps "image" and "prompt"
  const std::atomic<bool>* cancel = nullptr;   // looked at between operations, also inside an image
  ValueObserver* values = nullptr;             // watching makes the prompt run in one chunk and without prefix reuse
  const std::vector<std::vector<std::int32_t>>* forced_experts = nullptr;  // [layer][token * top_k]: routing of another run
};

// What a session has spent since it was made. Seconds of wall time.
struct SessionStats {
  double image_seconds = 0, prompt_seconds = 0, decode_seconds = 0;
  int images = 0, prompt_tokens = 0, reused_tokens = 0, decoded_tokens = 0;
};

// One timeline. Not thread-safe.
class Session {
 public:
  explicit Session(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  const Model& model() const;
  int context() const;                     // capacity in tokens
  int length() const;                      // tokens in the cache
  const std::vector<int>& ids() const;     // of the tokens in the cache
  const SessionStats& stats() const;

  // Brings the timeline to exactly this prompt: keeps the longest common beginning (pictures compared by content), reads the rest.
  // Returns the logits of the last token [vocab_size], valid until the next call; empty when cancelled (what was read is kept).
  // Error: a prompt longer than the context.
  std::span<const float> sync(const Prompt& prompt, const RunControl& control = {});
  // Reads one more text token. Returns its logits. Error: the context is full.
  std::span<const float> append(int id, const RunControl& control = {});
  // Reads the prompt anew and hands out the logits of each row in order.
  using RowLogits = std::function<void(int row, std::span<const float> logits)>;
  bool read_all(const Prompt& prompt, const RowLogits& rows, const RunControl& control = {});  // false: cancelled

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// Bytes that a session will take beside the mapped file.
struct MemoryNeed {
  std::uint64_t weights, kv_cache, prompt_plan, decode_plan;
  std::uint64_t total() const { return weights + kv_cache + prompt_plan + decode_plan; }
};
MemoryNeed memory_need(const Model& model, const SessionOptions& options);
// The plan of n_tokens of text (n_patches == 0) or of the vision tower, one line an operation: name, shape, place in memory.
std::string plan_text(const Model& model, int n_tokens, int n_patches = 0);

struct GenerateOptions {
  std::optional<SamplingOptions> sampling;  // default: the checkpoint's
  int max_tokens = 1024;
  std::vector<std::string> stop;            // text that ends the answer; not part of it
  bool stop_at_end_of_turn = true;
};

enum class FinishReason { stop, length, cancelled };

struct GenerateResult {
  std::string text;           // whole UTF-8, without special tokens
  std::vector<int> ids;       // everything sampled, the end-of-turn id too
  std::vector<double> log_probs, entropies;  // of ids, temperature 1
  FinishReason finish = FinishReason::stop;
};

// Answers the prompt. piece gets whole UTF-8 pieces as they come (may be null); text that may become a stop string waits.
using PieceCallback = std::function<void(std::string_view piece)>;
GenerateResult generate(Session& session, const Prompt& prompt, const GenerateOptions& options = {}, const PieceCallback& piece = {},
                        const RunControl& control = {});

}  // namespace tarsier
