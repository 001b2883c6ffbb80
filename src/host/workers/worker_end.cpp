#include "host/workers/worker_end.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstring>
#include <string_view>

namespace pyember::host {

namespace {

constexpr std::string_view kFresh = "The next call with this session's name starts a fresh one";

std::string signal_name(int number) {
#ifdef __GLIBC__
  if (const char* name = sigabbrev_np(number)) return fmt::format("SIG{}", name);
#endif
  return fmt::format("signal {}", number);
}

bool is_crash(int number) {
  switch (number) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

std::string memory_limit(const WorkerLimits& limits, std::string_view before) {
  if (!limits.memory_bytes) return {};
  return fmt::format("{}its memory limit of {} MB", before, *limits.memory_bytes >> 20);
}

std::string crash_message(int number, const WorkerLimits& limits) {
  return fmt::format(
      "The code crashed its session's process with {} ({}), so the session's state is gone{}. {}. "
      "Avoid the failing call (ctypes, extension modules and very deep recursion are the usual "
      "causes).",
      signal_name(number), strsignal(number),
      memory_limit(limits, "; C code that gets no memory crashes too, see "), kFresh);
}

std::string kill_message(const WorkerLimits& limits) {
  const std::string cpu =
      limits.cpu_seconds ? fmt::format(", or its {} s of CPU time", *limits.cpu_seconds) : "";
  return fmt::format(
      "The session's process was killed from outside (SIGKILL), most often because memory ran "
      "out{}{}, so the session's state is gone. {}. Work on smaller pieces of the data.",
      memory_limit(limits, ": see "), cpu, kFresh);
}

std::string signal_message(int number, const WorkerLimits& limits) {
  if (is_crash(number)) return crash_message(number, limits);
  if (number == SIGKILL) return kill_message(limits);
  if (number == SIGXCPU) {
    const std::string limit =
        limits.cpu_seconds ? fmt::format(" of {} s", *limits.cpu_seconds) : "";
    return fmt::format(
        "The session's process used up its CPU time{} and was ended (SIGXCPU), so the session's "
        "state is gone. {}; give it a higher limit, or less work.",
        limit, kFresh);
  }
  return fmt::format(
      "The session's process was ended by {} ({}), so the session's state is gone. {}. See what "
      "sent the signal.",
      signal_name(number), strsignal(number), kFresh);
}

std::string message_of(const WorkerEnd& end, const WorkerLimits& limits) {
  switch (end.kind) {
    case WorkerEnd::Kind::Exited:
      return fmt::format(
          "The code ended its session's process with exit code {} (os._exit, or exit in a "
          "library), so the session's state is gone. {}. Use sys.exit() to end a cell.",
          end.number, kFresh);
    case WorkerEnd::Kind::Signalled:
      return signal_message(end.number, limits);
    case WorkerEnd::Kind::WireClosed:
      return fmt::format(
          "The session's process closed the descriptor through which it talks to the server, so it "
          "was ended and its state is gone. {}. Close only the files that the code opened itself.",
          kFresh);
    case WorkerEnd::Kind::Broke:
      return fmt::format(
          "The session's process sent the server what it can't have meant ({}), so it was ended "
          "and "
          "its state is gone. {}. Write only to the files that the code opened itself.",
          end.detail, kFresh);
    case WorkerEnd::Kind::NotMade:
      return fmt::format(
          "The session could not be opened, because its process could not be made: {}. Free memory "
          "or processes, or raise the session's limits, and call again.",
          end.detail);
    case WorkerEnd::Kind::ZygoteLost:
      return end.detail;
    case WorkerEnd::Kind::Vanished:
    case WorkerEnd::Kind::Replaced:
      break;
  }
  return fmt::format("The session's process is gone, so the session's state is too. {}.", kFresh);
}

const char* type_of(const WorkerEnd& end) {
  switch (end.kind) {
    case WorkerEnd::Kind::Exited:
      return "Exited";
    case WorkerEnd::Kind::Signalled:
      return is_crash(end.number) ? "Crash" : "Killed";
    case WorkerEnd::Kind::Broke:
    case WorkerEnd::Kind::WireClosed:
      return "Broken";
    default:
      return "ProcessLost";
  }
}

embed::CellError error_of(const char* type, std::string message, std::string traceback) {
  if (!traceback.empty() && traceback.back() != '\n') traceback += '\n';
  traceback += fmt::format("{}: {}\n", type, message);
  return {type, std::move(message), std::move(traceback)};
}

}  // namespace

embed::CellError describe_end(const WorkerEnd& end, const WorkerLimits& limits) {
  return error_of(type_of(end), message_of(end, limits), end.crash_text);
}

embed::CellError describe_forced_stop(const char* when) {
  return error_of(
      "Stopped",
      fmt::format(
          "The cell did not stop when {}: it sat in C code that never looks, or swallowed every "
          "KeyboardInterrupt. Its process was killed, so the session's state is gone. {}; split "
          "the "
          "work into smaller steps, or give it more time.",
          when, kFresh),
      {});
}

}  // namespace pyember::host
