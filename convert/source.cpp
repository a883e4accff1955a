#include "convert/source.h"

#include <algorithm>
#include <filesystem>

#include "convert/json_file.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/numbers.h"

namespace tarsier {
namespace {

namespace fs = std::filesystem;
using core::to_text;

constexpr std::string_view kVision = "model.visual.";
constexpr std::string_view kText = "model.language_model.";
constexpr std::string_view kHead = "lm_head.weight";

// The published checkpoints' name of a tensor that some other program may have stored under a shorter or
// longer one.
std::string published_name(const std::string& stored) {
  struct Alias {
    std::string_view prefix;
    std::string_view published;
  };
  // The first prefix that fits counts, so longer ones come first.
  static constexpr std::array kAliases = {
      Alias{"model.language_model.lm_head.", "lm_head."},
      Alias{"model.language_model.model.", kText},
      Alias{"model.language_model.", kText},
      Alias{"model.visual.", kVision},
      Alias{"model.model.visual.", kVision},
      Alias{"model.model.language_model.", kText},
      Alias{"model.lm_head.", "lm_head."},
      Alias{"language_model.lm_head.", "lm_head."},
      Alias{"language_model.model.", kText},
      Alias{"language_model.", kText},
      Alias{"visual.", kVision},
      Alias{"model.layers.", "model.language_model.layers."},
      Alias{"model.embed_tokens.", "model.language_model.embed_tokens."},
      Alias{"model.norm.", "model.language_model.norm."},
  };
  for (const Alias& a : kAliases)
    if (stored.starts_with(a.prefix)) return std::string(a.published) + stored.substr(a.prefix.size());
  return stored;
}

std::int64_t count(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const std::int64_t d : shape) n *= d;
  return n;
}

std::string described(const StoredTensor& t) {
  return t.file->path() + ": tensor " + t.name + " is " + to_text(t.shape);
}

bool expect_shape(const StoredTensor& t, const std::vector<std::int64_t>& wanted,
                  std::vector<std::string>& problems) {
  if (t.shape == wanted) return true;
  problems.push_back(described(t) + ", wanted " + to_text(wanted));
  return false;
}

// The names of the weight files and, from an index, which tensor lies in which.
struct FileList {
  std::set<std::string> names;
  std::map<std::string, std::string> file_of;
};

FileList list_files(const std::string& folder) {
  FileList out;
  const fs::path index = fs::path(folder) / "model.safetensors.index.json";
  if (fs::exists(index)) {
    const JsonFile json(index.string());
    const auto* map = json.find("weight_map");
    core::require(map != nullptr && map->is_object(), index.string(), ": has no object weight_map");
    for (const auto& [tensor, file] : map->items()) {
      core::require(file.is_string(), index.string(), ": weight_map of ", tensor, " is no file name");
      const auto name = file.get<std::string>();
      core::require(fs::path(name).filename().string() == name && name != "." && name != "..", index.string(),
                    ": weight_map names ", name, ", which does not lie in the folder");
      out.names.insert(name);
      out.file_of.emplace(tensor, name);
    }
    return out;
  }
  if (fs::exists(fs::path(folder) / "model.safetensors")) {
    out.names.insert("model.safetensors");
    return out;
  }
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") out.names.insert(entry.path().filename().string());
  core::require(!out.names.empty(), folder, ": holds no weights: neither model.safetensors nor ",
                "model.safetensors.index.json");
  return out;
}

}  // namespace

void StoredRows::read_line(std::span<float> out, const Matrix& m, std::int64_t row,
                           std::int64_t column) const {
  read_elements(out, *m.tensor, m.offset + row * stored_columns + column);
  if (m.scales == nullptr) return;
  const std::int64_t scale_row = m.scales_offset + row / block_rows * scale_columns;
  const auto end = column + static_cast<std::int64_t>(out.size());
  for (std::int64_t begin = column; begin < end;) {
    const std::int64_t block_end = std::min(end, (begin / block_columns + 1) * block_columns);
    float scale = 0;
    read_elements({&scale, 1}, *m.scales, scale_row + begin / block_columns);
    for (std::int64_t c = begin; c < block_end; ++c) out[static_cast<std::size_t>(c - column)] *= scale;
    begin = block_end;
  }
}

void StoredRows::read(std::span<float> out, std::int64_t row) const {
  const auto length = static_cast<std::size_t>(row_length);
  const std::int64_t end = row + static_cast<std::int64_t>(out.size() / length);
  if (!transposed) {
    for (; row < end; ++row, out = out.subspan(length))
      read_line(out.first(length), matrices[static_cast<std::size_t>(row / rows_per_matrix)],
                first + row % rows_per_matrix, 0);
    return;
  }
  constexpr std::size_t kTile = 16;  // stored rows turned at once: 64 bytes of each of our rows
  while (row < end) {
    const Matrix& m = matrices[static_cast<std::size_t>(row / rows_per_matrix)];
    const std::int64_t i = row % rows_per_matrix;
    const auto n = static_cast<std::size_t>(std::min(end - row, rows_per_matrix - i));
    std::vector<float> lines(kTile * n);
    for (std::size_t k = 0; k < length; k += kTile) {
      const std::size_t tile = std::min(kTile, length - k);
      for (std::size_t t = 0; t < tile; ++t)
        read_line(std::span(lines).subspan(t * n, n), m, static_cast<std::int64_t>(k + t), first + i);
      for (std::size_t r = 0; r < n; ++r)
        for (std::size_t t = 0; t < tile; ++t) out[r * length + k + t] = lines[t * n + r];
    }
    row += static_cast<std::int64_t>(n);
    out = out.subspan(n * length);
  }
}

void StoredRows::drop(std::int64_t row, std::int64_t rows) const {
  const auto drop_elements = [](const Matrix& m, std::int64_t begin, std::int64_t n) {
    const std::size_t width = stored_bytes(m.tensor->type);
    m.tensor->file->file().drop(m.tensor->offset + static_cast<std::size_t>(m.offset + begin) * width,
                                static_cast<std::size_t>(n) * width);
  };
  for (const std::int64_t end = row + rows; row < end;) {
    const Matrix& m = matrices[static_cast<std::size_t>(row / rows_per_matrix)];
    const std::int64_t i = row % rows_per_matrix;
    const std::int64_t n = std::min(end - row, rows_per_matrix - i);
    if (!transposed)
      drop_elements(m, (first + i) * stored_columns, n * stored_columns);
    else if (i == 0)
      drop_elements(m, 0, row_length * stored_columns);
    row += n;
  }
}

std::size_t StoredRows::bytes() const {
  return matrices.size() * static_cast<std::size_t>(rows_per_matrix * row_length) *
         stored_bytes(matrices.front().tensor->type);
}

CheckpointWeights::CheckpointWeights(const std::string& folder, std::array<std::int64_t, 2> fp8_block,
                                     Problems& problems)
    : fp8_block_(fp8_block) {
  FileList list;
  try {
    list = list_files(folder);
  } catch (const core::Error& e) {
    problems.emplace_back(e.what());
    return;
  }
  std::set<std::string> unreadable;
  for (const std::string& name : list.names) try {
      files_.push_back(std::make_unique<SafetensorsFile>((fs::path(folder) / name).string()));
      for (const StoredTensor& t : files_.back()->tensors())
        if (!tensors_.try_emplace(published_name(t.name), &t).second)
          problems.push_back(described(t) + ", but another tensor of that name is there already");
    } catch (const core::Error& e) {
      problems.emplace_back(e.what());
      unreadable.insert(name);
    }
  for (const auto& [tensor, file] : list.file_of)
    if (unreadable.contains(file)) absent_.emplace(published_name(tensor), file);
}

const StoredTensor* CheckpointWeights::find(const std::string& hf_name) const {
  const auto found = tensors_.find(hf_name);
  return found == tensors_.end() ? nullptr : found->second;
}

const StoredTensor* CheckpointWeights::use(const std::string& hf_name, Problems& problems) {
  const StoredTensor* t = find(hf_name);
  if (t == nullptr) {
    // Of a file that could not be opened one message is enough.
    if (!absent_.contains(hf_name)) problems.push_back("tensor " + hf_name + " is missing");
    return nullptr;
  }
  used_.insert(t);
  if (t->type != StoredType::other) return t;
  problems.push_back(described(*t) + " of type " + t->dtype + ", wanted F32, F16, BF16 or F8_E4M3");
  return nullptr;
}

bool CheckpointWeights::add_scales(StoredRows& rows, StoredRows::Matrix& matrix, std::int64_t number,
                                   const std::string& hf_name, Problems& problems) {
  const StoredTensor& t = *matrix.tensor;
  if (t.type != StoredType::f8_e4m3) return true;
  const StoredTensor* scales = use(hf_name + "_scale_inv", problems);
  if (scales == nullptr) return false;
  if (scales->type == StoredType::f8_e4m3) {
    problems.push_back(described(*scales) + " of type F8_E4M3, wanted F32, F16 or BF16");
    return false;
  }
  matrix.scales = scales;
  if (count(scales->shape) == 1) {  // one scale for all
    rows.block_rows = count(t.shape);
    rows.block_columns = count(t.shape);
    rows.scale_columns = 0;
    return true;
  }
  std::vector<std::int64_t> wanted = t.shape;
  if (wanted.size() < 2) wanted.insert(wanted.begin(), 1);
  std::int64_t& lines = wanted[wanted.size() - 2];
  lines = core::ceil_div(lines, fp8_block_[0]);
  wanted.back() = core::ceil_div(wanted.back(), fp8_block_[1]);
  if (!expect_shape(*scales, wanted, problems)) return false;
  rows.block_rows = fp8_block_[0];
  rows.block_columns = fp8_block_[1];
  rows.scale_columns = wanted.back();
  matrix.scales_offset = number * lines * wanted.back();
  return true;
}

std::optional<StoredRows> CheckpointWeights::locate_plain(const TensorSpec& spec, Problems& problems) {
  const StoredTensor* t = use(spec.hf_name, problems);
  if (t == nullptr || !expect_shape(*t, spec.shape, problems)) return std::nullopt;
  StoredRows rows;
  rows.row_length = rows.stored_columns = spec.shape.back();
  rows.rows_per_matrix = count(spec.shape) / rows.row_length;
  rows.matrices = {{t, 0, nullptr, 0}};
  if (!add_scales(rows, rows.matrices[0], 0, spec.hf_name, problems)) return std::nullopt;
  return rows;
}

// Stored [d, C, T, P, P], wanted [d, C, P, P] at one T: d * C matrices of T * P rows.
std::optional<StoredRows> CheckpointWeights::locate_slice(const TensorSpec& spec, Problems& problems) {
  const StoredTensor* t = use(spec.hf_name, problems);
  if (t == nullptr) return std::nullopt;
  const std::int64_t side = spec.shape.back();
  // How many temporal positions there are, the configuration knows; spec only which one it wants.
  const bool fits = t->shape.size() == 5 && t->shape[0] == spec.shape[0] && t->shape[1] == spec.shape[1] &&
                    t->shape[2] > spec.index && t->shape[3] == side && t->shape[4] == side;
  if (!fits || t->type == StoredType::f8_e4m3) {
    problems.push_back(described(*t) + " of type " + t->dtype + ", wanted [" + to_text(spec.shape[0]) + ", " +
                       to_text(spec.shape[1]) + ", more than " + to_text(spec.index) + ", " + to_text(side) +
                       ", " + to_text(side) + "] and no FP8");
    return std::nullopt;
  }
  StoredRows rows;
  rows.row_length = rows.stored_columns = rows.rows_per_matrix = side;
  rows.first = spec.index * side;
  for (std::int64_t m = 0; m < spec.shape[0] * spec.shape[1]; ++m)
    rows.matrices.push_back({t, m * t->shape[2] * side * side, nullptr, 0});
  return rows;
}

// Stored gate_up_proj and down_proj of all experts, as on the hub ([E, hidden, 2 * inter], [E, inter,
// hidden]) or as transformers 5 saves them ([E, 2 * inter, hidden], [E, hidden, inter]). Square ones are told
// by the other.
std::optional<StoredRows> CheckpointWeights::locate_fused(const TensorSpec& spec, Problems& problems) {
  const bool down = spec.transform == Transform::experts_down;
  const std::int64_t experts = spec.shape[0];
  const std::int64_t inter = spec.shape[down ? 2 : 1];
  const std::int64_t hidden = spec.shape[down ? 1 : 2];
  const std::string prefix = spec.hf_name.substr(0, spec.hf_name.rfind('.') + 1);
  const StoredTensor* other = find(prefix + (down ? "gate_up_proj" : "down_proj"));
  const StoredTensor* t = use(spec.hf_name, problems);
  if (t == nullptr) return std::nullopt;
  const std::vector<std::int64_t> hub_up = {experts, hidden, 2 * inter};
  const std::vector<std::int64_t> hub_down = {experts, inter, hidden};
  const std::vector<std::int64_t> saved_up = {experts, 2 * inter, hidden};
  const std::vector<std::int64_t> saved_down = {experts, hidden, inter};
  const bool hub = t->shape == (down ? hub_down : hub_up) &&
                   (other == nullptr || other->shape == (down ? hub_up : hub_down));
  const bool saved = t->shape == (down ? saved_down : saved_up) &&
                     (other == nullptr || other->shape == (down ? saved_up : saved_down));
  if (!hub && !saved) {
    problems.push_back(described(*t) + (other != nullptr ? " beside " + to_text(other->shape) : "") +
                       ", wanted gate_up_proj " + to_text(hub_up) + " with down_proj " + to_text(hub_down) +
                       ", or " + to_text(saved_up) + " with " + to_text(saved_down));
    return std::nullopt;
  }
  StoredRows rows;
  rows.transposed = hub;
  rows.stored_columns = t->shape[2];
  rows.first = spec.transform == Transform::experts_up ? inter : 0;
  rows.rows_per_matrix = spec.shape[1];
  rows.row_length = spec.shape[2];
  for (std::int64_t e = 0; e < experts; ++e) {
    rows.matrices.push_back({t, e * t->shape[1] * t->shape[2], nullptr, 0});
    if (!add_scales(rows, rows.matrices.back(), e, spec.hf_name, problems)) return std::nullopt;
  }
  return rows;
}

// Stored as one linear layer for each expert.
std::optional<StoredRows> CheckpointWeights::locate_experts(const TensorSpec& spec, Problems& problems) {
  const std::string prefix = spec.hf_name.substr(0, spec.hf_name.rfind('.') + 1);
  const std::string_view leaf = spec.transform == Transform::experts_gate ? ".gate_proj.weight"
                                : spec.transform == Transform::experts_up ? ".up_proj.weight"
                                                                          : ".down_proj.weight";
  StoredRows rows;
  rows.rows_per_matrix = spec.shape[1];
  rows.row_length = rows.stored_columns = spec.shape[2];
  bool whole = true;
  for (std::int64_t e = 0; e < spec.shape[0]; ++e) {
    const std::string name = prefix + to_text(e) + std::string(leaf);
    const StoredTensor* t = use(name, problems);
    if (t == nullptr || !expect_shape(*t, {spec.shape[1], spec.shape[2]}, problems)) {
      whole = false;
      continue;
    }
    rows.matrices.push_back({t, 0, nullptr, 0});
    whole = add_scales(rows, rows.matrices.back(), 0, name, problems) && whole;
  }
  if (!whole) return std::nullopt;
  return rows;
}

std::optional<StoredRows> CheckpointWeights::locate(const TensorSpec& spec, Problems& problems) {
  switch (spec.transform) {
    case Transform::none:
      return locate_plain(spec, problems);
    case Transform::temporal_slice:
      return locate_slice(spec, problems);
    default:
      break;
  }
  const std::string prefix = spec.hf_name.substr(0, spec.hf_name.rfind('.') + 1);
  const bool single = has(prefix + "0.gate_proj.weight") || has(prefix + "0.down_proj.weight");
  return single && !has(spec.hf_name) ? locate_experts(spec, problems) : locate_fused(spec, problems);
}

std::vector<std::string> CheckpointWeights::unused() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_)
    if (!used_.contains(tensor) && name != kHead) names.push_back(tensor->name);
  return names;
}

}  // namespace tarsier
