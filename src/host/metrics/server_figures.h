#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "host/jobs/job.h"
#include "host/session/session_plan.h"
#include "mcp/server.h"

namespace pyember::host {

// What all workspaces hold at a moment, summed up: whose it is can't be told any more.
struct WorkspaceFigures {
  std::size_t workspaces = 0;
  std::array<std::size_t, 5> sessions{};  // open, by Isolation; never of Auto
  std::array<std::size_t, 5> jobs{};      // by JobStatus; of stores that are open
  mcp::TaskCounts tasks;

  std::size_t& sessions_in(Isolation room) { return sessions[static_cast<std::size_t>(room)]; }
  std::size_t& jobs_that_are(JobStatus status) { return jobs[static_cast<std::size_t>(status)]; }
};

// The side of the sockets at a moment.
struct HttpFigures {
  std::size_t connections = 0;
  std::size_t requests = 0;  // whose response is not sent whole, streams among them
  std::size_t streams = 0;   // responses that go on
  std::size_t sessions = 0;  // that initialize has opened
  // Of each status that was ever sent, how often.
  std::vector<std::pair<int, std::uint64_t>> responses;
};

}  // namespace pyember::host
