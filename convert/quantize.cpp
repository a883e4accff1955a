#include "convert/quantize.h"

#include "convert/output.h"
#include "convert/policy.h"
#include "convert/stored_model.h"
#include "src/model/config_file.h"

namespace tarsier {
namespace {

// Nothing: every tensor keeps its type.
const TypePreset* preset_or_same(const std::string& name) {
  return name == "same" ? nullptr : &type_preset(name);
}

}  // namespace

ConvertResult quantize(const QuantizeOptions& options, core::ProgressObserver* progress) {
  const TypePreset* text = preset_or_same(options.type);
  const std::string unless_given = text == nullptr ? "same" : ConvertOptions{}.vision_type;
  const TypePreset* vision = preset_or_same(options.vision_type.empty() ? unless_given : options.vision_type);
  refuse_overwriting(options.output, options.source);
  const ModelFiles files(options.source);
  const core::GgufReader& file = files.text();
  const Config config = read_config(files);
  const auto specs = tensor_specs(config);
  ConvertResult result;
  std::vector<std::string> extra;
  const auto tensors = find_tensors(files, specs, extra);
  if (!extra.empty()) result.warnings.push_back(listed("tensors of the source are left out:", extra));

  core::GgufWriter writer;
  constexpr std::string_view kFileType = "general.file_type";
  const bool keeps = text == nullptr && file.has(kFileType);
  write_header(writer, text != nullptr ? text->file_type
                       : keeps         ? static_cast<std::uint32_t>(file.integer(kFileType))
                                       : 0);
  write_config(writer, config);
  write_tokenizer(writer, read_tokenizer(file), config.text.vocab_size);
  for (const auto& [key, value] : file.metadata())
    if (!writer.has(key)) writer.set(key, value);
  std::vector<TensorJob> jobs;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const TypePreset* preset = is_vision_name(specs[i].name) ? vision : text;
    const core::DType same = tensors[i]->dtype;
    const core::DType dtype = laid_out(
        specs[i], preset == nullptr ? same : format_for(specs[i], config, *preset, *preset), options.tiles);
    const std::size_t number = writer.add_tensor(specs[i].name, dtype, specs[i].shape);
    jobs.push_back(stored_job(file, *tensors[i], dtype, number));
    result.source_bytes += jobs.back().source_bytes;
    result.output_bytes += static_cast<double>(writer.tensor(number).bytes);
  }
  writer.begin(options.output);
  const auto more = write_tensors(writer, jobs, {options.threads, options.cancel, progress});
  result.warnings.insert(result.warnings.end(), more.begin(), more.end());
  writer.commit();
  return result;
}

}  // namespace tarsier
