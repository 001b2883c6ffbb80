#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// Every bound of the program, with its reason. Options may change those that say so.
namespace pyember::limits {

using namespace std::chrono_literals;

// --- cells ---------------------------------------------------------------------------------
inline constexpr std::chrono::milliseconds kDefaultTimeout = 60s;     // option --timeout
inline constexpr std::chrono::milliseconds kMaximumTimeout = 3600s;   // option --max-timeout
inline constexpr std::size_t kMaximumCodeBytes = 4u << 20;   // a cell is typed or generated text
inline constexpr std::size_t kMaximumQueuedCells = 2048;     // per session; 1,000 pipelined calls fit
inline constexpr std::size_t kMaximumResultCharacters = 20'000;  // repr of the last expression

// --- sessions ------------------------------------------------------------------------------
inline constexpr std::size_t kMaximumSessions = 64;          // option --max-sessions; about 4 MB each
inline constexpr std::size_t kSpareInterpreters = 2;         // option --spares; about 3 MB each
inline constexpr std::size_t kMaximumRetired = 64;           // parked interpreters whose memory is gone
inline constexpr std::chrono::milliseconds kIdleSessionTimeout = 24h;  // option --idle-timeout
inline constexpr std::size_t kMaximumThreadsPerSession = 256;  // beyond: "can't start new thread"

// --- stopping a cell (see docs/threads.md, "The ladder") --------------------------------------
inline constexpr std::chrono::milliseconds kInsistAfter = 12ms;   // KeyboardInterrupt was swallowed
inline constexpr std::chrono::milliseconds kParkAfter = 120ms;    // the code sits in C
inline constexpr std::chrono::milliseconds kAbandonAfter = 200ms; // nothing wakes it: answer anyway

// --- output --------------------------------------------------------------------------------
inline constexpr std::size_t kOutputBudgetCharacters = 20'000;    // option --output-budget, per call
inline constexpr std::size_t kHeldOutputBytes = 256u << 20;       // option --held-output, on disk
inline constexpr std::size_t kOutputMemoryBytes = 256u << 10;     // per stream before it spills to disk

// --- protocol ------------------------------------------------------------------------------
inline constexpr std::size_t kMaximumLineBytes = 16u << 20;  // the largest cell, escaped, with room
inline constexpr std::size_t kMaximumJsonDepth = 64;         // MCP itself needs about ten
inline constexpr std::size_t kMaximumJsonMembers = 256;      // per object; looked up linearly
inline constexpr std::size_t kMaximumJsonValues = 1u << 18;  // per message; 16 bytes each and more
inline constexpr std::size_t kMaximumIdBytes = 256;          // a request id; UUIDs take 36
inline constexpr std::size_t kMaximumRequestsInFlight = 4096;  // above kMaximumQueuedCells
inline constexpr std::size_t kMaximumSubscriptions = 64;     // streams open at once
inline constexpr std::size_t kMaximumSubscribedUris = 256;   // per stream
inline constexpr std::size_t kMaximumUriBytes = 4096;
inline constexpr std::size_t kPageSize = 100;                // entries of one page of a list
static_assert(kMaximumLineBytes >= 3 * kMaximumCodeBytes);   // non-ASCII code is escaped threefold
static_assert(kMaximumRequestsInFlight > kMaximumQueuedCells);

}  // namespace pyember::limits
