#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "host/upstream/run_permit.h"
#include "mcp/json.h"

namespace pyember::host {

// Why an operation has no value (docs/code-mode-wire.md has the kinds).
struct CallError {
  std::string_view kind;  // a literal
  std::string message;    // in three parts, for code
  mcp::Json result = {};  // of a tool that said isError, as it came; else null
};

// What comes of an operation: JSON text, or why there is none.
struct CallAnswer {
  std::string value;
  std::optional<CallError> error = {};
};

// One operation that the code of a cell asks for. Its members are whatever that code wrote.
struct CallOrder {
  std::string op;
  mcp::Json fields;  // an object
  // Progress of it, before its answer; total and message may be missing.
  std::function<void(double, std::optional<double>, std::string_view)> progress;
};

// What sessions' calls are served by. Outlives the sessions; loop's thread only.
class CallService {
 public:
  using Done = std::function<void(CallAnswer)>;

  virtual ~CallService() = default;

  // `done` is called once, perhaps before this returns, unless it was cancelled. 0: it was called.
  virtual std::uint64_t serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                              Done done) = 0;
  // The answer is not wanted any more, and `done` is not called.
  virtual void cancel(std::uint64_t id) = 0;
};

}  // namespace pyember::host
