#include "src/model/config_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "ggml-like-core/base/error.h"

namespace tarsier {
namespace {

constexpr std::string_view kArchMark = "{arch}";
constexpr std::string_view kTokens = "tokenizer.ggml.tokens";

// Fields that a dense model's file does not hold.
bool only_moe(std::string_view key) { return key.starts_with("{arch}.expert"); }

// Whether a file may lack key; gguf-spec.md states what then holds (assume_absent).
bool may_lack(std::string_view key, const Architecture& architecture) {
  return key.starts_with("tarsier.") || key == "{arch}.vocab_size" ||
         key == "{arch}.attention.head_count_kv" || key == "{arch}.attention.key_length" ||
         key == "{arch}.rope.freq_base" || key == "clip.vision.attention.layer_norm_epsilon" ||
         (only_moe(key) && !architecture.experts);
}

int to_int(const core::GgufReader& file, std::string_view key, std::int64_t x) {
  core::require(std::in_range<int>(x), file.path(), ": key ", key, " is ", x, ", beyond 32 bits");
  return static_cast<int>(x);
}

// Visitor: fields out of a model's files. Absent keys leave the field as it is.
class FieldReader {
 public:
  FieldReader(const ModelFiles& files, const Architecture& architecture)
      : files_(files), architecture_(architecture) {}

  template <class T>
  void operator()(std::string_view key_form, std::string_view /*source*/, T& field) {
    if (is_vision_key(key_form) && !files_.has_vision()) return;
    const std::string key = file_key(key_form, std::string(architecture_.name));
    const core::GgufReader& file = files_.holder(key);
    if (!file.has(key)) {
      if (!may_lack(key_form, architecture_)) missing_ += (missing_.empty() ? "" : ", ") + key;
      return;
    }
    read(file, key, field);
  }
  template <class T>
  void operator()(std::string_view key, std::string_view source, bool /*is_video*/, T& field) {
    (*this)(key, source, field);
  }
  const std::string& missing() const { return missing_; }

 private:
  using File = core::GgufReader;
  static void read(const File& file, const std::string& key, int& field) {
    field = to_int(file, key, file.integer(key));
  }
  static void read(const File& file, const std::string& key, std::int64_t& field) {
    field = file.integer(key);
  }
  static void read(const File& file, const std::string& key, float& field) {
    field = static_cast<float>(file.number(key));
  }
  static void read(const File& file, const std::string& key, double& field) { field = file.number(key); }
  static void read(const File& file, const std::string& key, bool& field) { field = file.boolean(key); }
  static void read(const File& file, const std::string& key, std::vector<int>& field) {
    field.clear();
    for (const std::int64_t x : file.integers(key)) field.push_back(to_int(file, key, x));
  }

  const ModelFiles& files_;
  const Architecture& architecture_;
  std::string missing_;
};

// Visitor: fields into a file, in the types that llama.cpp reads.
class FieldWriter {
 public:
  FieldWriter(core::GgufWriter& file, const Config& config) : file_(file), config_(config) {}

  template <class T>
  void operator()(std::string_view key, std::string_view /*source*/, const T& field) {
    if (only_moe(key) && config_.text.moe.num_experts == 0) return;
    if (is_vision_key(key) && !config_.vision.present) return;
    file_.set(file_key(key, config_.architecture()), value(field));
  }
  template <class T>
  void operator()(std::string_view key, std::string_view source, bool /*is_video*/, const T& field) {
    (*this)(key, source, field);
  }

 private:
  static core::GgufValue value(int x) {
    if (x >= 0) return static_cast<std::uint32_t>(x);
    return x;
  }
  static core::GgufValue value(std::int64_t x) {
    if (std::in_range<std::uint32_t>(x)) return static_cast<std::uint32_t>(x);
    return x;
  }
  static core::GgufValue value(float x) { return x; }
  static core::GgufValue value(double x) {
    const auto narrow = static_cast<float>(x);
    if (static_cast<double>(narrow) == x) return narrow;
    return x;
  }
  static core::GgufValue value(bool x) { return x; }
  static core::GgufValue value(const std::vector<int>& x) {
    return std::vector<std::int64_t>(x.begin(), x.end());
  }

  core::GgufWriter& file_;
  const Config& config_;
};

// The place of text in the token list; -1 where it is not.
int token_id(const core::GgufReader& file, std::string_view text) {
  if (!file.has(kTokens)) return -1;
  const auto& tokens = file.texts(kTokens);
  for (std::size_t id = 0; id < tokens.size(); ++id)
    if (tokens[id] == text) return static_cast<int>(id);
  return -1;
}

// What stands in rope.freq_base's place where a file does not say it, as in llama.cpp.
constexpr double kRopeTheta = 10000.0;

// number / divisor of two keys; 0 where they are not there or not so.
int quotient(const core::GgufReader& file, const std::string& number, const std::string& divisor) {
  if (!file.has(number) || !file.has(divisor) || file.integer(divisor) < 1) return 0;
  return to_int(file, number, file.integer(number) / file.integer(divisor));
}

void assume_text(Config& c, const core::GgufReader& file, const std::string& arch) {
  const std::string heads = arch + ".attention.head_count";
  if (file.has(heads)) c.text.num_key_value_heads = to_int(file, heads, file.integer(heads));
  c.text.head_dim = quotient(file, arch + ".embedding_length", heads);
  c.text.rope_theta = kRopeTheta;
  c.text.rope_factors = file.find_tensor("rope_freqs.weight") != nullptr;
  const std::string sections = arch + ".rope.dimension_sections";
  if (file.has(sections)) {
    const auto& found = file.integers(sections);
    for (std::size_t i = 0; i < found.size() && i < 3; ++i)
      c.text.mrope_section.push_back(to_int(file, sections, found[i]));
  }
  c.text.tie_word_embeddings = file.find_tensor("output.weight") == nullptr;
  if (const auto* embedding = file.find_tensor("token_embd.weight"))
    c.text.vocab_size = to_int(file, "token_embd.weight", embedding->rows());
  const std::string count = arch + ".block_count";
  if (!file.has(count)) return;
  const std::int64_t layers = std::min<std::int64_t>(file.integer(count), 4096);
  const bool experts = architecture_named(arch, file.path()).experts;
  for (int n = 0; experts && n < layers; ++n)
    if (file.find_tensor("blk." + std::to_string(n) + ".ffn_gate.weight") != nullptr)
      c.text.dense_layers.push_back(n);
}

void assume_vision(VisionConfig& v, const core::GgufReader& file) {
  if (file.has("clip.vision.image_size") && file.has("clip.vision.patch_size")) {
    const std::int64_t size = file.integer("clip.vision.image_size");
    const std::int64_t patch = file.integer("clip.vision.patch_size");
    const std::int64_t side = patch > 0 ? size / patch : 0;
    if (side > 0 && side < 32768) v.num_position_embeddings = static_cast<int>(side * side);
  }
  if (!file.has("clip.vision.is_deepstack_layers")) return;
  const auto& marked = file.booleans("clip.vision.is_deepstack_layers");
  for (std::size_t n = 0; n < marked.size(); ++n)
    if (marked[n]) v.deepstack_visual_indexes.push_back(static_cast<int>(n));
}

// Sampling as llama.cpp's converter keeps it of generation_config.json.
void assume_generation(GenerationConfig& g, const core::GgufReader& file) {
  const std::string prefix = "general.sampling.";
  const auto number = [&](const char* name, double& out) {
    if (!file.has(prefix + name)) return;
    out = file.number(prefix + name);
    g.do_sample = true;
  };
  number("temp", g.temperature);
  number("top_p", g.top_p);
  number("min_p", g.min_p);
  number("penalty_repeat", g.repetition_penalty);
  double top_k = g.top_k;
  number("top_k", top_k);
  g.top_k = static_cast<int>(std::clamp(top_k, 0.0, 1e6));
}

// Tokens that end a turn: those that keys name, and those that always do.
std::vector<int> end_tokens(const core::GgufReader& file) {
  std::vector<int> out;
  const auto add = [&](int id) {
    if (id >= 0 && std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
  };
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (file.has(key)) add(to_int(file, key, file.integer(key)));
  for (const char* token : {"<|im_end|>", "<|eot_id|>", "<|endoftext|>"}) add(token_id(file, token));
  return out;
}

// What holds where a file says nothing: derived from the keys and tensors that llama.cpp's converter writes.
void assume_absent(Config& c, const ModelFiles& files, const std::string& arch) {
  const core::GgufReader& file = files.text();
  assume_text(c, file, arch);
  assume_vision(c.vision, files.vision());
  assume_generation(c.generation, file);
  c.special = {.image_pad = token_id(file, "<|image_pad|>"),
               .video_pad = token_id(file, "<|video_pad|>"),
               .vision_start = token_id(file, "<|vision_start|>"),
               .vision_end = token_id(file, "<|vision_end|>"),
               .im_start = token_id(file, "<|im_start|>"),
               .im_end = token_id(file, "<|im_end|>")};
  c.generation.eos_token_id = end_tokens(file);
}

// What a file may say that this program does not compute.
void refuse_unknown(const core::GgufReader& file, const Config& c, const std::string& arch) {
  const std::string scaling = arch + ".rope.scaling.type";
  core::require(!file.has(scaling) || file.text(scaling) == "none", file.path(), ": key ", scaling, " is ",
                file.has(scaling) ? file.text(scaling) : "",
                ", wanted none: stretched positions are not known");
  const std::string rotated = arch + ".rope.dimension_count";
  core::require(!file.has(rotated) || file.integer(rotated) == c.text.head_dim, file.path(), ": key ",
                rotated, " is ", file.has(rotated) ? file.integer(rotated) : 0, ", wanted the whole head, ",
                c.text.head_dim);
}

// A text model counts the DeepStack features that it was made for.
void require_fit(const ModelFiles& files, const Config& c, const std::string& arch) {
  const std::string key = arch + ".n_deepstack_layers";
  const auto found = static_cast<std::int64_t>(c.vision.deepstack_visual_indexes.size());
  if (!files.is_pair() || !files.text().has(key)) return;
  core::require(files.text().integer(key) == found, files.path(), " takes DeepStack features of ",
                files.text().integer(key), " blocks, ", files.vision().path(), " gives them of ", found,
                ": they are not of one pair");
}

void read_triple(const core::GgufReader& file, std::string_view key, std::array<float, 3>& out) {
  if (!file.has(key)) return;
  const auto& found = file.numbers(key);
  core::require(found.size() == 3, file.path(), ": key ", key, " has ", found.size(), " numbers, wanted 3");
  std::transform(found.begin(), found.end(), out.begin(), [](double x) { return static_cast<float>(x); });
}

std::string text_or(const core::GgufReader& file, std::string_view key) {
  return file.has(key) ? file.text(key) : "";
}

// Keys that follow from others; llama.cpp reads them.
void write_vision_facts(core::GgufWriter& file, const Config& c, const std::string& arch) {
  file.set(arch + ".n_deepstack_layers",
           static_cast<std::uint32_t>(c.vision.deepstack_visual_indexes.size()));
  file.set("clip.has_vision_encoder", true);
  file.set("clip.projector_type", "qwen3vl_merger");
  file.set("clip.use_gelu", true);
  file.set("clip.vision.image_size",
           static_cast<std::uint32_t>(c.vision.position_side() * c.vision.patch_size));
  std::vector<bool> marked(static_cast<std::size_t>(c.vision.depth));
  for (const int n : c.vision.deepstack_visual_indexes) marked[static_cast<std::size_t>(n)] = true;
  file.set("clip.vision.is_deepstack_layers", std::move(marked));
  file.set("clip.vision.image_mean", std::vector<double>(c.processor.mean.begin(), c.processor.mean.end()));
  file.set("clip.vision.image_std", std::vector<double>(c.processor.std.begin(), c.processor.std.end()));
}

}  // namespace

std::string file_key(std::string_view key, const std::string& architecture) {
  if (!key.starts_with(kArchMark)) return std::string(key);
  return architecture + std::string(key.substr(kArchMark.size()));
}

bool is_vision_key(std::string_view key) {
  constexpr std::array kPrefixes = {"clip.", "tarsier.vision.", "tarsier.processor.", "tarsier.image.",
                                    "tarsier.video."};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [key](const char* prefix) { return key.starts_with(prefix); });
}

Config read_config(const ModelFiles& files) {
  const core::GgufReader& file = files.text();
  const std::string& arch = file.text("general.architecture");
  const Architecture& architecture = architecture_named(arch, file.path());
  const std::int64_t version = file.has("tarsier.version") ? file.integer("tarsier.version") : 0;
  core::require(version <= kFileVersion, file.path(), ": has version ", version,
                " of this program's keys, which knows up to ", kFileVersion, ": a newer program is needed");
  core::require(architecture.mrope || !files.has_vision(), file.path(), ": is of architecture ", arch,
                ", which reads no pictures: it goes with no vision tower");
  Config c;
  c.vision.present = files.has_vision();
  c.text.qk_norm = architecture.qk_norm;
  c.text.rope_pairs = architecture.rope_pairs;
  assume_absent(c, files, arch);
  FieldReader fields(files, architecture);
  config_fields(c, fields);
  core::require(fields.missing().empty(), file.path(), ": keys are missing: ", fields.missing());
  core::require(architecture.experts == (c.text.moe.num_experts > 0), file.path(), ": is ", arch, " with ",
                c.text.moe.num_experts, " experts");
  refuse_unknown(file, c, arch);
  require_fit(files, c, arch);
  // llama.cpp's converter writes the text model's epsilon here; the vision tower's is fixed.
  if (version == 0 || files.is_pair()) c.vision.layer_norm_eps = VisionConfig{}.layer_norm_eps;
  c.processor.patch_size = c.vision.patch_size;
  c.processor.temporal_patch_size = c.vision.temporal_patch_size;
  c.processor.merge_size = c.vision.spatial_merge_size;
  processor_fields(c.processor, fields);
  read_triple(files.vision(), "clip.vision.image_mean", c.processor.mean);
  read_triple(files.vision(), "clip.vision.image_std", c.processor.std);
  c.name = text_or(file, "general.name");
  c.chat_template = text_or(file, "tokenizer.chat_template");
  check(c, files.is_pair() ? file.path() + " with " + files.vision().path() : file.path());
  return c;
}

void write_config(core::GgufWriter& file, const Config& c) {
  const std::string arch = c.architecture();
  file.set("general.architecture", arch);
  file.set("general.type", "model");
  file.set("general.name", c.name);
  file.set("tarsier.version", kFileVersion);
  FieldWriter fields(file, c);
  config_fields(c, fields);
  processor_fields(c.processor, fields);
  file.set(arch + ".attention.value_length", static_cast<std::uint32_t>(c.text.head_dim));
  if (!c.text.mrope_section.empty()) {
    std::vector<std::int64_t> sections(c.text.mrope_section.begin(), c.text.mrope_section.end());
    sections.resize(4);
    file.set(arch + ".rope.dimension_sections", std::move(sections));
  }
  if (c.vision.present) write_vision_facts(file, c, arch);
  if (!c.generation.eos_token_id.empty())
    file.set("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(c.generation.eos_token_id.front()));
  if (!c.chat_template.empty()) file.set("tokenizer.chat_template", c.chat_template);
}

}  // namespace tarsier
