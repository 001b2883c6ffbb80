#include "supervisor/next_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pyember::supervisor {

namespace {

constexpr char kVariable[] = "PYEMBER_INHERITED_JOURNAL";  // three descriptors

void keep_open_in_programs(const journal::JournalMemory& memory, bool keep) {
  for (const int fd : {memory.memory_descriptor(), memory.staging_read(), memory.staging_write()}) {
    fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
  }
}

}  // namespace

Error become(const std::string& program, char** arguments, journal::JournalMemory& memory) {
  const std::string descriptors = fmt::format("{},{},{}", memory.memory_descriptor(),
                                              memory.staging_read(), memory.staging_write());
  setenv(kVariable, descriptors.c_str(), 1);
  keep_open_in_programs(memory, true);
  execv(program.c_str(), arguments);
  const int error = errno;
  keep_open_in_programs(memory, false);
  unsetenv(kVariable);
  return {ErrorCode::Unavailable,
          fmt::format("{} can't be run ({}): the program of before goes on. Mend it and call "
                      "`pyember upgrade` again.",
                      program, std::strerror(error))};
}

std::optional<Result<journal::JournalMemory>> inherited_journal() {
  const char* const text = std::getenv(kVariable);
  if (text == nullptr) return std::nullopt;
  int memory = -1;
  int staging_read = -1;
  int staging_write = -1;
  const bool readable = std::sscanf(text, "%d,%d,%d", &memory, &staging_read, &staging_write) == 3;
  unsetenv(kVariable);
  if (!readable) return std::nullopt;
  for (const int fd : {memory, staging_read, staging_write}) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return journal::JournalMemory::open(memory, staging_read, staging_write);
}

}  // namespace pyember::supervisor
