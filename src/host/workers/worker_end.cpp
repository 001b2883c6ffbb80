#include "host/workers/worker_end.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
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
  return fmt::format("{}its memory limit of {} MB", before, *limits.memory_bytes / 1'000'000);
}

std::string crash_message(int number, const WorkerLimits& limits) {
  return fmt::format(
      "The code crashed with {} ({}), which ended its session's process, so the session's state is "
      "gone{}. {}. Avoid the failing call (ctypes, extension modules and very deep recursion are "
      "the "
      "usual causes).",
      signal_name(number), strsignal(number),
      memory_limit(limits, "; C code that gets no memory crashes too, see "), kFresh);
}

// SIGKILL comes from nowhere: who sent it can only be told from what else is known.
std::string kill_message(const WorkerEnd& end, const WorkerLimits& limits) {
  if (end.over_memory_limit) {
    return fmt::format(
        "The session's process was killed for memory: it and what it started used more together "
        "than{}, so the session's state is gone. {}. Work on smaller pieces of the data, or give "
        "a new session a higher limit.",
        memory_limit(limits, " "), kFresh);
  }
  if (end.memory_ran_out) {
    return fmt::format(
        "The session's process was killed (SIGKILL), most likely by the kernel because memory ran "
        "out: it has killed processes for that since the session began{}, so the session's state "
        "is gone. {}. Work on smaller pieces of the data, or free memory elsewhere.",
        limits.cpu_seconds ? fmt::format(" (or because the limit of {} s of CPU time is used up)",
                                         *limits.cpu_seconds)
                           : "",
        kFresh);
  }
  if (limits.cpu_seconds) {
    return fmt::format(
        "The session's process was killed (SIGKILL), by the kernel if its limit of {} s of CPU "
        "time is used up, else by the code or somebody else, so the session's state is gone. {}; "
        "give it a higher limit, or less work.",
        *limits.cpu_seconds, kFresh);
  }
  return fmt::format(
      "The session's process was killed (SIGKILL) by the code itself or by somebody else, so the "
      "session's state is gone. {}. See what sent the signal; where memory is watched over "
      "(containers, services), work on smaller pieces of the data.",
      kFresh);
}

std::string signal_message(const WorkerEnd& end, const WorkerLimits& limits) {
  const int number = end.number;
  if (is_crash(number)) return crash_message(number, limits);
  if (number == SIGKILL) return kill_message(end, limits);
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
          "The code ended its session's process with exit code {} (os._exit, os.exec*, or exit() "
          "in a library), so the session's state is gone{}. {}. Use sys.exit() to end a cell, and "
          "subprocess to run a program.",
          end.number,
          memory_limit(limits, "; libraries that get no memory end the process too, see "), kFresh);
    case WorkerEnd::Kind::Signalled:
      return signal_message(end, limits);
    case WorkerEnd::Kind::WireClosed:
      return fmt::format(
          "The session's process closed the descriptor through which it talks to the server, so it "
          "was ended and its state is gone. {}. Close only the files that the code opened itself.",
          kFresh);
    case WorkerEnd::Kind::Broke:
      return fmt::format(
          "The session's process sent the server what it can't have meant ({}), so it was ended "
          "and its state is gone. {}. Write only to the files that the code opened itself.",
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

bool is_frame(std::string_view line) { return line.starts_with("  File \""); }

// The runtime's own frames below a cell: they say nothing about the code.
bool is_frame_of_ours(std::string_view line) {
  return is_frame(line) && (line.find("/mcp_runtime/") != std::string_view::npos ||
                            line.starts_with("  File \"<frozen runpy>\""));
}

// What faulthandler wrote, each thread's stack without the runtime's frames at its end; a stack of
// nothing else is left whole.
std::string without_our_frames(std::string_view text) {
  std::string kept;
  std::string below;  // frames of ours, of which it is not known yet whether others follow
  bool has_others = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (is_frame_of_ours(line)) {
      below += line;
      continue;
    }
    if (is_frame(line) || !has_others) kept += below;
    below.clear();
    has_others = is_frame(line);
    kept += line;
  }
  if (!has_others) kept += below;
  while (!kept.empty() && kept.back() == '\n') kept.pop_back();
  return kept;
}

// The sentences come first, for people and models read them first; then where it happened.
embed::CellError error_of(const char* type, std::string message, std::string_view stack) {
  std::string traceback = fmt::format("{}: {}\n", type, message);
  if (!stack.empty()) traceback += fmt::format("\n{}\n", without_our_frames(stack));
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
          "the work into smaller steps, or give it more time.",
          when, kFresh),
      {});
}

}  // namespace pyember::host
