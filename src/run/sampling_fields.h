// The only list of sampling settings that front ends offer: name, field, meaning. Command lines, /set and
// requests read from it.
#pragma once

#include <cstdint>
#include <variant>

#include "src/run/sampler.h"

namespace tarsier {

struct SamplingField {
  const char* name;  // of the flag without dashes
  const char* meaning;
  const char* otherwise;  // what holds when it is not given
  std::variant<double SamplingOptions::*, int SamplingOptions::*, std::uint64_t SamplingOptions::*> member;
};

inline constexpr const char* kCheckpoints = "the checkpoint's";
inline constexpr SamplingField kSamplingFields[] = {
    {"temperature", "Randomness; 0 takes the most likely token", kCheckpoints, &SamplingOptions::temperature},
    {"top-k", "Choose among the K most likely tokens; 0 turns it off", kCheckpoints, &SamplingOptions::top_k},
    {"top-p", "Choose among the most likely tokens that together have this probability; 1 turns it off",
     kCheckpoints, &SamplingOptions::top_p},
    {"min-p", "Leave out tokens less likely than this share of the most likely one; 0 turns it off",
     kCheckpoints, &SamplingOptions::min_p},
    {"repetition-penalty", "Divides the scores of tokens of prompt and answer; 1 turns it off", kCheckpoints,
     &SamplingOptions::repetition_penalty},
    {"presence-penalty", "Subtracted once from the score of a token that the answer has", "0",
     &SamplingOptions::presence_penalty},
    {"frequency-penalty", "Subtracted for each time the answer has the token", "0",
     &SamplingOptions::frequency_penalty},
    {"seed", "Of the random numbers; the same seed gives the same answer", "a new one each time",
     &SamplingOptions::seed},
};

}  // namespace tarsier
