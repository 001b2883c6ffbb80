#include "guard_session.h"

#include <string>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::test;

namespace {

constexpr std::int64_t kBudget = 64 << 20;

}  // namespace

TEST_CASE("Memory: every kind of growth ends in a MemoryError, and the session goes on") {
  for (const char* grow :
       {"bytearray(10**9)", "'x' * 10**9", "[0] * 10**9", "bytes(10**9)", "list(range(10**8))",
        "{i: i for i in range(10**8)}", "[object() for _ in range(10**8)]",
        "['y' * 900 + str(i) for i in range(10**7)]"}) {
    INFO(grow);
    CHECK(run_code("try: " + std::string(grow) +
                       "\n"
                       "except MemoryError as error: caught = True; del error\n"
                       "result = caught, len(bytearray(10**6))",
                   kBudget) == "(True, 1000000)");
  }
}

TEST_CASE("Memory: a full budget leaves enough to say so and to free it") {
  CHECK(run_code(R"py(
kept = []
try:
    while True: kept.append(object())
except MemoryError as error: text = f"{type(error).__name__} after {len(kept) > 1000}"
kept.clear()
result = text, len(bytearray(10**7))
)py",
                 kBudget) == "('MemoryError after True', 10000000)");
}

TEST_CASE("Memory: mappings count, those of a real file do not") {
  CHECK(run_code(R"py(
import mmap, os, tempfile
try: mmap.mmap(-1, 10**9); anonymous = "allowed"
except OSError as error: anonymous = error.strerror
memory = os.memfd_create("m"); os.ftruncate(memory, 10**9)
try: mmap.mmap(memory, 10**9); in_memory = "allowed"
except OSError as error: in_memory = error.strerror
with open(os.__file__, "rb") as file:
    mapped = len(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) > 0
result = anonymous, in_memory, mapped
)py",
                 kBudget) == "('Cannot allocate memory', 'Cannot allocate memory', True)");
}

TEST_CASE("Memory: what is freed is given back, by object, mapping and thread") {
  GuardSession session(R"py(
import mmap, threading, gc
for _ in range(20):
    block = bytearray(30 << 20); del block
    mapping = mmap.mmap(-1, 30 << 20); mapping.resize(40 << 20); mapping.close()
    thread = threading.Thread(target=lambda: len(bytearray(30 << 20))); thread.start(); thread.join()
result = "done"
)py",
                       kBudget);
  CHECK(session.wait() == "done");
  CHECK(session.slot().memory_used < (32 << 20));
  CHECK(session.slot().memory_refusals == 0);
}

TEST_CASE("Memory: one session's full budget is not another's") {
  GuardSession full(
      "kept = []\nready()\n"
      "try:\n    while True: kept.append('z' * 900 + str(len(kept)))\n"
      "except MemoryError: result = 'full'",
      kBudget);
  CHECK(full.wait() == "full");
  CHECK(full.slot().memory_refusals > 0);
  CHECK(run_code("result = len(bytearray(200 << 20))") == std::to_string(200 << 20));
}
