#include "convert/pair.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <utility>

#include "convert/output.h"
#include "convert/policy.h"
#include "convert/stored_model.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/formats.h"
#include "src/input/pretokenizer.h"
#include "src/model/config_file.h"

namespace tarsier {
namespace {

using Problems = std::vector<std::string>;
using GgufNumbers = std::vector<std::int64_t>;

constexpr const char* kTokenTypes = "tokenizer.ggml.token_type";

// Visitor: the keys that files lack, with what holds then.
struct AssumedFields {
  const ModelFiles& files;
  std::string list;

  template <class T>
  void operator()(std::string_view key, std::string_view /*source*/, const T& field) {
    if (!is_vision_key(key) || files.holder(key).has(key)) return;
    list += (list.empty() ? "" : ", ") + std::string(key) + " = ";
    if constexpr (std::is_same_v<T, std::vector<int>>)
      list += core::to_text(std::vector<std::int64_t>(field.begin(), field.end()));
    else if constexpr (std::is_same_v<T, bool>)
      list += field ? "true" : "false";
    else
      list += core::to_text(field);
  }
  template <class T>
  void operator()(std::string_view key, std::string_view source, bool /*is_video*/, const T& field) {
    (*this)(key, source, field);
  }
};

// Keys that stand only in a file of their own kind.
bool is_about_the_file(std::string_view key) {
  return key == "general.alignment" || key == "general.architecture" || key == "general.type" ||
         key.starts_with("split.");
}

// What llama.cpp would read out of the pair otherwise than it stands here.
Problems not_in_a_pair(const Config& c, const TokenizerData& tokenizer) {
  Problems out;
  const auto unless = [&](bool ok, std::string text) {
    if (!ok) out.push_back(std::move(text));
  };
  unless(c.vision.present, "it holds no vision tower: it is a text model's file already");
  const auto count = [](std::int64_t n) { return core::to_text(n); };
  unless(c.text.dense_layers.empty(), count(static_cast<std::int64_t>(c.text.dense_layers.size())) +
                                          " layers of its " + count(c.text.num_hidden_layers) +
                                          " have no experts; wanted experts in all or none");
  const auto& section = c.text.mrope_section;
  unless(std::accumulate(section.begin(), section.end(), 0) * 2 == c.text.head_dim,
         "mrope_section adds up to " + count(std::accumulate(section.begin(), section.end(), 0)) +
             ", wanted half of head_dim, " + count(c.text.head_dim / 2));
  unless(tokenizer.sentencepiece.empty(), "the tokenizer is a SentencePiece model, wanted byte-level BPE");
  unless(tokenizer.pattern.empty() || tokenizer.pattern == kQwen2Pattern,
         "the tokenizer splits words by " + tokenizer.pattern + ", wanted Qwen2's pattern");
  unless(!tokenizer.ignore_merges, "the tokenizer takes whole words before it merges (ignore_merges)");
  if (!c.vision.present) return out;
  unless(c.vision.temporal_patch_size == 2,
         "temporal_patch_size is " + count(c.vision.temporal_patch_size) + ", wanted 2");
  unless(c.vision.spatial_merge_size == 2,
         "spatial_merge_size is " + count(c.vision.spatial_merge_size) + ", wanted 2");
  const int side = c.vision.position_side();
  unless(side * side == c.vision.num_position_embeddings,
         "num_position_embeddings is " + count(c.vision.num_position_embeddings) + ", wanted a square");
  unless(c.vision.layer_norm_eps == VisionConfig{}.layer_norm_eps,
         "the vision tower's epsilon is " + core::to_text(static_cast<double>(c.vision.layer_norm_eps)) +
             ", wanted 1e-06");
  return out;
}

// As llama.cpp numbers types: that of the vision tower's matrices. 0 (all F32) where there is no such preset.
std::uint32_t vision_file_type(const ModelFiles& files) {
  const core::GgufTensor* matrix = files.vision().find_tensor("v.blk.0.attn_qkv.weight");
  for (const TypePreset& preset : type_presets())
    if (matrix != nullptr && preset.base == core::info(matrix->dtype).row) return preset.file_type;
  return 0;
}

// tokenizer.ggml.token_type as llama.cpp's converter writes it: an added token that looks special is one.
// Which are not, tarsier.tokenizer.added_flags knows.
GgufNumbers pair_token_types(const core::GgufReader& file) {
  constexpr std::int64_t kControl = 3, kUserDefined = 4;
  GgufNumbers types = file.integers(kTokenTypes);
  const auto& tokens = file.texts("tokenizer.ggml.tokens");
  for (std::size_t i = 0; i < types.size() && i < tokens.size(); ++i)
    if (types[i] == kUserDefined && tokens[i].starts_with("<|") && tokens[i].ends_with("|>"))
      types[i] = kControl;
  return types;
}

// Keys of the text model's file: all but the vision tower's, and those that llama.cpp's converter would add.
void write_text_keys(core::GgufWriter& writer, const core::GgufReader& file, const Config& c) {
  const std::string arch = c.architecture();
  writer.set("general.architecture", arch);
  writer.set("general.type", "model");
  if (file.has(kTokenTypes)) writer.set(kTokenTypes, pair_token_types(file));
  for (const auto& [key, value] : file.metadata())
    if (key != kTokenTypes && !key.starts_with("clip.") && !is_about_the_file(key) &&
        key != arch + ".vocab_size")
      writer.set(key, value);
  const auto add = [&](const std::string& key, core::GgufValue value) {
    if (!writer.has(key)) writer.set(key, std::move(value));
  };
  const GenerationConfig& g = c.generation;
  const GenerationConfig plain;
  const auto sampling = [&](const char* name, double x, double without) {
    if (g.do_sample && x != without) add(std::string("general.sampling.") + name, static_cast<float>(x));
  };
  if (g.do_sample && g.top_k != plain.top_k) add("general.sampling.top_k", std::int32_t{g.top_k});
  sampling("temp", g.temperature, plain.temperature);
  sampling("top_p", g.top_p, plain.top_p);
  sampling("min_p", g.min_p, plain.min_p);
  sampling("penalty_repeat", g.repetition_penalty, plain.repetition_penalty);
  // The family begins nothing with it; llama.cpp would take another token for it.
  if (const auto* pad = file.find("tokenizer.ggml.padding_token_id"))
    add("tokenizer.ggml.bos_token_id", *pad);
  add("tokenizer.ggml.add_eos_token", false);
}

void write_vision_keys(core::GgufWriter& writer, const ModelFiles& files) {
  writer.set("general.architecture", "clip");
  writer.set("general.type", "mmproj");
  for (const char* key : {"general.name", "general.quantization_version"})
    if (const auto* value = files.text().find(key)) writer.set(key, *value);
  writer.set("general.file_type", vision_file_type(files));
  for (const auto& [key, value] : files.vision().metadata())
    if (key.starts_with("clip.")) writer.set(key, value);
}

// The patch projection goes through im2col, which there knows F32 and F16 only.
// Tiles are ours alone.
core::DType pair_dtype(const TensorSpec& spec, core::DType stored) {
  if (spec.role == Role::vision_patch && stored != core::DType::f16) return core::DType::f32;
  return core::info(stored).row;
}

}  // namespace

ConvertResult merge_pair(const MergeOptions& options, core::ProgressObserver* progress) {
  refuse_overwriting(options.output, options.text);
  refuse_overwriting(options.output, options.mmproj);
  const ModelFiles files(options.text, options.mmproj);
  Config config = read_config(files);
  if (!options.name.empty()) config.name = options.name;
  const auto specs = tensor_specs(config);
  ConvertResult result;
  std::vector<std::string> extra;
  const auto tensors = find_tensors(files, specs, extra);
  if (!extra.empty()) result.warnings.push_back(listed("tensors of the pair are left out:", extra));
  AssumedFields assumed{files, {}};
  config_fields(config, assumed);
  processor_fields(config.processor, assumed);
  if (!assumed.list.empty())
    result.warnings.push_back("the pair does not say, so this holds: " + assumed.list);

  constexpr std::string_view kFileType = "general.file_type";
  core::GgufWriter writer;
  write_header(writer,
               files.text().has(kFileType) ? static_cast<std::uint32_t>(files.text().integer(kFileType)) : 0);
  write_config(writer, config);
  write_tokenizer(writer, read_tokenizer(files.text()), config.text.vocab_size);
  for (const core::GgufReader* file : {&files.text(), &files.vision()})
    for (const auto& [key, value] : file->metadata())
      if (!writer.has(key) && !is_about_the_file(key)) writer.set(key, value);
  std::vector<TensorJob> jobs;
  jobs.reserve(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const core::DType dtype = tensors[i]->dtype;
    const std::size_t number = writer.add_tensor(specs[i].name, dtype, specs[i].shape);
    jobs.push_back(stored_job(files.holder(specs[i].name), *tensors[i], dtype, number));
    result.source_bytes += jobs.back().source_bytes;
  }
  result.output_bytes = result.source_bytes;
  writer.begin(options.output);
  write_tensors(writer, jobs, {options.threads, options.cancel, progress});
  writer.commit();
  return result;
}

ConvertResult split_pair(const SplitOptions& options, core::ProgressObserver* progress) {
  for (const std::string& output : {options.text, options.mmproj}) refuse_overwriting(output, options.source);
  core::require(options.text != options.mmproj, options.text, ": cannot be both files of a pair");
  const ModelFiles files(options.source);
  const Config config = read_config(files);
  Problems problems = not_in_a_pair(config, read_tokenizer(files.text()));
  const auto& stored = files.text().tensors();
  const auto own = std::find_if(stored.begin(), stored.end(),
                                [](const core::GgufTensor& t) { return core::info(t.dtype).is_own(); });
  if (own != stored.end())
    problems.push_back(own->name + " is " + std::string(core::info(own->dtype).name) +
                       ", wanted a type that llama.cpp reads: tarsier quantize makes one");
  if (!problems.empty()) core::fail(listed(options.source + " cannot be split into a pair:", problems));
  const auto specs = tensor_specs(config);
  ConvertResult result;
  std::vector<std::string> extra;
  const auto tensors = find_tensors(files, specs, extra);
  if (!extra.empty()) result.warnings.push_back(listed("tensors of the source are left out:", extra));

  core::GgufWriter text, vision;
  write_text_keys(text, files.text(), config);
  write_vision_keys(vision, files);
  std::vector<TensorJob> jobs, vision_jobs;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const bool of_vision = is_vision_name(specs[i].name);
    core::GgufWriter& writer = of_vision ? vision : text;
    const core::DType dtype = pair_dtype(specs[i], tensors[i]->dtype);
    const std::size_t number = writer.add_tensor(specs[i].name, dtype, specs[i].shape);
    (of_vision ? vision_jobs : jobs).push_back(stored_job(files.text(), *tensors[i], dtype, number));
    result.source_bytes += static_cast<double>(tensors[i]->bytes);
    result.output_bytes += static_cast<double>(writer.tensor(number).bytes);
  }
  text.begin(options.text);
  vision.begin(options.mmproj);
  write_tensors(text, jobs, {options.threads, options.cancel, progress});
  write_tensors(vision, vision_jobs, {options.threads, options.cancel, progress});
  text.commit();
  vision.commit();
  return result;
}

}  // namespace tarsier
