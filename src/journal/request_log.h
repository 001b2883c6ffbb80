#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::journal {

struct Layout;
struct RequestState;

// An entry of the table of requests.
using Ticket = std::uint32_t;
inline constexpr Ticket kNoTicket = ~Ticket{0};

// A request that a server left without an answer.
struct KeptRequest {
  Ticket ticket = kNoTicket;
  std::string line;
  bool begun = false;      // it may have had effects
  bool truncated = false;  // only the beginning of the line was kept
};

// The lines that hold requests which are not answered yet, so that the next server can answer them
// if this one dies. A line is in the table or unparsed in the input (InputLog), never neither; and
// out of the table when its answer is in the output (OutputLog), not before.
//
// Loop's thread only, or that of a test, but for the marks of begun requests.
class RequestLog {
 public:
  explicit RequestLog(Layout& layout);

  // Keeps a line that ends at `position` of the input. kNoTicket when there is no room (there are
  // as many entries as requests may be in flight): such a request ends with its server.
  Ticket add(std::string_view line, std::uint64_t position);
  // To be set when its code begins, from any thread.
  std::atomic<std::uint8_t>& begun(Ticket ticket);

  // How many have begun and are not answered.
  std::size_t running() const;

  // Its answer ends at `position` of the output, where it is going to be appended next. Then it is
  // removed.
  void answering(Ticket ticket, std::uint64_t position);
  void remove(Ticket ticket);

  // For the next server: what is neither answered, as far as the output goes, nor still to be
  // parsed; in the order they came. All others are removed.
  std::vector<KeptRequest> recover(std::uint64_t parsed_to, std::uint64_t output_end);

 private:
  RequestState& entry(Ticket ticket);
  bool keep_long(RequestState& entry, std::string_view line);
  std::string_view text_of(const RequestState& entry) const;

  Layout& layout_;
  std::vector<Ticket> free_;
  std::map<std::uint64_t, std::uint64_t> long_lines_;  // where one lies, and how much it takes
};

}  // namespace pyember::journal
