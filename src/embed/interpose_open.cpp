// open() on a session's thread.
//
// /proc/self stands for the process's first thread, whose descriptors are the server's: a session
// that opens /dev/stdout (a link to /proc/self/fd/1) would write past its own pipe. So a path that
// names the process, or one of these links, is taken to mean the calling thread
// (/proc/thread-self, proc(5)), whose descriptors are the session's. The process's memory is not
// opened at all.
//
// Only what the path says is looked at: a symbolic link or a relative path that leads there is
// not. That is a guard rail; docs/isolation.md says what it does not hold.
#undef _FORTIFY_SOURCE  // the checked inline versions would redefine what is defined here
#include "embed/interpose_open.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "embed/interpose_wait.h"

namespace pyember::embed {
namespace {

constexpr std::size_t kMaximumParts = 16;  // deeper paths lead to no descriptor

struct Parts {
  std::array<std::string_view, kMaximumParts> part;
  std::size_t count = 0;
  bool climbs_in_proc =
      false;  // ".." after a link such as thread-self: not to be told from the text
};

// Splits an absolute path, without empty parts and ".", ".." applied as text. False: too deep.
bool split(std::string_view path, Parts& parts) {
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      parts.climbs_in_proc |= parts.count > 0 && parts.part[0] == "proc";
      parts.count -= parts.count > 0;
      continue;
    }
    if (parts.count == kMaximumParts) return false;
    parts.part[parts.count++] = part;
  }
  return true;
}

int number(std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

bool is_foreign_thread(int tid) {
  for (const SlotThread& each : current_slot->threads) {
    if (each.alive.load(std::memory_order_relaxed) && each.tid == tid) return false;
  }
  return true;
}

const char* join(std::array<char, PATH_MAX>& room, const char* start, const Parts& parts,
                 std::size_t from) {
  int used = snprintf(room.data(), room.size(), "%s", start);
  for (std::size_t i = from; i < parts.count; i++) {
    used += snprintf(room.data() + used, room.size() - static_cast<std::size_t>(used), "/%.*s",
                     static_cast<int>(parts.part[i].size()), parts.part[i].data());
    if (used >= static_cast<int>(room.size())) return nullptr;
  }
  return room.data();
}

const char* device_path(const Parts& parts, const char* path, std::array<char, PATH_MAX>& room) {
  if (parts.count == 2 && parts.part[1] == "stdin") return "/proc/thread-self/fd/0";
  if (parts.count == 2 && parts.part[1] == "stdout") return "/proc/thread-self/fd/1";
  if (parts.count == 2 && parts.part[1] == "stderr") return "/proc/thread-self/fd/2";
  if (parts.count >= 2 && parts.part[1] == "fd")
    return join(room, "/proc/thread-self/fd", parts, 2);
  return path;
}

const char* process_path(const Parts& parts, const char* path, std::array<char, PATH_MAX>& room) {
  const std::string_view who = parts.part[1];
  const int pid = number(who);
  const bool own_thread = who == "thread-self";
  const bool ours = own_thread || who == "self" || pid == interpose::server_pid();
  if (!ours && (pid <= 0 || is_foreign_thread(pid))) {
    // /proc/TID works for threads that are not the first one too, although none is listed.
    char task[48];
    snprintf(task, sizeof task, "/proc/self/task/%d", pid);
    if (pid <= 0 || access(task, F_OK) != 0) return path;  // another process
    return nullptr;                                        // a thread of the server
  }
  std::size_t rest = 2;
  if (parts.count > 3 && parts.part[2] == "task") {
    if (is_foreign_thread(number(parts.part[3]))) return nullptr;
    rest = 4;
  }
  if (parts.count > rest && parts.part[rest] == "mem") return nullptr;
  if (rest == 4 || !(who == "self" || pid == interpose::server_pid())) return path;
  return join(room, "/proc/thread-self", parts, rest);
}

}  // namespace

const char* session_path(const char* path, std::array<char, PATH_MAX>& room) noexcept {
  if (!path || path[0] != '/') return path;
  const std::string_view text(path);
  if (text.find("proc") == text.npos && text.find("dev") == text.npos) return path;
  Parts parts;
  const bool whole = split(text, parts);
  if (parts.climbs_in_proc) return nullptr;
  if (!whole || parts.count < 2) return path;
  if (parts.part[0] == "dev") return device_path(parts, path, room);
  if (parts.part[0] == "proc") return process_path(parts, path, room);
  return path;
}

}  // namespace pyember::embed

using namespace pyember::embed;
using namespace pyember::embed::interpose;

namespace {

// Opening a FIFO waits for its other end, hence waiting().
template <typename Call>
int opening(const char* path, Call call) {
  if (!current_slot) [[likely]]
    return call(path);
  std::array<char, PATH_MAX> room;
  const char* real_path = path;
  if (guarded()) real_path = session_path(path, room);
  if (path && !real_path) {
    errno = EACCES;
    return -1;
  }
  return waiting([=] { return call(real_path); });
}

}  // namespace

// The mode is read whether it was passed or not; it is looked at only when O_CREAT or O_TMPFILE
// says that it was (open(2)).
#define PYEMBER_INTERPOSE_OPEN(name)                                                  \
  PYEMBER_INTERPOSE(int, name, const char* path, int flags, ...) {                    \
    va_list arguments;                                                                \
    va_start(arguments, flags);                                                       \
    const mode_t mode = va_arg(arguments, mode_t);                                    \
    va_end(arguments);                                                                \
    return opening(path, [=](const char* p) { return real_##name(p, flags, mode); }); \
  }

#define PYEMBER_INTERPOSE_OPENAT(name)                                                        \
  PYEMBER_INTERPOSE(int, name, int folder, const char* path, int flags, ...) {                \
    va_list arguments;                                                                        \
    va_start(arguments, flags);                                                               \
    const mode_t mode = va_arg(arguments, mode_t);                                            \
    va_end(arguments);                                                                        \
    return opening(path, [=](const char* p) { return real_##name(folder, p, flags, mode); }); \
  }

PYEMBER_INTERPOSE_OPEN(open)
PYEMBER_INTERPOSE_OPEN(open64)
PYEMBER_INTERPOSE_OPENAT(openat)
PYEMBER_INTERPOSE_OPENAT(openat64)

// What code compiled with _FORTIFY_SOURCE calls when it passes no mode.
PYEMBER_INTERPOSE(int, __open_2, const char* path, int flags) {
  return opening(path, [=](const char* p) { return real___open_2(p, flags); });
}
PYEMBER_INTERPOSE(int, __open64_2, const char* path, int flags) {
  return opening(path, [=](const char* p) { return real___open64_2(p, flags); });
}
