// Configuration and tokenizer in a GGUF file: the keys of gguf-spec.md. Fields come from config_fields and
// processor_fields, so that reading, writing and the specification cannot drift apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ggml-like-core/gguf/reader.h"
#include "ggml-like-core/gguf/writer.h"
#include "src/input/tokenizer.h"
#include "src/model/config.h"
#include "src/model/model_files.h"

namespace tarsier {

// tarsier.version of the files that are written. A reader refuses a higher one.
inline constexpr std::uint32_t kFileVersion = 1;

// Error: no model that this program knows (architecture found, wanted), missing keys (all of them),
// impossible numbers (check), a pair that does not fit together. Keys under tarsier.* may be missing:
// gguf-spec.md states what then holds.
Config read_config(const ModelFiles& files);
void write_config(core::GgufWriter& file, const Config& config);

// Error: no tokenizer, or lists that do not fit together.
TokenizerData read_tokenizer(const core::GgufReader& file);
// vocab_rows: rows of the embedding; those beyond the tokenizer become unused tokens "[PAD<id>]".
void write_tokenizer(core::GgufWriter& file, const TokenizerData& tokenizer, int vocab_rows);

// Whether a key is one of the vision tower's or the processor's: only models that see have it.
bool is_vision_key(std::string_view key);

// "{arch}.block_count" -> "qwen3vl.block_count".
std::string file_key(std::string_view key, const std::string& architecture);

// Calls visit(gguf_key, key of preprocessor_config.json or video_preprocessor_config.json, is_video, field)
// for every setting of the processor but mean and deviation (clip.vision.image_mean, image_std). Visitor:
// overloads for int&, std::int64_t&, double&, bool&.
template <class AProcessor, class Visit>
void processor_fields(AProcessor& p, Visit&& visit) {
  visit("tarsier.processor.patch_size", "patch_size", false, p.patch_size);
  visit("tarsier.processor.temporal_patch_size", "temporal_patch_size", false, p.temporal_patch_size);
  visit("tarsier.processor.merge_size", "merge_size", false, p.merge_size);
  visit("tarsier.processor.do_resize", "do_resize", false, p.do_resize);
  visit("tarsier.processor.do_rescale", "do_rescale", false, p.do_rescale);
  visit("tarsier.processor.do_normalize", "do_normalize", false, p.do_normalize);
  visit("tarsier.processor.rescale_factor", "rescale_factor", false, p.rescale_factor);
  visit("tarsier.image.min_pixels", "size.shortest_edge", false, p.image.min_pixels);
  visit("tarsier.image.max_pixels", "size.longest_edge", false, p.image.max_pixels);
  visit("tarsier.video.min_pixels", "size.shortest_edge", true, p.video.min_pixels);
  visit("tarsier.video.max_pixels", "size.longest_edge", true, p.video.max_pixels);
  visit("tarsier.video.fps", "fps", true, p.video_fps);
  visit("tarsier.video.min_frames", "min_frames", true, p.min_frames);
  visit("tarsier.video.max_frames", "max_frames", true, p.max_frames);
  visit("tarsier.video.cap_pixels_per_frame", "cap_pixels_per_frame", true, p.cap_pixels_per_frame);
  visit("tarsier.video.max_video_tokens", "max_video_tokens", true, p.max_video_tokens);
}

}  // namespace tarsier
