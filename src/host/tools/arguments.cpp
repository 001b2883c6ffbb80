#include "host/tools/arguments.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr double kLongestTimeout = 366.0 * 24 * 3600;

Error bad_value(std::string what) { return Error{ErrorCode::InvalidArgument, std::move(what)}; }

}  // namespace

const Json* Arguments::find(const char* name) const {
  const auto found = arguments_.find(name);
  return found == arguments_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> Arguments::text(const char* name) const {
  const Json* value = find(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->get<std::string>();
}

std::string Arguments::text_or(const char* name, std::string otherwise) const {
  return text(name).value_or(std::move(otherwise));
}

std::vector<std::string> Arguments::texts(const char* name) const {
  std::vector<std::string> list;
  const Json* value = find(name);
  if (value == nullptr || !value->is_array()) return list;
  for (const Json& each : *value) {
    if (each.is_string()) list.push_back(each.get<std::string>());
  }
  return list;
}

bool Arguments::flag(const char* name, bool otherwise) const {
  const Json* value = find(name);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

double Arguments::number(const char* name, double otherwise) const {
  const Json* value = find(name);
  return value != nullptr && value->is_number() ? value->get<double>() : otherwise;
}

std::int64_t Arguments::integer(const char* name, std::int64_t otherwise) const {
  const Json* value = find(name);
  return value != nullptr && value->is_number() ? value->get<std::int64_t>() : otherwise;
}

Result<std::map<std::string, std::string>> Arguments::env_vars() const {
  std::map<std::string, std::string> variables;
  const Json* value = find("env_vars");
  if (value == nullptr || !value->is_object()) return variables;
  for (const auto& [name, each] : value->items()) {
    const bool fits = !name.empty() && name.find('=') == std::string::npos && each.is_string() &&
                      each.get_ref<const std::string&>().find('\0') == std::string::npos;
    if (!fits) {
      return bad_value(
          fmt::format("env_vars['{}'] can't be used: names have no '=', and values "
                      "are strings.\nPut the value in quotes.",
                      name));
    }
    variables[name] = each.get<std::string>();
  }
  return variables;
}

Result<std::chrono::milliseconds> Arguments::timeout() const {
  const double by_default = static_cast<double>(limits::kDefaultScriptTimeout.count()) / 1000;
  const double seconds = number("timeout_seconds", by_default);
  if (!(seconds >= 0) || seconds > kLongestTimeout) {
    return bad_value(
        fmt::format("timeout_seconds={:g} can't be used.\nGive the seconds the script "
                    "may take, or 0 for no limit.",
                    seconds));
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

Result<std::optional<std::uint64_t>> Arguments::positive(const char* name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<std::uint64_t>();
  const double number = value->get<double>();
  if (number >= 1 && number < 1e12) return std::optional(static_cast<std::uint64_t>(number));
  return bad_value(fmt::format("{} must be 1 or more.\nLeave it out for no limit.", name));
}

Result<RunLimits> Arguments::limits() const {
  constexpr std::uint64_t kMebi = 1u << 20;
  RunLimits limits;
  limits.no_network = !flag("network", true);
  const struct {
    const char* name;
    std::optional<std::uint64_t>& value;
    std::uint64_t unit;
  } members[] = {{"memory_limit_mb", limits.memory_bytes, kMebi},
                 {"cpu_limit_seconds", limits.cpu_seconds, 1},
                 {"file_size_limit_mb", limits.file_size_bytes, kMebi},
                 {"process_limit", limits.processes, 1}};
  for (const auto& member : members) {
    const Result<std::optional<std::uint64_t>> given = positive(member.name);
    if (!given) return given.error();
    if (given.value()) member.value = *given.value() * member.unit;
  }
  return limits;
}

Result<std::size_t> Arguments::max_output_chars(std::size_t otherwise) const {
  const double given = number("max_output_chars", static_cast<double>(otherwise));
  if (given >= 0 && given <= 1e9) return static_cast<std::size_t>(given);
  return bad_value("max_output_chars must be 0 or more.\n0 answers with all output.");
}

}  // namespace pyember::host
