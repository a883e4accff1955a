// Reads the tokenizer files of a checkpoint.
#pragma once

#include <string>

#include "src/input/tokenizer.h"

namespace tarsier {

// tokenizer.json with a byte-level BPE model. Error: who, what, found, wanted.
TokenizerData read_tokenizer_json(const std::string& path);
// tokenizer.model: a serialized SentencePiece model.
TokenizerData read_tokenizer_model(const std::string& path);

}  // namespace tarsier
