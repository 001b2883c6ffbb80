#include "mcp/http/http_client.h"

#include <chrono>
#include <utility>

namespace pyember::test {

using mcp::HttpFields;
using mcp::Json;

namespace {

const Json kRouteSchema = Json::parse(R"({
  "type": "object",
  "properties": {
    "region": {"type": "string", "x-mcp-header": "Region"},
    "size": {"type": "integer", "x-mcp-header": "Size"}}})");

void route(const std::shared_ptr<mcp::ToolCall>& call) {
  mcp::ToolResult result;
  result.content.push_back(mcp::text_block("routed"));
  call->complete(std::move(result));
}

HttpFields joined(HttpFields first, const HttpFields& then) {
  first.insert(first.end(), then.begin(), then.end());
  return first;
}

}  // namespace

HttpClient::HttpClient(mcp::HttpBounds bounds)
    : now(std::chrono::hours(1)),
      endpoint(std::make_unique<mcp::HttpEndpoint>(scripted.server, bounds)) {
  scripted.tools.catalog.add({"route", "", "Goes there.", kRouteSchema, {}, {}, route});
}

Exchange HttpClient::send(const std::string& method, const std::string& body, HttpFields fields) {
  auto exchange = std::make_shared<FakeExchange>(method, body, std::move(fields));
  endpoint->handle(exchange, caller);
  return exchange;
}

Exchange HttpClient::post(const std::string& body, HttpFields more) {
  return send("POST", body,
              joined(std::move(more), {{"Content-Type", "application/json"},
                                       {"Accept", "application/json, text/event-stream"}}));
}

// --- the modern era --------------------------------------------------------------------------

Json HttpClient::modern(const Json& id, const std::string& method, Json params, Json meta) {
  meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28";
  if (!meta.contains("io.modelcontextprotocol/clientCapabilities")) {
    meta["io.modelcontextprotocol/clientCapabilities"] = Json::object();
  }
  params["_meta"] = std::move(meta);
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
}

HttpFields HttpClient::head_of(const Json& message) {
  HttpFields head = {{"MCP-Protocol-Version", "2026-07-28"},
                     {"Mcp-Method", message["method"].get<std::string>()}};
  for (const char* name : {"name", "uri"}) {
    if (message["params"].contains(name)) {
      head.push_back({"Mcp-Name", message["params"][name].get<std::string>()});
    }
  }
  return head;
}

Exchange HttpClient::call(const Json& message, HttpFields more) {
  return post(message.dump(), joined(std::move(more), head_of(message)));
}

Exchange HttpClient::tool(const Json& id, const std::string& name, const Json& arguments,
                          const Json& meta) {
  return call(modern(id, "tools/call", {{"name", name}, {"arguments", arguments}}, meta));
}

Exchange HttpClient::listen(const Json& id, const Json& notifications) {
  return call(modern(id, "subscriptions/listen", {{"notifications", notifications}}));
}

// --- the handshake era -----------------------------------------------------------------------

Exchange HttpClient::initialize(const std::string& wanted, const Json& capabilities) {
  const Json message = {{"jsonrpc", "2.0"},
                        {"id", "init"},
                        {"method", "initialize"},
                        {"params",
                         {{"protocolVersion", wanted},
                          {"capabilities", capabilities},
                          {"clientInfo", {{"name", "test"}, {"version", "1"}}}}}};
  const Exchange exchange = post(message.dump());
  version = wanted;
  session = exchange->field("Mcp-Session-Id").value_or("");
  if (!session.empty()) notify("notifications/initialized");
  return exchange;
}

Exchange HttpClient::in_session(const Json& message, HttpFields more) {
  return post(message.dump(), joined(std::move(more), {{"Mcp-Session-Id", session},
                                                       {"MCP-Protocol-Version", version}}));
}

Exchange HttpClient::request(const Json& id, const std::string& method, const Json& params) {
  return in_session({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}});
}

Exchange HttpClient::session_tool(const Json& id, const std::string& name, const Json& arguments) {
  return request(id, "tools/call",
                 {{"name", name}, {"arguments", arguments}, {"_meta", {{"progressToken", id}}}});
}

Exchange HttpClient::notify(const std::string& method, const Json& params) {
  return in_session({{"jsonrpc", "2.0"}, {"method", method}, {"params", params}});
}

Exchange HttpClient::get(HttpFields more) {
  return send("GET", "",
              joined(std::move(more), {{"Accept", "text/event-stream"},
                                       {"Mcp-Session-Id", session},
                                       {"MCP-Protocol-Version", version}}));
}

Exchange HttpClient::remove() {
  return send("DELETE", "", {{"Mcp-Session-Id", session}, {"MCP-Protocol-Version", version}});
}

void HttpClient::seconds(int count) {
  for (int i = 0; i < count; ++i) {
    now += std::chrono::seconds(1);
    endpoint->tick(now);
  }
}

}  // namespace pyember::test
