#include "convert/stored_model.h"

#include <set>

#include "convert/output.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/quant/reference.h"

namespace tarsier {

std::vector<const core::GgufTensor*> find_tensors(const ModelFiles& files,
                                                  const std::vector<TensorSpec>& specs,
                                                  std::vector<std::string>& extra) {
  std::vector<std::string> problems;
  std::vector<const core::GgufTensor*> found;
  std::set<std::string> known;
  for (const TensorSpec& spec : specs) {
    known.insert(spec.name);
    found.push_back(files.holder(spec.name).find_tensor(spec.name));
    if (found.back() == nullptr)
      problems.push_back("tensor " + spec.name + " is missing");
    else if (found.back()->shape() != spec.shape)
      problems.push_back("tensor " + spec.name + " is " + core::to_text(found.back()->shape()) + ", wanted " +
                         core::to_text(spec.shape));
    else if (!core::format_index(found.back()->dtype))
      problems.push_back("tensor " + spec.name + " is of type " +
                         std::to_string(static_cast<std::uint32_t>(found.back()->dtype)) +
                         ", wanted a type of the list in gguf-spec.md");
  }
  if (!problems.empty()) core::fail(listed(files.path() + " cannot be written anew:", problems));
  for (const core::GgufReader* file : {&files.text(), &files.vision()}) {
    for (const core::GgufTensor& t : file->tensors())
      if (!known.contains(t.name)) extra.push_back(t.name);
    if (!files.is_pair()) break;
  }
  return found;
}

TensorJob stored_job(const core::GgufReader& file, const core::GgufTensor& t, core::DType dtype,
                     std::size_t number) {
  const auto bytes = file.data(t);
  const std::size_t stride = core::row_bytes(t.dtype, t.row_length());
  const auto rows_of = [bytes, stride](std::int64_t row, std::int64_t n) {
    return bytes.subspan(static_cast<std::size_t>(row) * stride, static_cast<std::size_t>(n) * stride);
  };
  TensorJob job;
  job.number = number;
  job.source_bytes = static_cast<double>(t.bytes);
  job.drop = [&file, rows_of](std::int64_t row, std::int64_t n) {
    const auto part = rows_of(row, n);
    file.file().drop(static_cast<std::size_t>(part.data() - file.file().bytes().data()), part.size());
  };
  const core::DType row_dtype = core::info(t.dtype).row;
  if (row_dtype == core::info(dtype).row) {
    job.copy = rows_of;
    job.copied = t.dtype;
    return job;
  }
  job.read = [rows_of, stride, stored = t.dtype, row_dtype,
              length = static_cast<std::size_t>(t.row_length())](std::span<float> out, std::int64_t row) {
    const auto n = out.size() / length;
    auto part = rows_of(row, static_cast<std::int64_t>(n));
    std::vector<std::byte> rows;
    if (stored != row_dtype) {
      rows.resize(part.size());
      core::tiles_to_rows(rows, part, stored, static_cast<std::int64_t>(length));
      part = rows;
    }
    for (std::size_t r = 0; r < n; ++r)
      core::dequantize_row(out.subspan(r * length, length), row_dtype, part.data() + r * stride);
  };
  return job;
}

}  // namespace tarsier
