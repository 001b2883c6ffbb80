#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// A server under measurement: a child process spoken to by lines over its stdin and stdout, with
// nothing between the caller and the system calls but one read buffer. Every failure ends the
// program with a message: a benchmark that goes on after an error measures the error.
namespace pyember::bench {

using Clock = std::chrono::steady_clock;

double microseconds_between(Clock::time_point from, Clock::time_point to);

[[noreturn]] void give_up(const std::string& what);

class StdioPeer {
 public:
  // Starts `command`, found through PATH; its stderr goes to /dev/null unless `keep_stderr`.
  StdioPeer(const std::vector<std::string>& command, bool keep_stderr);
  // Closes stdin and waits; kills the child when it has not gone after five seconds.
  ~StdioPeer();
  StdioPeer(const StdioPeer&) = delete;
  StdioPeer& operator=(const StdioPeer&) = delete;

  pid_t pid() const { return pid_; }

  // Writes all of `bytes`, reading what arrives meanwhile so that neither side can block the other.
  void write(std::string_view bytes);
  // The next line, without its newline; valid until the next call. Waits at most 120 s.
  std::string_view read_line();
  // The next line that answers request `id`; other lines (notifications) are skipped. Gives up when
  // it is a JSON-RPC error or lacks `expected`.
  std::string_view read_answer(std::uint64_t id, std::string_view expected);

 private:
  void fill();

  pid_t pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
  std::vector<char> buffer_;  // grows and is never cleared: what it holds ends at end_
  std::size_t begin_ = 0;     // of the first line not handed out
  std::size_t scanned_ = 0;   // up to here there is no newline
  std::size_t end_ = 0;
};

// The id of the answer on `line`; 0 when it is none of ours.
std::uint64_t answer_id(std::string_view line);

// Runs a command to its end; microseconds from spawn to exit.
double time_of_run(const std::vector<std::string>& command);

// Confines this process, and so its children, to one CPU.
void pin_to_cpu(int cpu);

}  // namespace pyember::bench
