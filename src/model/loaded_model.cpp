#include "src/model/loaded_model.h"

#include "src/model/config_file.h"

namespace tarsier {

LoadedModel::LoadedModel(const std::string& path)
    : file(path), config(read_config(file)), weights(file, config), tokenizer(read_tokenizer(file)) {}

}  // namespace tarsier
