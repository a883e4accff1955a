// The tokenizer files of a checkpoint's folder.
#pragma once

#include <string>

#include "src/input/tokenizer.h"
#include "src/model/config.h"

namespace tarsier {

// tokenizer.json, or where there is none tokenizer.model with the added tokens of tokenizer_config.json.
// Error: neither is there, or damaged.
TokenizerData read_hf_tokenizer(const std::string& folder);

// What the configuration takes from the tokenizer: the ids of <|im_start|> and <|im_end|>, and the latter as
// the end of a turn where no file names one.
void complete_from_tokenizer(Config& config, const TokenizerData& tokenizer);

}  // namespace tarsier
