#include "convert/quantize.h"

#include <set>

#include "convert/output.h"
#include "convert/policy.h"
#include "convert/quantizer.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/reference.h"
#include "src/model/config_file.h"

namespace tarsier {
namespace {

// The tensors of the file in the order of specs.
std::vector<const core::GgufTensor*> match(const core::GgufReader& file, const std::vector<TensorSpec>& specs,
                                           std::vector<std::string>& warnings) {
  std::vector<std::string> problems;
  std::vector<const core::GgufTensor*> found;
  std::set<std::string> known;
  for (const TensorSpec& spec : specs) {
    known.insert(spec.name);
    found.push_back(file.find_tensor(spec.name));
    if (found.back() == nullptr)
      problems.push_back("tensor " + spec.name + " is missing");
    else if (found.back()->shape() != spec.shape)
      problems.push_back("tensor " + spec.name + " is " + core::to_text(found.back()->shape()) + ", wanted " +
                         core::to_text(spec.shape));
  }
  if (!problems.empty()) core::fail(listed(file.path() + " cannot be quantized:", problems));
  std::vector<std::string> extra;
  for (const core::GgufTensor& t : file.tensors())
    if (!known.contains(t.name)) extra.push_back(t.name);
  if (!extra.empty()) warnings.push_back(listed("tensors of the source are left out:", extra));
  return found;
}

TensorJob job_for(const core::GgufReader& file, const core::GgufTensor& t, core::DType dtype) {
  const auto bytes = file.data(t);
  const std::size_t stride = core::row_bytes(t.dtype, t.row_length());
  const auto rows_of = [bytes, stride](std::int64_t row, std::int64_t n) {
    return bytes.subspan(static_cast<std::size_t>(row) * stride, static_cast<std::size_t>(n) * stride);
  };
  TensorJob job;
  job.source_bytes = static_cast<double>(t.bytes);
  job.drop = [&file, rows_of](std::int64_t row, std::int64_t n) {
    const auto part = rows_of(row, n);
    file.file().drop(static_cast<std::size_t>(part.data() - file.file().bytes().data()), part.size());
  };
  if (t.dtype == dtype) {
    job.copy = rows_of;
    return job;
  }
  job.read = [rows_of, stride, stored = t.dtype, length = static_cast<std::size_t>(t.row_length())](
                 std::span<float> out, std::int64_t row) {
    const auto n = out.size() / length;
    const auto part = rows_of(row, static_cast<std::int64_t>(n));
    for (std::size_t r = 0; r < n; ++r)
      core::dequantize_row(out.subspan(r * length, length), stored, part.data() + r * stride);
  };
  return job;
}

}  // namespace

ConvertResult quantize(const QuantizeOptions& options, core::ProgressObserver* progress) {
  const TypePreset& text = type_preset(options.type);
  const TypePreset& vision = type_preset(options.vision_type);
  refuse_overwriting(options.output, options.source);
  const core::GgufReader file(options.source);
  const Config config = read_config(file);
  const auto specs = tensor_specs(config);
  ConvertResult result;
  const auto tensors = match(file, specs, result.warnings);

  core::GgufWriter writer;
  write_header(writer, text);
  write_config(writer, config);
  write_tokenizer(writer, read_tokenizer(file), config.text.vocab_size);
  for (const auto& [key, value] : file.metadata())
    if (!writer.has(key)) writer.set(key, value);
  std::vector<TensorJob> jobs;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const core::DType dtype = format_for(specs[i], config, text, vision);
    TensorJob job = job_for(file, *tensors[i], dtype);
    job.number = writer.add_tensor(specs[i].name, dtype, specs[i].shape);
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
