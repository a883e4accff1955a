// config.json, generation_config.json, the processor's files and the chat template of a checkpoint, as
// transformers 4.57 or 5 wrote them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "src/model/config.h"

namespace tarsier {

struct HfConfig {
  Config config;  // without what the tokenizer knows: special.im_start, im_end
  std::array<std::int64_t, 2> fp8_block = {128, 128};
};

// config_name: "config.json". Error: the folder or that file is not there, or describes no model of this
// family (found, wanted). Everything else that is wrong is appended to problems, what was assumed to
// warnings.
HfConfig read_hf_config(const std::string& folder, const std::string& config_name,
                        std::vector<std::string>& problems, std::vector<std::string>& warnings);

}  // namespace tarsier
