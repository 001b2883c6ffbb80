#include "supervisor/last_words.h"

#include <poll.h>
#include <unistd.h>

#include <span>
#include <string>

#include "journal/journal.h"
#include "mcp/json_rpc.h"

namespace pyember::supervisor {

namespace {

constexpr int kClientDeadlineMs = 1000;  // a client that does not read by then gets no more

void answer(journal::OutputLog& output, std::string_view line, std::string_view why) {
  const mcp::RequestId id = mcp::find_id(line, line);
  if (id.empty()) return;  // a notification
  const std::string text = mcp::error_line(id, {mcp::RpcCode::InternalError, std::string(why), {}});
  if (output.room() > text.size()) output.append(text, "\n");
}

// What the client has sent meanwhile, as far as there is room.
void read_what_waits(journal::InputLog& input) {
  pollfd client{0, POLLIN, 0};
  for (;;) {
    const std::span<char> room = input.room();
    if (room.empty() || poll(&client, 1, 0) <= 0) return;
    const ssize_t n = read(0, room.data(), room.size());
    if (n <= 0) return;
    input.add(static_cast<std::size_t>(n));
  }
}

}  // namespace

void answer_everything(journal::JournalMemory& memory, std::string_view why) {
  journal::Journal journal(memory);
  journal.input.recover();
  read_what_waits(journal.input);
  journal.output.recover();
  if (journal.output.ends_within_line()) journal.output.append({}, "\n");
  for (const journal::KeptRequest& each :
       journal.requests.recover(journal.input.parsed_to(), journal.output.end())) {
    answer(journal.output, each.line, why);
  }
  std::string_view rest = journal.input.unparsed();
  for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;) {
    answer(journal.output, rest.substr(0, end), why);
    rest.remove_prefix(end + 1);
  }
  while (journal.output.send(1) == journal::OutputLog::Sent::Blocked) {
    pollfd client{1, POLLOUT, 0};
    if (poll(&client, 1, kClientDeadlineMs) <= 0) return;
  }
}

}  // namespace pyember::supervisor
