#include "convert/convert.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "convert/hf_config.h"
#include "convert/hf_tokenizer.h"
#include "convert/output.h"
#include "convert/policy.h"
#include "convert/quantizer.h"
#include "convert/source.h"
#include "ggml-like-core/base/error.h"
#include "src/model/config_file.h"

namespace tarsier {
namespace {

namespace fs = std::filesystem;

std::string folder_name(const std::string& folder) {
  fs::path path = fs::weakly_canonical(folder);
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

// Everything about the source that has to be right before the first byte is written.
struct Source {
  HfConfig hf;
  TokenizerData tokenizer;
  std::vector<TensorSpec> specs;
  std::vector<StoredRows> rows;  // of specs
  std::unique_ptr<CheckpointWeights> weights;
};

void find_tensors(Source& source, std::vector<std::string>& problems, std::vector<std::string>& warnings) {
  Config& c = source.hf.config;
  // Where the two configurations do not agree, the weights do: tied models need no head.
  source.specs = tensor_specs(c);
  for (const TensorSpec& spec : source.specs) {
    auto rows = source.weights->locate(spec, problems);
    if (rows) source.rows.push_back(std::move(*rows));
  }
  const auto unused = source.weights->unused();
  if (!unused.empty()) warnings.push_back(listed("tensors of the source are not used:", unused));
}

Source open_source(const ConvertOptions& options, std::vector<std::string>& warnings) {
  std::vector<std::string> problems;
  Source source;
  source.hf = read_hf_config(options.source, options.config_name, problems, warnings);
  Config& c = source.hf.config;
  c.name = options.name.empty() ? folder_name(options.source) : options.name;
  try {
    source.tokenizer = read_hf_tokenizer(options.source);
    complete_from_tokenizer(c, source.tokenizer);
  } catch (const core::Error& e) {
    problems.emplace_back(e.what());
  }
  // Tensors can be named only by a possible configuration.
  const bool possible = problems.empty();
  source.weights = std::make_unique<CheckpointWeights>(options.source, source.hf.fp8_block, problems);
  try {
    check(c, (fs::path(options.source) / options.config_name).string());
    find_tensors(source, problems, warnings);
  } catch (const core::Error& e) {
    if (possible) problems.emplace_back(e.what());
  }
  if (!problems.empty()) core::fail(listed(options.source + " cannot be converted:", problems));
  return source;
}

}  // namespace

ConvertResult convert(const ConvertOptions& options, core::ProgressObserver* progress) {
  const TypePreset& text = type_preset(options.type);
  const TypePreset& vision = type_preset(options.vision_type);
  ConvertResult result;
  const Source source = open_source(options, result.warnings);
  const Config& c = source.hf.config;
  for (const auto& file : source.weights->files()) refuse_overwriting(options.output, file->path());

  core::GgufWriter writer;
  write_header(writer, text.file_type);
  write_config(writer, c);
  write_tokenizer(writer, source.tokenizer, c.text.vocab_size);
  std::vector<TensorJob> jobs;
  for (std::size_t i = 0; i < source.specs.size(); ++i) {
    const TensorSpec& spec = source.specs[i];
    const StoredRows& rows = source.rows[i];
    TensorJob job;
    job.number = writer.add_tensor(
        spec.name, laid_out(spec, format_for(spec, c, text, vision), options.tiles), spec.shape);
    job.read = [&rows](std::span<float> out, std::int64_t row) { rows.read(out, row); };
    job.drop = [&rows](std::int64_t row, std::int64_t n) { rows.drop(row, n); };
    job.source_bytes = static_cast<double>(rows.bytes());
    result.source_bytes += job.source_bytes;
    result.output_bytes += static_cast<double>(writer.tensor(job.number).bytes);
    jobs.push_back(std::move(job));
  }
  writer.begin(options.output);
  const auto more = write_tensors(writer, jobs, {options.threads, options.cancel, progress});
  result.warnings.insert(result.warnings.end(), more.begin(), more.end());
  writer.commit();
  return result;
}

}  // namespace tarsier
