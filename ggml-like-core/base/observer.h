// How the library tells its caller what it is doing. The library never prints.
#pragma once

#include <string_view>

namespace core {

// Progress of one long step. Calls come from one thread at a time, in order.
class ProgressObserver {
 public:
  virtual ~ProgressObserver() = default;
  // step: "load", "image", "prompt", "convert". done, total: in the same unit (bytes, weighted work); done ==
  // total once, at the end.
  virtual void progress(std::string_view step, double done, double total) = 0;
};

}  // namespace core
