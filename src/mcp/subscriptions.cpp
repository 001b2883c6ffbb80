#include "mcp/subscriptions.h"

#include "base/limits.h"

#include <fmt/format.h>

#include <optional>

namespace pyember::mcp {
namespace {

RpcError bad_filter(std::string_view problem) {
  return invalid_params(fmt::format(
      "Invalid params: {}. Send notifications as an object with any of toolsListChanged, "
      "resourcesListChanged, promptsListChanged (bools) and resourceSubscriptions (a list of "
      "URIs).",
      problem));
}

std::optional<RpcError> read_flag(const Json& value, std::string_view name, bool& flag) {
  if (!value.is_boolean()) return bad_filter(fmt::format("notifications.{} is not a bool", name));
  flag = value.get<bool>();
  return std::nullopt;
}

std::optional<RpcError> read_uris(const Json& value, std::size_t maximum,
                                  const std::function<bool(std::string_view)>& subscribable,
                                  SubscriptionFilter& filter) {
  if (!value.is_array()) return bad_filter("notifications.resourceSubscriptions is not a list");
  if (value.size() > maximum) {
    return bad_filter(fmt::format(
        "notifications.resourceSubscriptions has {} URIs, and one subscription takes at most {}",
        value.size(), maximum));
  }
  for (const Json& uri : value) {
    if (!uri.is_string())
      return bad_filter("notifications.resourceSubscriptions holds a non-string");
    const auto& text = uri.get_ref<const std::string&>();
    if (text.size() <= limits::kMaximumUriBytes && subscribable(text)) filter.uris.insert(text);
  }
  return std::nullopt;
}

}  // namespace

Json SubscriptionFilter::to_json() const {
  Json json = Json::object();
  if (tools_list_changed) json["toolsListChanged"] = true;
  if (resources_list_changed) json["resourcesListChanged"] = true;
  if (prompts_list_changed) json["promptsListChanged"] = true;
  if (!uris.empty()) json["resourceSubscriptions"] = uris;
  if (!task_ids.empty()) json["taskIds"] = task_ids;
  return json;
}

FilterOrError read_filter(const Json& params, std::size_t maximum_uris,
                          const std::function<bool(std::string_view)>& subscribable) {
  const auto wanted = params.find("notifications");
  if (wanted == params.end()) return bad_filter("notifications is missing");
  if (!wanted->is_object()) return bad_filter("notifications is not an object");
  SubscriptionFilter filter;
  for (const auto& [name, value] : wanted->items()) {
    std::optional<RpcError> error;
    if (name == "toolsListChanged")
      error = read_flag(value, name, filter.tools_list_changed);
    else if (name == "resourcesListChanged")
      error = read_flag(value, name, filter.resources_list_changed);
    else if (name == "promptsListChanged")
      error = read_flag(value, name, filter.prompts_list_changed);
    else if (name == "resourceSubscriptions")
      error = read_uris(value, maximum_uris, subscribable, filter);
    if (error) return std::move(*error);
  }
  return filter;
}

std::string subscription_params(const Subscription& subscription, std::string_view members) {
  std::string params = R"({"_meta":{")";
  params += meta_key::kSubscriptionId;
  params += R"(":)";
  params += subscription.id.text();
  params += '}';
  if (!members.empty()) {
    params += ',';
    params += members;
  }
  params += '}';
  return params;
}

}  // namespace pyember::mcp
