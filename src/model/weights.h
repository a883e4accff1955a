// The weights of an open model, by name: views of the mapped file, checked against the list of tensors.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "ggml-like-core/graph/tensor.h"
#include "src/model/config.h"
#include "src/model/model_files.h"

namespace tarsier {

// Immutable. The files must outlive it.
class Weights {
 public:
  // Throws one Error listing all missing, extra and misshapen tensors and types that do not fit.
  Weights(const ModelFiles& files, const Config& config);

  const core::Weight& operator[](std::string_view name) const;
  // name + ".weight" and name + ".bias".
  const core::Weight& weight(const std::string& name) const { return (*this)[name + ".weight"]; }
  const core::Weight& bias(const std::string& name) const { return (*this)[name + ".bias"]; }
  // output.weight, or the embedding where the head is tied to it.
  const core::Weight& head() const;
  // What divides the frequencies of the rotary embedding; empty: nothing.
  std::span<const float> rope_factors() const;
  std::uint64_t bytes() const { return bytes_; }
  const std::map<std::string, core::Weight, std::less<>>& all() const { return weights_; }

 private:
  std::map<std::string, core::Weight, std::less<>> weights_;
  std::uint64_t bytes_ = 0;
};

}  // namespace tarsier
