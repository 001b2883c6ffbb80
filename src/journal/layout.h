#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"

// What lies where in the journal's memory. Internal to src/journal.
//
// A server may be killed between any two instructions. So whatever must be true together is
// published by one store of one word, after everything it speaks of is in place; the words are
// atomic for the compiler's sake (one process writes, and none reads while it lives, but for the
// threads that mark a request as begun).
namespace pyember::journal {

inline constexpr std::uint64_t kMagic =
    0x3330'4c4e'524a'5950;  // "PYJRNL03"; the number is the layout's
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kLongestProgramPath = kPage - 1;
inline constexpr std::size_t kOwnerBytes = 32;
inline constexpr std::size_t kTextBytes = 2u << 20;  // the URIs subscribed to are the most

// Positions count the bytes of a stream from its beginning and never go back; where a position lies
// in an area is told by the position the area begins with.
using Word = std::atomic<std::uint64_t>;
static_assert(Word::is_always_lock_free);

struct InputState {
  Word place;      // the position the area begins with, times two, plus which of the two areas
  Word read_to;    // what read() has returned; bytes after it that are not zero were read as well
  Word parsed_to;  // lines before it have been dealt with, or stand in the table of requests
  Word overlong;   // a line longer than allowed is being skipped: bytes of `beginning`; else 0
  char beginning[kPage];
};

struct OutputState {
  Word base;  // the position the area begins with
  Word end;   // what is to be sent
  Word sent;  // what the client's pipe had taken before the last stage
  Word
      stage;  // the position up to which the staging pipe was filled, times two, plus 1 when it was
};

// One request that is not answered yet. In the order of their positions.
struct RequestState {
  Word live;         // the position behind its line; 0: the entry is free
  Word answered_at;  // the position behind its answer in the output; 0: none
  std::atomic<std::uint8_t> begun;
  std::uint8_t truncated;  // only its beginning was kept
  std::uint32_t size;      // of the line
  std::uint64_t where;     // in the area of long lines; unused when it stands here
  char text[480];
};
static_assert(sizeof(RequestState) == 512);

// A session that is open.
struct SessionState {
  Word next_number;  // 0: the entry is free
  char name[limits::kMaximumSessionNameBytes];
  char owner[kOwnerBytes];  // whose it is; empty: that of whoever started the server
};

// A text that is replaced as a whole: two copies in turn.
struct TextState {
  Word current;  // which copy, plus 1; 0: none yet
  std::uint64_t size[2];
  char text[2][kTextBytes];
};

inline constexpr std::size_t kSessions = 1024;  // that are known after a server's death
inline constexpr std::uint32_t kRequests = limits::kMaximumRequestsInFlight;
inline constexpr std::size_t kInputAreaBytes =
    limits::kMaximumLineBytes + limits::kHeldInputBytes + 16 * limits::kReadChunkBytes;
inline constexpr std::size_t kOutputAreaBytes = 4 * limits::kPendingOutputBytes;
inline constexpr std::size_t kLongLineBytes =
    limits::kMaximumBytesInFlight + limits::kMaximumLineBytes;

struct Layout {
  std::uint64_t magic;
  Word served;  // 1: the server of now has answered something that it has read itself
  Word ended;   // 1: it ends in order
  Word order;   // 1: the supervisor is to go on as another program, `program`
  Word starts;  // of servers, by their supervisor
  char program[kPage];
  InputState input;
  OutputState output;
  TextState protocol;
  SessionState sessions[kSessions];
  RequestState requests[kRequests];
  alignas(kPage) char input_areas[2][kInputAreaBytes];
  alignas(kPage) char output_area[kOutputAreaBytes];
  alignas(kPage) char long_lines[kLongLineBytes];
};

}  // namespace pyember::journal
