#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/runs/run_spec.h"
#include "mcp/json.h"

namespace pyember::host {

// A call's arguments by name and type. They have been checked against the input schema, so a value
// of another type than the schema's does not occur and counts as missing.
class Arguments {
 public:
  explicit Arguments(const mcp::Json& arguments) : arguments_(arguments) {}

  std::optional<std::string> text(const char* name) const;
  std::string text_or(const char* name, std::string otherwise) const;
  std::vector<std::string> texts(const char* name) const;
  bool flag(const char* name, bool otherwise) const;
  double number(const char* name, double otherwise) const;
  std::int64_t integer(const char* name, std::int64_t otherwise) const;

  // --- what several tools share; errors are ValueErrors ---
  Result<std::map<std::string, std::string>> env_vars() const;
  Result<std::chrono::milliseconds> timeout() const;  // timeout_seconds; 0: none
  Result<RunLimits> limits() const;
  Result<std::size_t> max_output_chars(std::size_t otherwise) const;

 private:
  const mcp::Json* find(const char* name) const;
  Result<std::optional<std::uint64_t>> positive(const char* name) const;

  const mcp::Json& arguments_;
};

}  // namespace pyember::host
