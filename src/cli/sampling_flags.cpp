#include "src/cli/sampling_flags.h"

#include <CLI/CLI.hpp>
#include <string>

namespace tarsier::cli {

SamplingFlags::SamplingFlags(CLI::App& app) {
  for (const SamplingField& field : kSamplingFields)
    std::visit(
        [&](auto member) {
          CLI::Option* option = app.add_option("--" + std::string(field.name), given_.*member, field.meaning);
          option->default_str(field.otherwise)->type_name("N")->group("Sampling");
          options_.push_back(option);
        },
        field.member);
}

SamplingOptions SamplingFlags::apply(SamplingOptions defaults) const {
  for (std::size_t i = 0; i < options_.size(); ++i)
    if (options_[i]->count() > 0)
      std::visit([&](auto member) { defaults.*member = given_.*member; }, kSamplingFields[i].member);
  check(defaults);
  return defaults;
}

}  // namespace tarsier::cli
