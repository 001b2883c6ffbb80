#pragma once

#include <signal.h>

#include <functional>
#include <string>

#include "journal/journal_memory.h"

namespace pyember::supervisor {

// How the supervising process is to go on after supervise() has returned.
struct Outcome {
  std::string program;  // absolute: go on as this one, over the same journal; empty: end
  int exit_code = 0;
};

// Asks for what stands in the journal (journal::UpgradeOrder).
inline constexpr int kUpgradeSignal = SIGUSR2;
// The name of a supervising process, as ps shows it; 15 characters at most.
inline constexpr char kProcessName[] = "pyember-super";

// Who hears of it when servers die one after the other without having answered anything: the client
// on descriptor 1, whose requests are in the journal, or nobody.
enum class LastWords { OnStdout, ToNobody };

// Tells people (on stderr) what became of a server: a sentence. The one that is used when there is
// no other writes `pyember: ` in front of it.
using Tell = std::function<void(const std::string& sentence)>;
void tell_on_stderr(const std::string& sentence);

// Keeps a server alive: starts it as a child that inherits the client's pipe itself, so that it
// costs a call nothing, and starts the next one when it dies. What the dead one had not answered is
// in the journal, and the next one's to deal with. `serve` is the server; it runs in the child, and
// what it returns is the child's exit code.
//
// Ends when a server ended in order, when the process is told to (the server is told first), or
// when servers die one after the other without having answered anything; then what is in the
// journal is answered here.
//
// `goes_on`: servers before this call have worked, in this process or as another program's.
//
// Call it before any thread exists, with descriptors 0 and 1 untouched. It makes the process the
// reaper of what dead servers leave behind: runners of jobs go on, everything else is killed.
Outcome supervise(journal::JournalMemory& memory, const std::function<int()>& serve,
                  bool goes_on = false, LastWords last_words = LastWords::OnStdout,
                  const Tell& tell = tell_on_stderr);

}  // namespace pyember::supervisor
