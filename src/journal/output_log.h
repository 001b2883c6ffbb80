#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pyember::journal {

class JournalMemory;
struct Layout;

// What is to be sent to the client, until it has been sent.
//
// How many bytes of it the client's pipe has taken must be known to the byte, even when the server
// is killed inside the system call. A write() that was interrupted so tells nobody. So bytes go
// through a pipe of our own, which outlives the server, and are moved from there to the client's
// with splice(): what has not arrived is still in it. That costs 0.2 µs a message (measured, pipe
// to pipe on one CPU). Where splice() can't write, and without a staging pipe, write() is used, and
// a server that is killed meanwhile may leave a line cut short.
//
// Loop's thread only, or that of a test.
class OutputLog {
 public:
  explicit OutputLog(JournalMemory& memory);

  std::uint64_t end() const;
  std::size_t pending() const;
  std::size_t room();
  // Both parts, one after the other, in one step. They must fit.
  void append(std::string_view line, std::string_view newline);

  enum class Sent { All, Blocked, Failed };
  // Sends what the client's pipe takes.
  Sent send(int client);

  // Nobody is there to send it to.
  void drop();

  // For the next server: finds out what was sent. False when that can't be known; what was on its
  // way is taken for sent then.
  bool recover();
  // The last byte that is pending or was sent does not end a line.
  bool ends_within_line() const;

 private:
  Sent send_staged(int client);
  Sent send_directly(int client);
  bool stage();
  void stop_staging();
  std::string_view from(std::uint64_t position) const;
  void rewind();

  Layout& layout_;
  const int staging_read_;
  const int staging_write_;
  std::size_t staged_ = 0;  // in the staging pipe
  bool direct_;
};

}  // namespace pyember::journal
