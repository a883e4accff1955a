// One timeline of tokens: what is in the cache, and how more gets there. The guts of Session.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ggml-like-core/quant/dtype.h"
#include "src/input/prompt.h"
#include "src/model/loaded_model.h"
#include "src/model/rope.h"
#include "src/model/text.h"
#include "src/run/control.h"
#include "src/run/encode_ahead.h"
#include "src/run/kv_cache.h"
#include "src/run/media_encoder.h"
#include "src/run/runner.h"

namespace tarsier {

struct SessionOptions {
  // Tokens that fit. 0: 8,192 or `expected` if that is more, within what the model was made for.
  int context = 0;
  int expected = 0;  // tokens of the prompt and the answer to come
  int threads = 0;   // 0: all cores
  int chunk = 0;     // tokens of a prompt read at once; 0: 512, 2048 with experts
  // f32, f16 or bf16 (the same 16 bits: quant/kv_block.h), q8_0, q4_0. Default: f32 for a model stored in
  // F32, else f16, and q8_0 where the context is over 8,192 tokens.
  std::optional<core::DType> kv_type;
  std::string isa;         // kernel table; empty: TARSIER_ISA, or the best
  std::string row_folder;  // where rows of pictures are kept for other sessions; empty: nowhere
  std::uint64_t row_bytes = 2'000'000'000;  // of the folder at most
  bool blas = false;  // float products by OpenBLAS: an independent check; bits then depend on chunks
};

// What a session has spent since it was made. Seconds of wall time.
struct SessionStats {
  double image_seconds = 0, prompt_seconds = 0, decode_seconds = 0;
  double encoding_seconds = 0;  // of the images, also while nobody waited; image_seconds: waited for
  int images = 0, clips = 0;    // of prompts, once each; ahead of its prompt or not
  int images_from_disk = 0;     // images and clips, not encoded either
  int prompt_tokens = 0, reused_tokens = 0, decoded_tokens = 0;
  int shifted_tokens = 0;  // by Timeline::shift; they are reused
  int proposed_tokens = 0,
      accepted_tokens = 0;  // guesses read with a decoded token; right ones, decoded, too
};

// The logits of one row of a prompt.
using RowLogits = std::function<void(int row, std::span<const float> logits)>;

// Not thread-safe. See Session for what the functions promise.
class Timeline {
 public:
  Timeline(const LoadedModel& model, const SessionOptions& options);

  int context() const { return cache_.capacity(); }
  const std::vector<int>& ids() const { return ids_; }
  const SessionStats& stats() const { return stats_; }

  std::span<const float> sync(const Prompt& prompt, const RunControl& control);
  // Where the prompt is what is in the cache with a part cut out, as when turns leave a full context: keeps
  // what is behind the cut, its keys rotated to their new positions, so that sync reads only what comes
  // behind that. What is kept was computed while the part was there: nearly what reading it again gives, not
  // the same bits. Returns how many tokens behind the cut are kept; 0, and nothing changes, where the prompt
  // is not such a one.
  int shift(const Prompt& prompt);
  // Takes back what shift kept, and all behind it: sync reads that again.
  void forget_shifted();
  const KvCache& cache() const { return cache_; }
  const core::KernelTable& table() const { return runner_.table(); }

  // Reads text tokens behind those in the cache. Returns their logits [ids.size() * vocab_size], as if each
  // were read alone.
  std::span<const float> append(std::span<const int> ids, const RunControl& control);
  // Takes back tokens of the latest append, so that length are left.
  void truncate(std::size_t length);
  // Whether the bits of a token's logits are the same in whatever company it is read.
  bool exact_in_company() const { return !options_.blas; }
  bool read_all(const Prompt& prompt, const RowLogits& rows, const RunControl& control);
  EncodeAhead& ahead() { return ahead_; }

  // The tokens that were read and their keys and values, into a file; its bytes. Error: it cannot be written.
  std::uint64_t save(const std::string& path) const;
  // As it was when it was saved. Error: another model, type or version, too many tokens, damage; the timeline
  // is as before then.
  void restore(const std::string& path);

  // Options with their defaults filled in.
  static SessionOptions resolve(const LoadedModel& model, SessionOptions options);

 private:
  // What makes a token of the cache the same as one of a prompt.
  struct Key {
    int id = 0;
    int row = -1;             // of a picture's rows; -1: text
    std::uint64_t media = 0;  // content hash of the picture
    bool operator==(const Key&) const = default;
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Source {   // where a token's embedding comes from
    int item = -1;  // of media_; -1: the table
    int row = 0;
  };

  static Place place_of(const Prompt& prompt, std::size_t token) {
    return {prompt.positions.t[token], prompt.positions.h[token], prompt.positions.w[token]};
  }
  // Sources and keys of the prompt's tokens. media_ takes one place for each picture and clip.
  void lay_out(const Prompt& prompt, std::vector<Source>& sources, std::vector<Key>& keys);
  // Encodes the media of the tokens [from, n) into media_; false when cancelled.
  bool encode_media(const Prompt& prompt, std::span<const Source> sources, std::size_t from,
                    const RunControl& control);
  // From the thread that encodes ahead: waits where it has what is needed of the prompt, else stops it.
  bool take_back_encoder(const Prompt& prompt, std::span<const std::uint8_t> needed,
                         const RunControl& control);
  // Reads the prompt's tokens [begin, end) behind those in the cache.
  bool read(const Prompt& prompt, std::span<const Source> sources, std::span<const Key> keys,
            std::size_t begin, std::size_t end, int n_logits, const RunControl& control,
            const std::function<void(double)>& progress);
  const TextPlan& plan(const TextPlanOptions& options);
  std::span<const float> logits(int row, int n_rows = 1) const;

  const LoadedModel* model_;
  SessionOptions options_;
  Runner runner_;
  MediaEncoder encoder_;
  EncodeAhead ahead_;
  KvCache cache_;
  TextRope rope_;
  std::vector<int> ids_;
  std::vector<Key> keys_;             // of ids_
  std::vector<Place> places_;         // of ids_
  std::size_t shifted_from_ = kNone;  // the first token that shift kept
  int next_position_ = 0;             // of the next text token
  SessionStats stats_;

  std::vector<std::shared_ptr<const MediaRows>> media_;  // of the prompt being read, images then videos
  std::vector<std::unique_ptr<TextPlan>> plans_;
  const TextPlan* last_plan_ = nullptr;  // whose logits are in the runner's memory
  struct Decode {                        // what append needs, so that nothing is allocated for one more token
    std::vector<std::int32_t> ids, rows;
    std::vector<float> cos, sin;
    core::Bindings bindings;
  } decode_;
};

}  // namespace tarsier
