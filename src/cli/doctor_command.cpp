// tarsier doctor: what this machine and terminal have, and which models will run how fast.
#include <chafa.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ggml-like-core/backend/cpu/machine_limits.h"
#include "ggml-like-core/base/cpu_features.h"
#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/system_memory.h"
#include "ggml-like-core/base/thread_team.h"
#include "ggml-like-core/kernels/select.h"
#include "src/chat/store.h"
#include "src/cli/commands.h"
#include "src/cli/common_flags.h"
#include "src/cli/published_models.h"
#include "src/cli/terminal.h"
#include "src/engine.h"
#include "src/input/video_file.h"
#include "src/terminal/abilities.h"
#include "src/terminal/code_colours.h"
#include "src/terminal/line_editor.h"

namespace tarsier::cli {
namespace {

using nlohmann::ordered_json;

// Of the machine's memory speed that decoding reaches (bench/RESULTS.md).
constexpr double kReached = 0.8;
constexpr const char* kTypes[] = {"q4_k", "q8_0", "bf16"};
constexpr int kContext = 8192;

struct DoctorFlags {
  std::vector<std::string> models;
  bool json = false;
};

struct Row {
  std::string name;
  double bytes = 0, needed = 0, tokens_per_second = 0;
  bool fits = false;
};

std::vector<Row> published_rows(const core::MachineLimits& limits, double memory) {
  std::vector<Row> out;
  for (const PublishedModel& model : published_models())
    for (const char* type : kTypes) {
      const FileSize size = file_size(model.config, type_preset(type));
      const double kv = static_cast<double>(KvCache::bytes(model.config.text, kContext, core::DType::f16));
      const double bytes = static_cast<double>(size.all);
      out.push_back({.name = fmt::format("{} {}", model.name, type),
                     .bytes = bytes,
                     .needed = bytes + kv,
                     .tokens_per_second = kReached * limits.bytes / static_cast<double>(size.per_token),
                     .fits = bytes + kv < memory});
    }
  return out;
}

// A file that is there: as measured by its own sizes. Experts count in full: the estimate is the least.
Row file_row(const std::string& path, const core::MachineLimits& limits, double memory) {
  const auto model = Model::open(path, {}, Fetch::nothing);
  const MemoryNeed need = memory_need(*model, {});
  const auto weights = static_cast<double>(need.weights);
  return {.name = path,
          .bytes = weights,
          .needed = static_cast<double>(need.total()),
          .tokens_per_second = kReached * limits.bytes / weights,
          .fits = static_cast<double>(need.total()) < memory};
}

ordered_json to_json(const Row& row) {
  return {{"name", row.name},
          {"bytes", row.bytes},
          {"needed", row.needed},
          {"fits", row.fits},
          {"tokens_per_second", row.tokens_per_second}};
}

std::string to_text(const std::vector<Row>& rows) {
  std::string out;
  for (const Row& row : rows)
    out += fmt::format("  {:<16} {:>8} {:>9}  {}\n", row.name, bytes_text(row.bytes), bytes_text(row.needed),
                       row.fits ? fmt::format("about {:.{}f} tokens a second", row.tokens_per_second,
                                              row.tokens_per_second < 9.95 ? 1 : 0)
                                : "does not fit");
  return out;
}

const char* program(const char* name) {
  const std::string command = fmt::format("command -v {} >/dev/null 2>&1", name);
  return std::system(command.c_str()) == 0 ? "there" : "not there";
}

const char* yes(bool there) { return there ? "yes" : "no"; }

int doctor(const DoctorFlags& flags) {
  exit_on_interrupt();
  core::ThreadTeam team;
  const core::KernelTable& table = core::selected_table();
  const core::MachineLimits limits = core::measure_limits(table, team);
  const auto memory = static_cast<double>(core::available_memory());
  const terminal::Abilities can = terminal::abilities(std::getenv);
  std::vector<Row> files;
  for (const std::string& path : flags.models) files.push_back(file_row(path, limits, memory));
  const std::vector<Row> published = published_rows(limits, memory);
  const char* colours[] = {"none", "palette", "24 bits"};
  const char* colour = colours[static_cast<int>(can.colours)];
  if (flags.json) {
    ordered_json models = ordered_json::array();
    for (const Row& row : files) models.push_back(to_json(row));
    for (const Row& row : published) models.push_back(to_json(row));
    const ordered_json out = {{"kernels", table.name},
                              {"processor", core::cpu_features_text(core::cpu_features())},
                              {"threads", team.threads()},
                              {"memory_available", memory},
                              {"memory_bytes_per_second", limits.bytes},
                              {"int8_ops_per_second", limits.int8_ops},
                              {"f32_ops_per_second", limits.f32_ops},
                              {"pictures", terminal::name_of(can.pictures)},
                              {"colours", colour},
                              {"state", chat::state_folder()},
                              {"models", models}};
    print(out.dump(1) + "\n");
    return kOk;
  }
  std::string out = "Processor\n";
  out += fmt::format("  instructions     {}\n", core::cpu_features_text(core::cpu_features()));
  out += fmt::format("  kernels          {}\n  threads          {}\n", table.name, team.threads());
  out += fmt::format("  products         {:.0f} G int8, {:.0f} G f32 a second\n", limits.int8_ops / 1e9,
                     limits.f32_ops / 1e9);
  out += fmt::format("Memory\n  available        {}\n  read             {:.1f} GB/s\n", bytes_text(memory),
                     limits.bytes / 1e9);
  out += fmt::format("Terminal\n  pictures         {}{}\n  colours          {}\n",
                     terminal::name_of(can.pictures), can.through_tmux ? " through tmux" : "", colour);
  out += fmt::format("  clipboard        wl-copy {}, xclip {}\n", program("wl-copy"), program("xclip"));
  out += fmt::format("Libraries\n  line editing     {}\n  chafa            {}.{}.{}\n",
                     terminal::line_editor_library(), CHAFA_MAJOR_VERSION, CHAFA_MINOR_VERSION,
                     CHAFA_MICRO_VERSION);
  out += fmt::format("  code in colours  {}\n  video files      {}\n", yes(terminal::code_has_colours()),
                     yes(reads_video_files()));
  out += fmt::format("Sessions\n  folder           {}\n", chat::state_folder());
  out += fmt::format("Models           {:>9} {:>9}  with {} tokens of context\n", "file", "memory", kContext);
  print(out + to_text(files) + to_text(published));
  return kOk;
}

}  // namespace

void add_doctor_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "doctor", "Says what this machine and terminal have, and which models will run how fast");
  const auto flags = std::make_shared<DoctorFlags>();
  command->add_option("model", flags->models, "Model files to say the same of")->type_name("FILE");
  command->add_flag("--json", flags->json, "Print one JSON object");
  command->callback([flags, &action] { action = [flags] { return doctor(*flags); }; });
}

}  // namespace tarsier::cli
