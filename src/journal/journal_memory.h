#pragma once

#include <cstddef>

#include "base/result.h"

namespace pyember::journal {

struct Layout;

// The memory itself, and the pipe that output is staged in. Pages take room when they are written
// to for the first time, so what is never used of it costs nothing.
class JournalMemory {
 public:
  // Zeroed. Shared: a file in memory, which processes that are forked or given the descriptors use
  // together; else this process's own, without a staging pipe.
  enum class Kind { Shared, Private };
  static Result<JournalMemory> make(Kind kind);

  // Over descriptors that another program made with make(Shared); an error when its layout is
  // another version's. The descriptors are ours from then on.
  static Result<JournalMemory> open(int memory, int staging_read, int staging_write);

  ~JournalMemory();
  JournalMemory(JournalMemory&& other) noexcept;
  JournalMemory& operator=(JournalMemory&&) = delete;

  Layout& layout() const { return *layout_; }
  int memory_descriptor() const { return memory_; }
  // -1 without one.
  int staging_read() const { return staging_read_; }
  int staging_write() const { return staging_write_; }

 private:
  JournalMemory() = default;

  Layout* layout_ = nullptr;
  int memory_ = -1;
  int staging_read_ = -1;
  int staging_write_ = -1;
};

// Makes bytes of the memory zero again, and gives large amounts back to the system.
void clear(char* begin, std::size_t size);

}  // namespace pyember::journal
