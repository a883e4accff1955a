// A flag for every row of the list of sampling settings (src/run/sampling_fields.h).
#pragma once

#include <CLI/App.hpp>
#include <vector>

#include "src/run/sampling_fields.h"

namespace tarsier::cli {

// The flags of one command. Must outlive the parsing.
class SamplingFlags {
 public:
  explicit SamplingFlags(CLI::App& app);
  SamplingFlags(const SamplingFlags&) = delete;
  SamplingFlags& operator=(const SamplingFlags&) = delete;

  // defaults, changed where a flag was given. Error: out of range.
  SamplingOptions apply(SamplingOptions defaults) const;

 private:
  SamplingOptions given_;
  std::vector<const CLI::Option*> options_;  // [field]
};

}  // namespace tarsier::cli
