#include "host/upstream/oauth_metadata.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "host/upstream/oauth_challenge.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace {

constexpr const char* kResource = "/.well-known/oauth-protected-resource";
constexpr const char* kIssuer = "/.well-known/oauth-authorization-server";
constexpr const char* kOpenId = "/.well-known/openid-configuration";

std::string path_of(const HttpUrl& url) {
  std::string path = url.path;
  while (path.ends_with('/')) path.pop_back();
  return path;
}

std::string joined(const std::vector<std::string>& scopes) {
  std::string text;
  for (const std::string& scope : scopes) text += scope + " ";
  return united_scopes(text, "");
}

bool has(const std::vector<std::string>& values, std::string_view wanted) {
  return std::find(values.begin(), values.end(), wanted) != values.end();
}

// The resource must be the server, or what it is a part of.
bool covers(const HttpUrl& resource, const HttpUrl& server) {
  const std::string path = path_of(resource);
  return resource.same_origin(server) && server.path.starts_with(path) &&
         (server.path.size() == path.size() || server.path[path.size()] == '/');
}

// Some write it with a '/' at its end, and some without.
bool is_issuer(std::string_view read, std::string_view wanted, const HttpUrl& server) {
  if (wanted.empty()) {
    const std::optional<HttpUrl> own = parse_http_url(std::string(read));
    return own && own->same_origin(server);
  }
  if (read.ends_with('/')) read.remove_suffix(1);
  if (wanted.ends_with('/')) wanted.remove_suffix(1);
  return read == wanted;
}

Error wrong(std::string what) { return {ErrorCode::Unavailable, std::move(what)}; }

}  // namespace

std::string resource_name(const HttpUrl& server) {
  return server.origin() + (server.path == "/" ? "" : server.path) +
         (server.query.empty() ? "" : "?" + server.query);
}

std::vector<std::string> resource_metadata_places(const HttpUrl& server, const std::string& told) {
  if (!told.empty()) return {told};
  std::vector<std::string> places;
  const std::string path = path_of(server);
  if (!path.empty()) places.push_back(server.origin() + kResource + path);
  places.push_back(server.origin() + kResource);
  return places;
}

std::vector<std::string> issuer_metadata_places(const HttpUrl& issuer) {
  const std::string origin = issuer.origin();
  const std::string path = path_of(issuer);
  if (path.empty()) return {origin + kIssuer, origin + kOpenId};
  return {origin + kIssuer + path, origin + kOpenId + path, origin + path + kOpenId};
}

bool may_be_asked(const HttpUrl& address, const HttpUrl& server) {
  return address.scheme == "https" || (address.loopback() && server.loopback());
}

Result<ResourceMetadata> read_resource_metadata(const mcp::Json& json, const HttpUrl& server) {
  ResourceMetadata metadata{mcp::text_in(json, "resource"),
                            mcp::texts_in(json, "authorization_servers"),
                            joined(mcp::texts_in(json, "scopes_supported"))};
  const std::optional<HttpUrl> resource = parse_http_url(metadata.resource);
  if (!resource || !covers(*resource, server)) {
    return wrong(
        fmt::format("Its metadata is that of another server ({:.200}). A token for that "
                    "one is not for this one.",
                    resource ? resource->shown() : "which is no address"));
  }
  std::erase_if(metadata.authorization_servers, [&](const std::string& address) {
    const std::optional<HttpUrl> issuer = parse_http_url(address);
    return !issuer || !may_be_asked(*issuer, server);
  });
  if (metadata.authorization_servers.empty()) {
    return wrong(
        "Its metadata names no authorization server that can be asked. There is nobody to "
        "log in at.");
  }
  return metadata;
}

Result<AuthorizationServer> read_issuer_metadata(const mcp::Json& json, const std::string& issuer,
                                                 const HttpUrl& server) {
  AuthorizationServer read{
      .issuer = mcp::text_in(json, "issuer"),
      .authorization_endpoint = mcp::text_in(json, "authorization_endpoint"),
      .token_endpoint = mcp::text_in(json, "token_endpoint"),
      .registration_endpoint = mcp::text_in(json, "registration_endpoint"),
      .client_auth_methods = mcp::texts_in(json, "token_endpoint_auth_methods_supported"),
      .scopes = joined(mcp::texts_in(json, "scopes_supported")),
      .takes_client_urls = mcp::flag_in(json, "client_id_metadata_document_supported"),
      .names_itself = mcp::flag_in(json, "authorization_response_iss_parameter_supported")};
  if (!is_issuer(read.issuer, issuer, server)) {
    return wrong(
        "The authorization server's metadata is another's. It can't be trusted with a "
        "login.");
  }
  for (const std::string* address : {&read.authorization_endpoint, &read.token_endpoint}) {
    const std::optional<HttpUrl> url = parse_http_url(*address);
    if (!url || !may_be_asked(*url, server)) {
      return wrong(
          "The authorization server names an endpoint that can't be used: it must be an "
          "address of https. What is sent there is secret.");
    }
  }
  const std::optional<HttpUrl> registration = parse_http_url(read.registration_endpoint);
  if (!registration || !may_be_asked(*registration, server)) read.registration_endpoint.clear();
  if (!has(mcp::texts_in(json, "code_challenge_methods_supported"), "S256")) {
    return wrong(
        "The authorization server does not say that it knows PKCE with S256. Without that "
        "a login can be stolen.");
  }
  return read;
}

AuthorizationServer usual_authorization_server(const HttpUrl& server) {
  const std::string origin = server.origin();
  return {.issuer = origin,
          .authorization_endpoint = origin + "/authorize",
          .token_endpoint = origin + "/token",
          .registration_endpoint = origin + "/register"};
}

}  // namespace pyember::host
