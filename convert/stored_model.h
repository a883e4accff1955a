// A model that lies in GGUF files already, as the source of other files.
#pragma once

#include <string>
#include <vector>

#include "convert/quantizer.h"
#include "src/model/model_files.h"
#include "src/model/tensors.h"

namespace tarsier {

// The tensors of the files in the order of specs. extra gets the names of those that specs do not list.
// Error: one message with all that are missing or misshapen.
std::vector<const core::GgufTensor*> find_tensors(const ModelFiles& files,
                                                  const std::vector<TensorSpec>& specs,
                                                  std::vector<std::string>& extra);

// Writes a tensor of file as dtype: its bytes as they are where it has that format, else through floats.
// number: of the writer. file must outlive the job.
TensorJob stored_job(const core::GgufReader& file, const core::GgufTensor& tensor, core::DType dtype,
                     std::size_t number);

}  // namespace tarsier
