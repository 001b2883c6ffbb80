#pragma once

#include <cstdint>
#include <string>

#include "base/descriptor.h"


// The two pieces of memory that server and worker share without talking. Their sizes are sealed: a
// worker that could shrink them would make the server's next access a SIGBUS.
namespace pyember::host {

// The page whose first number is the cell to be stopped (docs/workers.md). Mapped for its life.
class StopPage {
 public:
  StopPage();  // without one (valid() is false) when descriptors or memory have run out
  ~StopPage();
  StopPage(const StopPage&) = delete;
  StopPage& operator=(const StopPage&) = delete;

  bool valid() const { return number_ != nullptr; }
  int descriptor() const { return file_.get(); }
  // The mapping stays; for when the worker has got the descriptor.
  void close_descriptor() { file_.close(); }
  void stop_cell(std::uint64_t number);

 private:
  Descriptor file_;
  std::uint64_t* number_ = nullptr;
};

// Where faulthandler writes the Python stack of a fatal signal; holds limits::kCrashTextBytes.
class CrashFile {
 public:
  CrashFile();
  bool valid() const { return file_.valid(); }
  int descriptor() const { return file_.get(); }
  std::string text() const;  // valid UTF-8; empty when nothing was written

 private:
  Descriptor file_;
};

}  // namespace pyember::host
