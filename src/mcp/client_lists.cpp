#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "base/limits.h"
#include "mcp/client.h"
#include "mcp/json_members.h"

namespace pyember::mcp {
namespace {

struct Kind {
  std::string_view method, capability, member, key;
};
constexpr std::array<Kind, 4> kKinds = {{
    {"tools/list", "tools", "tools", "name"},
    {"resources/list", "resources", "resources", "uri"},
    {"resources/templates/list", "resources", "resourceTemplates", "uriTemplate"},
    {"prompts/list", "prompts", "prompts", "name"},
}};

const Kind& kind_of(std::string_view method) {
  for (const Kind& each : kKinds) {
    if (each.method == method) return each;
  }
  CHECK(!"a list of the protocol");
  return kKinds[0];
}

}  // namespace

// A list that is being gathered. Shared by the requests for its pages, one after the other.
struct Client::Listing {
  explicit Listing(const Kind& list, Done finished) : kind(&list), done(std::move(finished)) {}

  const Kind* kind;
  Done done;
  Json entries = Json::array();
  std::string cursor;
  bool first_page = true;
  bool begun_again = false;
  std::size_t pages = 0;
  std::size_t bytes = 0;

  void finish(std::optional<ClientError> error) {
    Json result = Json::object();
    if (!error) result[kind->member] = std::move(entries);
    done({std::move(result), std::move(error)});
  }
};

void Client::list(std::string method, Done done) {
  CHECK(ready());
  auto listing = std::make_shared<Listing>(kind_of(method), std::move(done));
  if (offers(listing->kind->capability)) {
    ask_for_page(std::move(listing));
  } else {
    listing->finish(std::nullopt);
  }
}

void Client::ask_for_page(std::shared_ptr<Listing> listing) {
  Json params = Json::object();
  if (!listing->first_page) params["cursor"] = listing->cursor;
  std::string method(listing->kind->method);
  request(std::move(method), std::move(params),
          [this, listing](ClientAnswer answer) { take_page(listing, std::move(answer)); });
}

void Client::take_page(const std::shared_ptr<Listing>& listing, ClientAnswer answer) {
  if (answer.error) {
    // A cursor may have become invalid because the list has changed: from the beginning, once.
    const bool bad_cursor = answer.error->code == static_cast<int>(RpcCode::InvalidParams);
    if (bad_cursor && !listing->first_page && !listing->begun_again && ready()) {
      *listing = Listing(*listing->kind, std::move(listing->done));
      listing->begun_again = true;
      ask_for_page(listing);
    } else {
      listing->finish(std::move(answer.error));
    }
    return;
  }
  listing->bytes += received_bytes_;
  const auto entries = answer.result.find(listing->kind->member);
  if (entries != answer.result.end() && entries->is_array()) {
    for (Json& entry : *entries) {
      if (!text_in(entry, listing->kind->key).empty()) {
        listing->entries.push_back(std::move(entry));
      }
    }
  }
  const auto cursor = answer.result.find("nextCursor");
  const bool more = cursor != answer.result.end() && cursor->is_string();
  if (++listing->pages > limits::kUpstreamListPages ||
      listing->bytes > limits::kUpstreamListBytes ||
      listing->entries.size() > limits::kUpstreamListEntries) {
    listing->finish(
        ClientError{ClientError::Kind::TooLarge,
                    fmt::format("its answer to {} is larger than {} entries, {} MB or "
                                "{} pages",
                                listing->kind->method, limits::kUpstreamListEntries,
                                limits::kUpstreamListBytes >> 20, limits::kUpstreamListPages),
                    0, nullptr});
  } else if (more && ready()) {
    listing->cursor = cursor->get<std::string>();
    listing->first_page = false;
    ask_for_page(listing);
  } else {
    if (listing->kind->method == "tools/list") keep_parameter_headers(listing->entries);
    listing->finish(std::nullopt);
  }
}

// Over HTTP some parameters go into headers; a tool whose schema breaks the rules for that must not
// be offered.
void Client::keep_parameter_headers(Json& tools) {
  if (!settings_.over_http || !is_modern(version_)) return;
  headers_of_tools_.clear();
  Json kept = Json::array();
  for (Json& tool : tools) {
    const auto schema = tool.find("inputSchema");
    const auto headers = parameter_headers(schema != tool.end() ? *schema : Json::object());
    if (!headers) {
      owner_.client_cannot_read(fmt::format(
          "tool {} is left out: {}", in_quotes(text_in(tool, "name")), headers.error().message));
      continue;
    }
    if (!headers.value().empty()) headers_of_tools_[text_in(tool, "name")] = headers.value();
    kept.push_back(std::move(tool));
  }
  tools = std::move(kept);
}

// The tool's schema has changed, so that other parameters go into headers now.
void Client::retry_with_headers(Request request, ClientAnswer refusal) {
  request.sent_again = true;
  auto kept = std::make_shared<Request>(std::move(request));  // a std::function has to be copyable
  list("tools/list", [this, kept, refusal = std::move(refusal)](const ClientAnswer& answer) {
    if (answer.error || !ready()) {
      kept->done(refusal);
      return;
    }
    std::string method = std::exchange(kept->method, {});
    Json params = std::exchange(kept->params, {});
    send(std::move(method), std::move(params), std::move(*kept));
  });
}

}  // namespace pyember::mcp
