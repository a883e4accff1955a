#include "convert/hf_config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "convert/json_file.h"
#include "ggml-like-core/base/error.h"
#include "src/model/config_file.h"

namespace tarsier {
namespace {

namespace fs = std::filesystem;
using Problems = std::vector<std::string>;

// What transformers takes where config.json says nothing: these fields keep the struct's value.
bool has_default(std::string_view path) {
  constexpr std::array kDefaults = {
      std::string_view("text_config.head_dim"),             // hidden_size / num_attention_heads
      std::string_view("text_config.num_key_value_heads"),  // num_attention_heads
      std::string_view("text_config.rms_norm_eps"),
      std::string_view("vision_config.in_channels"),
      std::string_view("vision_config.patch_size"),
      std::string_view("vision_config.temporal_patch_size"),
      std::string_view("vision_config.spatial_merge_size"),
      std::string_view("vision_config.deepstack_visual_indexes"),
      std::string_view("image_token_id"),
      std::string_view("video_token_id"),
      std::string_view("vision_start_token_id"),
      std::string_view("vision_end_token_id"),
  };
  return std::find(kDefaults.begin(), kDefaults.end(), path) != kDefaults.end();
}

// Visitor over config_fields: what config.json says under one name.
struct ConfigJsonReader {
  const JsonFile& json;
  Problems& problems;

  template <class T>
  void operator()(std::string_view /*key*/, std::string_view path, T& field) const {
    if (path.empty()) return;
    try {
      if (!json.get(path, field) && !has_default(path))
        problems.push_back(json.path() + ": " + std::string(path) + " is missing");
    } catch (const core::Error& e) {
      problems.emplace_back(e.what());
    }
  }
};

// Visitor over processor_fields: what one of the two files says.
struct ProcessorJsonReader {
  const JsonFile& json;
  bool video;
  Problems& problems;

  template <class T>
  void operator()(std::string_view /*key*/, std::string_view path, bool is_video, T& field) const {
    if (is_video != video) return;
    try {
      json.get(path, field);
      if (path == "size.shortest_edge") json.get("min_pixels", field);
      if (path == "size.longest_edge") json.get("max_pixels", field);
    } catch (const core::Error& e) {
      problems.emplace_back(e.what());
    }
  }
};

// One value or a list of them.
void read_ids(const JsonFile& json, std::string_view path, std::vector<int>& out) {
  const auto* value = json.find(path);
  if (value == nullptr) return;
  if (value->is_array())
    json.get(path, out);
  else
    json.get(path, out.emplace_back());
}

// What a config.json says in one of two places: rope_parameters in transformers 5, rope_scaling before.
void read_rope(const JsonFile& json, TextConfig& t, Problems& problems) {
  bool theta = json.get("text_config.rope_theta", t.rope_theta);
  for (const std::string part : {"text_config.rope_scaling", "text_config.rope_parameters"}) {
    theta = json.get(part + ".rope_theta", t.rope_theta) || theta;
    json.get(part + ".mrope_section", t.mrope_section);
    bool interleaved = true;
    json.get(part + ".mrope_interleaved", interleaved);
    if (!interleaved)
      problems.push_back(json.path() + ": " + part + ".mrope_interleaved is false, wanted true");
    std::string type = "default";
    const std::string old_name = part + ".type";
    if (!json.get(part + ".rope_type", type)) json.get(old_name, type);
    if (type != "default" && type != "mrope")
      problems.emplace_back(json.path())
          .append(": ")
          .append(part)
          .append(".rope_type is not supported: ")
          .append(type);
  }
  if (!theta) problems.push_back(json.path() + ": text_config.rope_theta is missing");
  if (t.mrope_section.empty())
    t.mrope_section = {24, 20, 20};  // modeling_qwen3_vl.py, Qwen3VLTextRotaryEmbedding
}

void read_experts(const JsonFile& json, TextConfig& t, Problems& problems) {
  if (!json.get("text_config.num_experts", t.moe.num_experts) &&
      !json.get("text_config.num_local_experts", t.moe.num_experts))
    problems.push_back(json.path() + ": text_config.num_experts is missing");
  for (const auto& [name, field] : {std::pair{"num_experts_per_tok", &t.moe.num_experts_per_tok},
                                    std::pair{"moe_intermediate_size", &t.moe.moe_intermediate_size}})
    if (!json.get(std::string("text_config.") + name, *field))
      problems.push_back((json.path() + ": text_config.").append(name).append(" is missing"));
  // modeling_qwen3_vl_moe.py, Qwen3VLMoeTextDecoderLayer
  std::vector<int> mlp_only;
  int step = 1;
  json.get("text_config.mlp_only_layers", mlp_only);
  json.get("text_config.decoder_sparse_step", step);
  core::require(step >= 1, json.path(), ": text_config.decoder_sparse_step is ", step, ", wanted at least 1");
  for (int n = 0; n < std::min(t.num_hidden_layers, 1 << 16); ++n)
    if ((n + 1) % step != 0 || std::find(mlp_only.begin(), mlp_only.end(), n) != mlp_only.end())
      t.dense_layers.push_back(n);
}

// Settings that would change what is computed, and that no checkpoint of this family has.
void refuse_others(const JsonFile& json, Problems& problems) {
  const auto text_is = [&](std::string_view path, std::string_view wanted) {
    std::string found(wanted);
    json.get(path, found);
    if (found != wanted)
      problems.push_back(json.path() + ": " + std::string(path) + " is " + found + ", wanted " +
                         std::string(wanted));
  };
  text_is("text_config.hidden_act", "silu");
  text_is("vision_config.hidden_act", "gelu_pytorch_tanh");
  bool bias = false;
  json.get("text_config.attention_bias", bias);
  if (bias) problems.push_back(json.path() + ": text_config.attention_bias is true, wanted false");
}

void read_model(const JsonFile& json, bool moe, HfConfig& out, Problems& problems) {
  Config& c = out.config;
  c.vision.deepstack_visual_indexes = {8, 16, 24};
  c.special.image_pad = 151655;
  c.special.video_pad = 151656;
  c.special.vision_start = 151652;
  c.special.vision_end = 151653;
  config_fields(c, ConfigJsonReader{json, problems});
  TextConfig& t = c.text;
  if (!json.has("text_config.num_key_value_heads")) t.num_key_value_heads = t.num_attention_heads;
  if (!json.has("text_config.head_dim") && t.num_attention_heads > 0)
    t.head_dim = t.hidden_size / t.num_attention_heads;
  if (!json.get("tie_word_embeddings", t.tie_word_embeddings))
    json.get("text_config.tie_word_embeddings", t.tie_word_embeddings);
  read_rope(json, t, problems);
  if (moe) read_experts(json, t, problems);
  refuse_others(json, problems);
  std::vector<int> block;
  if (json.get("quantization_config.weight_block_size", block)) {
    core::require(block.size() == 2 && block[0] > 0 && block[1] > 0, json.path(),
                  ": quantization_config.weight_block_size is no pair of positive numbers");
    out.fp8_block = {block[0], block[1]};
  }
}

void read_generation(const std::string& folder, const JsonFile& config, GenerationConfig& g) {
  const fs::path path = fs::path(folder) / "generation_config.json";
  if (fs::exists(path)) {
    const JsonFile json(path.string());
    json.get("do_sample", g.do_sample);
    json.get("temperature", g.temperature);
    json.get("top_k", g.top_k);
    json.get("top_p", g.top_p);
    json.get("min_p", g.min_p);
    json.get("repetition_penalty", g.repetition_penalty);
    read_ids(json, "eos_token_id", g.eos_token_id);
  }
  if (g.eos_token_id.empty()) read_ids(config, "text_config.eos_token_id", g.eos_token_id);
}

// The settings of one processor: nested in processor_config.json (transformers 5), or the first of the files.
std::optional<JsonFile> processor_file(const std::string& folder, const std::string& nested,
                                       std::initializer_list<const char*> names) {
  const fs::path both = fs::path(folder) / "processor_config.json";
  if (fs::exists(both)) {
    const JsonFile json(both.string());
    if (const auto* part = json.find(nested)) return JsonFile(json.path() + ": " + nested, *part);
  }
  for (const char* name : names)
    if (const fs::path path = fs::path(folder) / name; fs::exists(path)) return JsonFile(path.string());
  return std::nullopt;
}

void read_triple(const JsonFile& json, std::string_view name, std::array<float, 3>& out) {
  std::vector<double> found;
  if (!json.get(name, found)) return;
  core::require(found.size() == 3, json.path(), ": ", name, " has ", found.size(), " numbers, wanted 3");
  std::transform(found.begin(), found.end(), out.begin(), [](double x) { return static_cast<float>(x); });
}

void read_processors(const std::string& folder, Config& c, Problems& problems, Problems& warnings) {
  ProcessorConfig& p = c.processor;
  const auto image = processor_file(folder, "image_processor", {"preprocessor_config.json"});
  if (image) {
    // The defaults of Qwen2VLImageProcessor, where the file leaves something out.
    p.image = {.min_pixels = 3136, .max_pixels = 1003520};
    p.mean = {0.48145466F, 0.4578275F, 0.40821073F};
    p.std = {0.26862954F, 0.26130258F, 0.27577711F};
    processor_fields(p, ProcessorJsonReader{*image, false, problems});
    read_triple(*image, "image_mean", p.mean);
    read_triple(*image, "image_std", p.std);
  } else {
    warnings.push_back(folder +
                       ": there is no preprocessor_config.json; the published models' settings are taken");
  }
  const auto video = processor_file(folder, "video_processor",
                                    {"video_preprocessor_config.json", "preprocessor_config.json"});
  if (!video) return;
  p.video = {.min_pixels = 131072, .max_pixels = 786432};  // Qwen3VLVideoProcessor
  processor_fields(p, ProcessorJsonReader{*video, true, problems});
  ProcessorConfig other = p;
  read_triple(*video, "image_mean", other.mean);
  read_triple(*video, "image_std", other.std);
  if (other.mean != p.mean || other.std != p.std)
    warnings.push_back(video->path() +
                       ": image_mean and image_std differ from the image processor's, whose are taken");
}

std::string whole_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  core::require(in.good(), path.string(), ": cannot be opened");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// In transformers' order: the processor's own file, then the tokenizer's configuration.
std::string read_chat_template(const std::string& folder) {
  const fs::path root(folder);
  std::string text;
  if (const fs::path path = root / "chat_template.json"; fs::exists(path))
    if (JsonFile(path.string()).get("chat_template", text)) return text;
  if (const fs::path path = root / "chat_template.jinja"; fs::exists(path)) return whole_file(path);
  const fs::path path = root / "tokenizer_config.json";
  if (!fs::exists(path)) return "";
  const JsonFile json(path.string());
  const auto* found = json.find("chat_template");
  if (found == nullptr || !found->is_array()) {
    json.get("chat_template", text);
    return text;
  }
  for (const auto& item : *found)
    if (item.is_object() && item.value("name", nlohmann::json()) == "default") {
      JsonFile(json.path() + ": chat_template", item).get("template", text);
      return text;
    }
  return "";
}

}  // namespace

HfConfig read_hf_config(const std::string& folder, const std::string& config_name, Problems& problems,
                        Problems& warnings) {
  core::require(fs::is_directory(folder), folder, ": is no folder, wanted that of a checkpoint");
  const fs::path path = fs::path(folder) / config_name;
  core::require(fs::exists(path), folder, ": holds no ", config_name, ": this is no checkpoint's folder");
  const JsonFile json(path.string());
  std::string type;
  json.get("model_type", type);
  core::require(type == "qwen3_vl" || type == "qwen3_vl_moe", json.path(), ": model_type is ",
                type.empty() ? "missing" : type, ", wanted qwen3_vl or qwen3_vl_moe");
  HfConfig out;
  const auto attempt = [&](const auto& step) {
    try {
      step();
    } catch (const core::Error& e) {
      problems.emplace_back(e.what());
    }
  };
  attempt([&] { read_model(json, type == "qwen3_vl_moe", out, problems); });
  attempt([&] { read_generation(folder, json, out.config.generation); });
  attempt([&] { read_processors(folder, out.config, problems, warnings); });
  attempt([&] { out.config.chat_template = read_chat_template(folder); });
  if (out.config.chat_template.empty())
    warnings.push_back(folder + ": there is no chat template; only raw prompts will work");
  return out;
}

}  // namespace tarsier
