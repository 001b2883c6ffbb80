#pragma once

#include "mcp/json.h"
#include "mcp/protocol.h"

namespace pyember::mcp {

// What a client says that it can do for a server, as far as its version of the protocol knows it.
// In the modern era said with each request, in the handshake once.
struct ClientCapabilities {
  bool forms = false;     // elicitation: shows a form to a person (PROTOCOL: MRTR-2)
  bool urls = false;      // elicitation: opens a page for a person
  bool sampling = false;  // asks a model
  bool roots = false;     // names the folders it works in
  bool tasks = false;     // a call may be answered with a task (PROTOCOL: TASK-1)
  bool ui = false;        // shows views (PROTOCOL: APP-1)

  // Whether there is anything that it can be asked.
  bool can_be_asked() const { return forms || urls || sampling || roots; }
  // For where it can be asked nothing.
  void forget_questions() { forms = urls = sampling = roots = false; }
  bool operator==(const ClientCapabilities&) const = default;
};

// What is no object, or is not as it should be, is not declared.
ClientCapabilities read_client_capabilities(const Json& capabilities, Version version);

// For a server that follows this one.
Json to_json(const ClientCapabilities& capabilities);
ClientCapabilities client_capabilities_from_json(const Json& json);

}  // namespace pyember::mcp
