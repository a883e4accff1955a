// gguf-spec.md says what the program does: its tables and its dump are made here and compared.
// TARSIER_UPDATE_SPEC=1 writes them into the page instead.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

#include "convert/policy.h"
#include "ggml-like-core/gguf/writer.h"
#include "ggml-like-core/quant/formats.h"
#include "src/model/config_file.h"
#include "tests/temp_folder.h"

namespace {

std::string formats_table() {
  std::ostringstream out;
  out << "| format | type id | weights in a block | bytes of a block | bits a weight | written "
         "|\n|---|---|---|---|---|---|\n";
  for (const core::FormatInfo& f : core::kStoredFormats)
    out << "| " << f.name << " | " << static_cast<std::uint32_t>(f.dtype) << " | " << f.block_len << " | "
        << f.block_bytes << " | " << core::to_text(f.bits_per_weight()) << " | "
        << (f.writable ? "yes" : "only read") << " |\n";
  return out.str();
}

// What holds where a key is absent; keys that are not here are required.
const std::map<std::string, std::string, std::less<>>& rules() {
  static const std::map<std::string, std::string, std::less<>> rules_by_key = {
      {"{arch}.vocab_size", "rows of token_embd.weight"},
      {"{arch}.attention.head_count_kv", "{arch}.attention.head_count"},
      {"{arch}.attention.key_length", "{arch}.embedding_length / {arch}.attention.head_count"},
      {"{arch}.rope.freq_base", "10000"},
      {"tarsier.rope.mrope_section", "the first three of {arch}.rope.dimension_sections"},
      {"tarsier.tie_word_embeddings", "whether output.weight is absent"},
      {"{arch}.expert_count", "0 for models without experts, else required"},
      {"{arch}.expert_used_count", "0 for models without experts, else required"},
      {"{arch}.expert_feed_forward_length", "0 for models without experts, else required"},
      {"tarsier.dense_layers", "layers that have ffn_gate.weight"},
      {"clip.vision.attention.layer_norm_epsilon", "1e-6; so too in a pair and without tarsier.version"},
      {"tarsier.vision.num_position_embeddings", "(clip.vision.image_size / patch_size) squared"},
      {"tarsier.vision.deepstack_layers", "those of clip.vision.is_deepstack_layers, ascending"},
      {"tarsier.token.image_pad", "the id of <\\|image_pad\\|>"},
      {"tarsier.token.video_pad", "the id of <\\|video_pad\\|>"},
      {"tarsier.token.vision_start", "the id of <\\|vision_start\\|>"},
      {"tarsier.token.vision_end", "the id of <\\|vision_end\\|>"},
      {"tarsier.token.im_start", "the id of <\\|im_start\\|>"},
      {"tarsier.token.im_end", "the id of <\\|im_end\\|>"},
      {"tarsier.generation.do_sample", "whether a key general.sampling.* is there"},
      {"tarsier.generation.temperature", "general.sampling.temp, else 1"},
      {"tarsier.generation.top_k", "general.sampling.top_k, else 0"},
      {"tarsier.generation.top_p", "general.sampling.top_p, else 1"},
      {"tarsier.generation.min_p", "general.sampling.min_p, else 0"},
      {"tarsier.generation.repetition_penalty", "general.sampling.penalty_repeat, else 1"},
      {"tarsier.generation.eos_token_ids",
       "tokenizer.ggml.eos_token_id, .eot_token_id and the ids of <\\|im_end\\|>, "
       "<\\|eot_id\\|>, <\\|endoftext\\|>"},
      {"tarsier.processor.patch_size", "clip.vision.patch_size"},
      {"tarsier.processor.temporal_patch_size", "tarsier.vision.temporal_patch_size"},
      {"tarsier.processor.merge_size", "clip.vision.spatial_merge_size"},
  };
  return rules_by_key;
}

std::string value_text(bool x) { return x ? "true" : "false"; }
std::string value_text(int x) { return std::to_string(x); }
std::string value_text(std::int64_t x) { return std::to_string(x); }
std::string value_text(float x) { return core::to_text(static_cast<double>(x)); }
std::string value_text(double x) { return core::to_text(x); }
std::string value_text(const std::vector<int>&) { return "empty"; }

std::string kind(bool) { return "boolean"; }
std::string kind(int) { return "integer"; }
std::string kind(std::int64_t) { return "integer"; }
std::string kind(float) { return "number"; }
std::string kind(double) { return "number"; }
std::string kind(const std::vector<int>&) { return "integers"; }

struct KeyRows {
  std::ostringstream out;

  template <class T>
  void operator()(std::string_view key, std::string_view path, const T& field) {
    out << "| `" << key << "` | " << kind(field) << " | "
        << (path.empty() ? "" : "`" + std::string(path) + "`") << " | ";
    const auto rule = rules().find(key);
    if (rule != rules().end())
      out << rule->second;
    else if (key.starts_with("tarsier."))
      out << value_text(field);
    out << " |\n";
  }
  template <class T>
  void operator()(std::string_view key, std::string_view path, bool is_video, const T& field) {
    (*this)(key,
            std::string(is_video ? "video_preprocessor_config " : "preprocessor_config ") + std::string(path),
            field);
  }
};

std::string keys_table() {
  KeyRows rows;
  rows.out << "| key | kind | of config.json | where absent |\n|---|---|---|---|\n";
  const tarsier::Config fresh;
  tarsier::config_fields(fresh, rows);
  tarsier::processor_fields(fresh.processor, rows);
  return rows.out.str();
}

std::string role_name(tarsier::Role role) {
  switch (role) {
    case tarsier::Role::norm:
      return "norm";
    case tarsier::Role::bias:
      return "bias";
    case tarsier::Role::position:
      return "position";
    case tarsier::Role::router:
      return "router";
    case tarsier::Role::embedding:
      return "embedding";
    case tarsier::Role::head:
      return "head";
    case tarsier::Role::attention:
      return "attention";
    case tarsier::Role::attention_value:
      return "attention value";
    case tarsier::Role::ffn:
      return "ffn";
    case tarsier::Role::ffn_down:
      return "ffn down";
    case tarsier::Role::expert:
      return "expert";
    case tarsier::Role::expert_down:
      return "expert down";
    case tarsier::Role::vision_patch:
      return "vision patch";
    case tarsier::Role::vision_linear:
      return "vision linear";
  }
  return "";
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// A model of sizes that tell which number of a shape is what.
std::string tensors_table() {
  tarsier::Config c;
  c.text.vocab_size = 1009;
  c.text.hidden_size = 101;
  c.text.intermediate_size = 103;
  c.text.num_hidden_layers = 2;
  c.text.num_attention_heads = 7;
  c.text.num_key_value_heads = 5;
  c.text.head_dim = 11;
  c.text.moe = {13, 2, 107};
  c.text.dense_layers = {1};
  c.vision.depth = 1;
  c.vision.hidden_size = 109;
  c.vision.intermediate_size = 113;
  c.vision.num_heads = 1;
  c.vision.patch_size = 17;
  c.vision.num_position_embeddings = 19 * 19;
  c.vision.out_hidden_size = 101;
  c.vision.deepstack_visual_indexes = {0};
  const std::map<std::int64_t, std::string> names = {{1009, "vocab"},
                                                     {101, "hidden"},
                                                     {103, "ffn"},
                                                     {77, "heads * head_dim"},
                                                     {55, "kv_heads * head_dim"},
                                                     {11, "head_dim"},
                                                     {13, "experts"},
                                                     {107, "expert_ffn"},
                                                     {109, "d"},
                                                     {113, "vision_ffn"},
                                                     {327, "3 * d"},
                                                     {436, "4 * d"},
                                                     {361, "positions"},
                                                     {17, "patch"},
                                                     {3, "3"}};
  std::ostringstream out;
  out << "| tensor | shape | role | of the checkpoint |\n|---|---|---|---|\n";
  std::map<std::string, bool> seen;
  for (const tarsier::TensorSpec& s : tarsier::tensor_specs(c)) {
    std::string name = replaced(replaced(s.name, "blk.0.", "blk.{n}."), "blk.1.", "blk.{n}.");
    name = replaced(name, "deepstack.0.", "deepstack.{b}.");
    if (seen[name]) continue;
    seen[name] = true;
    std::string hf = replaced(replaced(s.hf_name, "layers.0.", "layers.{n}."), "layers.1.", "layers.{n}.");
    hf = replaced(replaced(hf, "blocks.0.", "blocks.{n}."), "merger_list.0.", "merger_list.{k}.");
    std::string shape;
    for (const std::int64_t n : s.shape) shape += (shape.empty() ? "" : ", ") + names.at(n);
    if (s.transform == tarsier::Transform::temporal_slice) hf += " at time " + std::to_string(s.index);
    if (s.transform == tarsier::Transform::experts_gate) hf += ", first half";
    if (s.transform == tarsier::Transform::experts_up) hf += ", second half";
    out << "| `" << name << "` | [" << shape << "] | " << role_name(s.role) << " | " << hf << " |\n";
  }
  return out.str();
}

std::string types_table() {
  std::ostringstream out;
  out << "| type | matrices | embedding, head | attention value | down projections of the outer layers |\n"
      << "|---|---|---|---|---|\n";
  for (const tarsier::TypePreset& p : tarsier::type_presets())
    out << "| `" << p.name << "` | " << core::info(p.base).name << " | " << core::info(p.embedding).name
        << " | " << core::info(p.value).name << " | " << core::info(p.sensitive).name << " |\n";
  return out.str();
}

// Parts of the file in order, each with what it is.
std::string dump() {
  const test::TempFolder folder;
  core::GgufWriter writer;
  writer.set("general.architecture", "qwen3vl");
  writer.set("general.alignment", std::uint32_t{64});
  writer.set("tarsier.dense_layers", std::vector<std::int64_t>{1, 2});
  const std::int64_t matrix[] = {1, 32};
  const std::int64_t vector[] = {2};
  writer.add_tensor("q", core::DType::q8_0, matrix);
  writer.add_tensor("n", core::DType::f32, vector);
  writer.begin(folder.path("a.gguf"));
  core::Q8_0::Block block{.scale_f16 = 0x3c00, .q = {}};
  for (int i = 0; i < 32; ++i) block.q[i] = static_cast<std::int8_t>(i - 16);
  writer.write(0, 0, std::as_bytes(std::span(&block, 1)));
  const float norm[] = {1, -2};
  writer.write(1, 0, std::as_bytes(std::span(norm)));
  writer.commit();
  const std::string bytes = test::read_bytes(folder.path("a.gguf"));

  const std::vector<std::pair<std::size_t, std::string>> parts = {
      {4, "magic"},
      {4, "version 3"},
      {8, "2 tensors"},
      {8, "3 keys"},
      {8, "key of 20 bytes"},
      {20, "general.architecture"},
      {4, "type STRING"},
      {8, "of 7 bytes"},
      {7, "qwen3vl"},
      {8, "key of 17 bytes"},
      {17, "general.alignment"},
      {4, "type UINT32"},
      {4, "64"},
      {8, "key of 20 bytes"},
      {20, "tarsier.dense_layers"},
      {4, "type ARRAY"},
      {4, "of INT32"},
      {8, "2 elements"},
      {8, "1, 2"},
      {8, "tensor name of 1 byte"},
      {1, "q"},
      {4, "2 dimensions"},
      {16, "ne = [32, 1]"},
      {4, "type Q8_0"},
      {8, "offset 0"},
      {8, "tensor name of 1 byte"},
      {1, "n"},
      {4, "1 dimension"},
      {8, "ne = [2]"},
      {4, "type F32"},
      {8, "offset 64"},
      {0, "padding to a multiple of 64"},
      {2, "data: q, scale 1.0 as a half"},
      {32, "q, -16 to 15"},
      {30, "padding to a multiple of 64"},
      {8, "n: 1.0, -2.0"},
      {56, "padding to a multiple of 64"},
  };
  std::size_t header = 0;
  for (std::size_t i = 0; i < parts.size() && parts[i].first != 0; ++i) header += parts[i].first;
  std::ostringstream out;
  out << "```\n";
  std::size_t at = 0;
  for (const auto& [length, what] : parts) {
    const std::size_t n = length != 0 ? length : (64 - header % 64) % 64;
    for (std::size_t line = 0; line < n; line += 16) {
      char text[16];
      std::snprintf(text, sizeof text, "%04zx ", at + line);
      out << text;
      for (std::size_t i = line; i < std::min(n, line + 16); ++i) {
        std::snprintf(text, sizeof text, " %02x", static_cast<unsigned char>(bytes.at(at + i)));
        out << text;
      }
      const std::size_t shown = std::min(n, line + 16) - line;
      if (line == 0) out << std::string((16 - shown) * 3 + 2, ' ') << what;
      out << "\n";
    }
    at += n;
  }
  out << "```\n";
  EXPECT_EQ(at, bytes.size());
  return out.str();
}

TEST(Spec, tables_and_dump_of_the_page_are_those_of_the_program) {
  const std::string path = std::string(TARSIER_SOURCE) + "/gguf-spec.md";
  const bool update = std::getenv("TARSIER_UPDATE_SPEC") != nullptr;
  std::string page = test::read_bytes(path);
  const std::vector<std::pair<std::string, std::string>> sections = {{"formats", formats_table()},
                                                                     {"keys", keys_table()},
                                                                     {"tensors", tensors_table()},
                                                                     {"types", types_table()},
                                                                     {"dump", dump()}};
  for (const auto& [name, wanted] : sections) {
    const std::string begin = "<!-- begin: " + name + " -->\n";
    const std::size_t from = page.find(begin);
    const std::size_t to = page.find("<!-- end: " + name + " -->");
    ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << name;
    const std::size_t first = from + begin.size();
    if (update)
      page.replace(first, to - first, wanted);
    else
      EXPECT_EQ(page.substr(first, to - first), wanted) << name << ": TARSIER_UPDATE_SPEC=1 writes it";
  }
  if (update) std::ofstream(path, std::ios::binary) << page;
}

TEST(Spec, every_rule_for_an_absent_key_is_about_a_key_that_there_is) {
  const std::string table = keys_table();
  for (const auto& [key, rule] : rules()) EXPECT_NE(table.find("`" + key + "`"), std::string::npos) << key;
}

}  // namespace
