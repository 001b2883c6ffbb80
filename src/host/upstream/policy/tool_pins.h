#pragma once

#include <map>
#include <optional>
#include <string>

#include "host/loop/event_loop.h"
#include "host/upstream/policy/tool_changes.h"
#include "mcp/json.h"

namespace pyember::host {

// Remembers what each upstream's tools were, so that a server that changes what it offers, or what
// it says its tools do, is noticed. The list seen first is pinned without a word; one that differs
// is a change until somebody accepts it. Order is no difference, and neither is what the protocol
// leaves to clients (_meta, icons).
//
// Pins are kept in files, one for each fingerprint (host/upstream/definition.h): a server that is
// started in another way is another one and pinned anew. A file that can't be read counts as not
// there; one that can't be written makes a warning, and the pin lasts as long as this server.
//
// What an upstream says is untrusted: lists are bounded when they come here (tools/), and what is
// shown of a change is bounded again. Loop's thread only; files are written by libuv's pool.
class ToolPins {
 public:
  // What has changed of a server's tools.
  struct Change {
    std::string id;  // 12 hexadecimal digits, of the list as it is now
    std::string
        summary;  // for people and models: several lines, about limits::kToolChangeBytes at most
  };

  // Files lie in this folder, which is made when the first is written. Empty: nothing is kept.
  ToolPins(EventLoop& loop, std::string folder);

  // The tools a server has now: an array of the tools as it listed them. `server` is the configured
  // name. The first sight of a server pins them.
  void seen(const std::string& server, const std::string& fingerprint, const mcp::Json& tools);

  // What has not been accepted yet; null: nothing. Valid until the next call of a member.
  const Change* change(const std::string& server) const;

  // Whether the change stands in the way of this tool. Not of one that was there before, is the
  // same, and says that it only reads.
  bool blocks(const std::string& server, const std::string& tool) const;

  // Pins the list as it is now, if that is (still) the change that is meant. False: it is not.
  bool accept(const std::string& server, const std::string& id);

 private:
  struct Pin {
    std::string fingerprint;
    PinnedTools pinned;
    PinnedTools now;
    std::optional<Change> change;
  };

  std::string path_of(const std::string& fingerprint) const;
  std::optional<PinnedTools> read_file(const std::string& fingerprint) const;
  void write_file(const std::string& server, const Pin& pin);

  EventLoop& loop_;
  const std::string folder_;
  std::map<std::string, Pin> pins_;  // by server
};

}  // namespace pyember::host
