#include "src/model/weights.h"

#include <set>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/model/tensors.h"

namespace tarsier {
namespace {

constexpr std::size_t kMostProblems = 20;  // lines of one message

bool must_be_f32(Role role) { return role == Role::norm || role == Role::bias; }

// Rows and columns as kernels see them: [experts, rows, cols], [rows, cols], [n], and the patch projection
// [d, C, P, P] as [d, C * P * P].
core::Weight view(const TensorSpec& spec, const core::GgufTensor& tensor, const std::byte* data) {
  core::Weight w{.name = spec.name, .dtype = tensor.dtype, .experts = 1, .rows = 1, .cols = 0, .data = data};
  const auto& s = spec.shape;
  if (s.size() == 1) w.cols = s[0];
  if (s.size() == 2) w.rows = s[0], w.cols = s[1];
  if (s.size() == 3) w.experts = s[0], w.rows = s[1], w.cols = s[2];
  if (s.size() == 4) w.rows = s[0], w.cols = s[1] * s[2] * s[3];
  return w;
}

}  // namespace

Weights::Weights(const ModelFiles& files, const Config& config) {
  std::vector<std::string> problems;
  std::set<std::string, std::less<>> known;
  for (const TensorSpec& spec : tensor_specs(config)) {
    known.insert(spec.name);
    const core::GgufReader& file = files.holder(spec.name);
    const core::GgufTensor* tensor = file.find_tensor(spec.name);
    if (tensor == nullptr) {
      problems.push_back(spec.name + ": missing");
    } else if (tensor->shape() != spec.shape) {
      problems.push_back(spec.name + ": found " + core::to_text(tensor->shape()) + ", wanted " +
                         core::to_text(spec.shape));
    } else if (!core::format_index(tensor->dtype) ||
               (must_be_f32(spec.role) && tensor->dtype != core::DType::f32)) {
      problems.push_back(spec.name + ": found type " +
                         std::to_string(static_cast<std::uint32_t>(tensor->dtype)) + ", wanted " +
                         (must_be_f32(spec.role) ? "F32" : "a type of the list in gguf-spec.md"));
    } else {
      weights_.emplace(spec.name, view(spec, *tensor, file.data(*tensor).data()));
      bytes_ += tensor->bytes;
    }
  }
  const auto unknown = [&](const core::GgufReader& file) {
    for (const core::GgufTensor& tensor : file.tensors())
      if (!known.contains(tensor.name) || &files.holder(tensor.name) != &file)
        problems.push_back(tensor.name + ": not a tensor of this model");
  };
  unknown(files.text());
  if (files.is_pair()) unknown(files.vision());
  if (problems.empty()) return;
  std::string text;
  for (std::size_t i = 0; i < problems.size() && i < kMostProblems; ++i) text += "\n  " + problems[i];
  if (problems.size() > kMostProblems)
    text += "\n  and " + std::to_string(problems.size() - kMostProblems) + " more";
  core::fail(files.path(), files.is_pair() ? " with " + files.vision().path() : "", ": ", problems.size(),
             " tensors do not fit the model that it says it is:", text);
}

const core::Weight& Weights::operator[](std::string_view name) const {
  const auto at = weights_.find(name);
  core::bug_if(at == weights_.end(), "a weight that is not in the list of tensors");
  return at->second;
}

std::span<const float> Weights::rope_factors() const {
  const auto at = weights_.find("rope_freqs.weight");
  if (at == weights_.end()) return {};
  return {at->second.floats(), static_cast<std::size_t>(at->second.cols)};
}

const core::Weight& Weights::head() const {
  const auto at = weights_.find("output.weight");
  return at == weights_.end() ? (*this)["token_embd.weight"] : at->second;
}

}  // namespace tarsier
