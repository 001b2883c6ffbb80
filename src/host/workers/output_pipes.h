#pragma once

#include <array>

#include "base/descriptor.h"


namespace pyember::host {

// The two pipes that bring a worker's descriptors 1 and 2 to the server, for the life of its
// session and for every process it has. The read ends are non-blocking. The write ends stay open
// here, so that the loop sees no end of file while a session has no process.
class OutputPipes {
 public:
  OutputPipes();  // without pipes (valid() is false) when descriptors have run out

  bool valid() const;
  int read_end(int stream) const { return pipes_[index(stream)].read.get(); }
  Descriptor copy_of_write_end(int stream) const;
  // Nothing waits in either of them.
  bool empty() const;
  // Drops what waits in them.
  void discard();

 private:
  struct Pipe {
    Descriptor read;
    Descriptor write;
  };
  static std::size_t index(int stream) { return static_cast<std::size_t>(stream - 1); }

  std::array<Pipe, 2> pipes_;
};

}  // namespace pyember::host
