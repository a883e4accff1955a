#include "src/engine.h"

#include <utility>

#include "ggml-like-core/base/error.h"
#include "src/model/loaded_model.h"
#include "src/model/text.h"
#include "src/model/vision.h"
#include "src/run/runner.h"

namespace tarsier {

Model::Model(std::unique_ptr<const LoadedModel> loaded) : loaded_(std::move(loaded)) {}
Model::~Model() = default;

std::shared_ptr<const Model> Model::open(const std::string& path, const std::string& mmproj, Fetch fetch) {
  return std::shared_ptr<const Model>(new Model(std::make_unique<const LoadedModel>(path, mmproj, fetch)));
}

const std::string& Model::path() const { return loaded_->files.path(); }
const Config& Model::config() const { return loaded_->config; }
const Tokenizer& Model::tokenizer() const { return loaded_->tokenizer; }

Prompt Model::prompt(const Conversation& conversation, const PromptOptions& options) const {
  return build_prompt(loaded_->prompt_context(), conversation, options);
}

Prompt Model::raw_prompt(const std::string& text, const std::vector<std::string>& image_paths) const {
  return build_raw_prompt(loaded_->prompt_context(), text, image_paths);
}

Conversation question(std::string text, const std::vector<std::string>& image_paths, std::string system) {
  std::vector<ContentPart> media;
  media.reserve(image_paths.size());
  for (const std::string& path : image_paths)
    media.push_back({.kind = ContentPart::Kind::image, .image = path});
  return question_about(std::move(media), std::move(text), std::move(system));
}

Conversation question_about(std::vector<ContentPart> media, std::string text, std::string system) {
  Conversation out;
  if (!system.empty())
    out.messages.push_back(
        {.role = "system", .content = {{.kind = ContentPart::Kind::text, .text = std::move(system)}}});
  Message& user = out.messages.emplace_back(Message{.role = "user", .content = std::move(media)});
  user.content.push_back({.kind = ContentPart::Kind::text, .text = std::move(text)});
  return out;
}

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : model_(std::move(model)), timeline_(std::make_unique<Timeline>(model_->loaded(), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return *model_; }
int Session::context() const { return timeline_->context(); }
int Session::length() const { return static_cast<int>(timeline_->ids().size()); }
const std::vector<int>& Session::ids() const { return timeline_->ids(); }
const SessionStats& Session::stats() const { return timeline_->stats(); }

std::span<const float> Session::sync(const Prompt& prompt, const RunControl& control) {
  return timeline_->sync(prompt, control);
}
std::span<const float> Session::append(int id, const RunControl& control) {
  return timeline_->append({&id, 1}, control);
}
bool Session::read_all(const Prompt& prompt, const RowLogits& rows, const RunControl& control) {
  return timeline_->read_all(prompt, rows, control);
}

void Session::encode_ahead(std::vector<Media> media) { timeline_->ahead().start(std::move(media)); }

GenerateResult generate(Session& session, const Prompt& prompt, const GenerateOptions& options,
                        const PieceCallback& piece, const RunControl& control) {
  return generate(session.timeline(), session.model().loaded(), prompt, options, piece, control);
}

MemoryNeed memory_need(const Model& model, const SessionOptions& options) {
  const LoadedModel& loaded = model.loaded();
  const SessionOptions o = Timeline::resolve(loaded, options);
  const Runner runner(o.threads, o.isa, o.blas);
  const TextPlan prompt =
      make_text_plan(loaded.config, loaded.weights,
                     {.n_tokens = o.chunk, .n_logits = 1, .media = loaded.config.vision.present});
  const TextPlan decode = make_text_plan(loaded.config, loaded.weights, {.n_tokens = 1, .n_logits = 1});
  return {.weights = loaded.weights.bytes(),
          .kv_cache = KvCache::bytes(loaded.config.text, o.context, *o.kv_type),
          .prompt_plan = runner.bytes(prompt.plan),
          .decode_plan = runner.bytes(decode.plan)};
}

std::string plan_text(const Model& model, int n_tokens, int n_patches) {
  const LoadedModel& loaded = model.loaded();
  core::require(n_patches == 0 || loaded.config.vision.present,
                "a model that reads text only has no plan for ", n_patches, " patches");
  if (n_patches > 0)
    return core::to_text(make_vision_plan(loaded.config.vision, loaded.weights, n_patches, 1).plan);
  return core::to_text(
      make_text_plan(loaded.config, loaded.weights, {.n_tokens = n_tokens, .n_logits = 1}).plan);
}

}  // namespace tarsier
