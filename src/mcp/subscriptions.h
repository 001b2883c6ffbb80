#pragma once

#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/json_rpc.h"

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pyember::mcp {

// What one subscriptions/listen asked for and is told.
struct SubscriptionFilter {
  bool tools_list_changed = false;
  bool resources_list_changed = false;
  bool prompts_list_changed = false;
  std::set<std::string, std::less<>> uris;
  std::set<std::string, std::less<>> task_ids;

  Json to_json() const;  // as it is acknowledged
};

using FilterOrError = std::variant<SubscriptionFilter, RpcError>;

// Reads params.notifications. Types this server doesn't send are left out, so are URIs for which
// `subscribable` says no. More than `maximum_uris` is an error.
FilterOrError read_filter(const Json& params, std::size_t maximum_uris,
                          const std::function<bool(std::string_view)>& subscribable);

// One open subscriptions/listen.
struct Subscription {
  RequestId id;
  SubscriptionFilter filter;
};

// The params of a notification on that subscription: `members` (JSON text, may be empty) and the
// id.
std::string subscription_params(const Subscription& subscription, std::string_view members);

}  // namespace pyember::mcp
