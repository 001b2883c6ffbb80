#include "stdio_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern char** environ;

namespace pyember::bench {

namespace {

constexpr int kAnswerTimeoutMs = 120'000;
constexpr std::size_t kReadBytes = 1 << 16;

pid_t spawn(const std::vector<std::string>& command, int in, int out, bool keep_stderr) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (in >= 0) posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  if (!keep_stderr) {
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  pid_t pid = -1;
  const int failure =
      posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) give_up("cannot start " + command[0] + ": " + std::strerror(failure));
  return pid;
}

}  // namespace

double microseconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

void give_up(const std::string& what) {
  std::fprintf(stderr, "bench client: %s\n", what.c_str());
  std::exit(1);
}

StdioPeer::StdioPeer(const std::vector<std::string>& command, bool keep_stderr) {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) give_up("cannot make pipes");
  pid_ = spawn(command, in[0], out[1], keep_stderr);
  close(in[0]);
  close(out[1]);
  to_child_ = in[1];
  from_child_ = out[0];
}

StdioPeer::~StdioPeer() {
  close(to_child_);
  for (int waited_ms = 0; waited_ms < 5000; ++waited_ms) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      close(from_child_);
      return;
    }
    usleep(1000);
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  close(from_child_);
}

void StdioPeer::write(std::string_view bytes) {
  // A short request fits the pipe, which a blocking write then takes in one call; a long pipeline
  // does not, and its answers must be read while it is written.
  constexpr std::size_t kFitsAnyPipe = 4096;
  if (bytes.size() <= kFitsAnyPipe) {
    if (::write(to_child_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      give_up("the server closed its stdin");
    }
    return;
  }
  fcntl(to_child_, F_SETFL, O_NONBLOCK);
  while (!bytes.empty()) {
    pollfd ready[2] = {{to_child_, POLLOUT, 0}, {from_child_, POLLIN, 0}};
    if (poll(ready, 2, kAnswerTimeoutMs) <= 0) give_up("the server neither reads nor writes");
    if (ready[1].revents & POLLIN) fill();
    if (ready[0].revents & POLLERR) give_up("the server closed its stdin");
    if (!(ready[0].revents & POLLOUT)) continue;
    const ssize_t put = ::write(to_child_, bytes.data(), bytes.size());
    if (put > 0) bytes.remove_prefix(static_cast<std::size_t>(put));
    if (put < 0 && errno != EAGAIN) give_up("the server closed its stdin");
  }
  fcntl(to_child_, F_SETFL, 0);
}

void StdioPeer::fill() {
  if (begin_ == end_) begin_ = scanned_ = end_ = 0;
  if (buffer_.size() - end_ < kReadBytes) buffer_.resize(end_ + kReadBytes);
  const ssize_t got = ::read(from_child_, buffer_.data() + end_, kReadBytes);
  if (got <= 0) give_up("the server closed its stdout");
  end_ += static_cast<std::size_t>(got);
}

std::string_view StdioPeer::read_line() {
  for (;;) {
    const std::string_view fresh(buffer_.data() + scanned_, end_ - scanned_);
    if (const std::size_t length = fresh.find('\n'); length != std::string_view::npos) {
      const std::string_view line(buffer_.data() + begin_, scanned_ + length - begin_);
      begin_ = scanned_ += length + 1;
      return line;
    }
    if (begin_ > 0) {
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
      end_ -= begin_;
      begin_ = 0;
    }
    scanned_ = end_;
    fill();
  }
}

std::string_view StdioPeer::read_answer(std::uint64_t id, std::string_view expected) {
  for (;;) {
    const std::string_view line = read_line();
    if (answer_id(line) != id) continue;
    if (line.find(expected) == std::string_view::npos) {
      give_up("unexpected answer: " + std::string(line.substr(0, 2000)));
    }
    return line;
  }
}

std::uint64_t answer_id(std::string_view line) {
  // Inside strings the quotes are escaped, so this is the first key of that name in any object; no
  // server measured here has one before the envelope's, in a nested object.
  const std::size_t key = line.find("\"id\":");
  if (key == std::string_view::npos) return 0;
  std::size_t at = key + 5;
  while (at < line.size() && line[at] == ' ') ++at;
  std::uint64_t id = 0;
  while (at < line.size() && line[at] >= '0' && line[at] <= '9') {
    id = id * 10 + static_cast<std::uint64_t>(line[at++] - '0');
  }
  return id;
}

double time_of_run(const std::vector<std::string>& command) {
  const Clock::time_point begin = Clock::now();
  const pid_t pid = spawn(command, -1, -1, true);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    give_up("the command failed: " + command[0]);
  }
  return microseconds_between(begin, Clock::now());
}

void pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) give_up("cannot pin to that CPU");
}

}  // namespace pyember::bench
