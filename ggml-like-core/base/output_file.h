// A file that appears whole or not at all: written beside its final name, flushed to disk, then renamed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace core {

// Not thread-safe, but write_at of disjoint ranges may run in parallel, and so may several files. Destroyed
// without commit(), or removed by remove_unfinished_outputs(), nothing stays.
class OutputFile {
 public:
  enum class For { everybody, owner };  // who may read it
  // Creates path + ".part-PID". expected_bytes: checked against the free space of the file system first (0:
  // unknown). Errors: the folder does not exist or cannot be written, path is a folder, too little space
  // (found and wanted bytes).
  explicit OutputFile(const std::string& path, std::uint64_t expected_bytes = 0,
                      For readers = For::everybody);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void append(std::span<const std::byte> bytes);                          // at the end of what was appended
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);  // does not move the end
  std::uint64_t size() const { return size_; }

  // fsync, rename to path, fsync of the folder. Errors leave what was at path before as it was.
  void commit();

 private:
  std::string path_;
  std::string part_;
  int fd_ = -1;
  int slot_ = -1;  // where the part file is noted for remove_unfinished_outputs()
  std::uint64_t size_ = 0;
};

// Makes the name of a new file survive a power cut, where the file system can.
void sync_folder_of(const std::string& path);

// Unlinks the part files of this process. Async-signal-safe: for handlers of SIGINT and SIGTERM.
void remove_unfinished_outputs();

}  // namespace core
