// How the end of a worker is told: what happened, that the state is gone, what to do; then where.

#include "host/workers/worker_end.h"

#include <signal.h>

#include <string>

#include "host/workers/memory_kills.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

using Kind = WorkerEnd::Kind;

bool says(const std::string& text, const char* part) { return text.find(part) != text.npos; }

embed::CellError told(WorkerEnd end, const WorkerLimits& limits = {}) {
  embed::CellError error = describe_end(end, limits);
  // Whatever the end: the three parts, in the message and at the beginning of the traceback.
  CHECK(error.traceback.starts_with(error.type + ": " + error.message + "\n"));
  CHECK(says(error.message, "state is"));
  CHECK(says(error.message, "The next call with this session's name starts a fresh one"));
  return error;
}

std::string signalled(int number, const WorkerLimits& limits = {}) {
  return told({Kind::Signalled, number, {}, {}}, limits).message;
}

}  // namespace

TEST_CASE("Worker end: a crash names its signal") {
  CHECK(says(signalled(SIGSEGV), "crashed with SIGSEGV"));
  CHECK(says(signalled(SIGABRT), "crashed with SIGABRT"));
  CHECK(says(signalled(SIGBUS), "crashed with SIGBUS"));
  CHECK(told({Kind::Signalled, SIGSEGV, {}, {}}).type == "Crash");
  WorkerLimits limits;
  limits.memory_bytes = 100'000'000;
  CHECK(says(signalled(SIGABRT, limits), "its memory limit of 100 MB"));
}

TEST_CASE("Worker end: a kill says who may have done it") {
  CHECK(says(signalled(SIGKILL), "was killed (SIGKILL) by the code itself or by somebody else"));
  WorkerEnd end{Kind::Signalled, SIGKILL, {}, {}};
  end.memory_ran_out = true;
  CHECK(says(told(end).message, "most likely by the kernel because memory ran out"));
  end.over_memory_limit = true;
  WorkerLimits limits;
  limits.memory_bytes = 64'000'000;
  CHECK(says(told(end, limits).message, "killed for memory"));
  CHECK(says(told(end, limits).message, "its memory limit of 64 MB"));
  limits.cpu_seconds = 7;
  CHECK(says(signalled(SIGKILL, limits), "7 s of CPU time"));
  CHECK(says(signalled(SIGXCPU, limits), "7 s"));
  CHECK(says(signalled(SIGTERM), "SIGTERM"));
}

TEST_CASE("Worker end: an exit, a closed wire and a lie are three things") {
  CHECK(says(told({Kind::Exited, 3, {}, {}}).message, "exit code 3"));
  WorkerLimits limits;
  limits.memory_bytes = 64'000'000;
  CHECK(says(told({Kind::Exited, 1, {}, {}}, limits).message, "its memory limit of 64 MB"));
  CHECK(says(told({Kind::WireClosed, 0, {}, {}}).message, "closed the descriptor"));
  CHECK(says(told({Kind::Broke, 0, "frames of no sense", {}}).message, "frames of no sense"));
  CHECK(says(told({Kind::Vanished, 0, {}, {}}).message, "is gone"));
}

TEST_CASE("Worker end: the stack follows the sentences, without the runtime's frames") {
  const std::string text =
      "Fatal Python error: Segmentation fault\n"
      "\n"
      "Thread 0x01 (most recent call first):\n"
      "  File \"/usr/lib/python3/threading.py\", line 1 in run\n"
      "\n"
      "Current thread 0x02 (most recent call first):\n"
      "  File \"<cell 1>\", line 2 in culprit\n"
      "  File \"/p/mcp_runtime/displays.py\", line 3 in show\n"
      "  File \"<cell 1>\", line 3 in <module>\n"
      "  File \"/p/mcp_runtime/session.py\", line 256 in _evaluate\n"
      "  File \"/p/mcp_runtime/worker/__main__.py\", line 45 in <module>\n"
      "  File \"<frozen runpy>\", line 88 in _run_code\n"
      "\n"
      "Extension modules: numpy (total: 1)\n";
  const embed::CellError error = told({Kind::Signalled, SIGSEGV, {}, text});
  CHECK(error.traceback == error.type + ": " + error.message + "\n\n" +
                               "Fatal Python error: Segmentation fault\n"
                               "\n"
                               "Thread 0x01 (most recent call first):\n"
                               "  File \"/usr/lib/python3/threading.py\", line 1 in run\n"
                               "\n"
                               "Current thread 0x02 (most recent call first):\n"
                               "  File \"<cell 1>\", line 2 in culprit\n"
                               "  File \"/p/mcp_runtime/displays.py\", line 3 in show\n"
                               "  File \"<cell 1>\", line 3 in <module>\n"
                               "\n"
                               "Extension modules: numpy (total: 1)\n");
}

TEST_CASE("Worker end: a stack of the runtime's frames alone is left whole, and cut-off text too") {
  const std::string text =
      "Current thread 0x02 (most recent call first):\n"
      "  File \"/p/mcp_runtime/session.py\", line 256 in _evaluate\n"
      "  File \"/p/mcp_runtime/worker/wor";
  CHECK(says(told({Kind::Signalled, SIGSEGV, {}, text}).traceback, text.c_str()));
}

TEST_CASE("Memory kills: their count is read out of /proc/vmstat") {
  CHECK(memory_kills_in("nr_free_pages 1\noom_kill 42\nnuma_hit 3\n") == 42);
  CHECK(memory_kills_in("oom_kill_of_another_kind 1\n") == std::nullopt);
  CHECK(memory_kills_in("a 1\noom_kill \n") == std::nullopt);
  CHECK(memory_kills_in("") == std::nullopt);
}
