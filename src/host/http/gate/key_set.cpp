#include "host/http/gate/key_set.h"

#include <algorithm>
#include <cctype>

#include "base/limits.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

// The library asserts on what is no base64url.
bool is_number(const Json& key, const char* name) {
  const std::string text = mcp::text_in(key, name);
  constexpr std::size_t kGroup = 4;
  return !text.empty() && text.size() <= limits::kKeyNumberBytes && text.size() % kGroup != 1 &&
         std::all_of(text.begin(), text.end(), [](unsigned char each) {
           return (each < 0x80 && std::isalnum(each) != 0) || each == '-' || each == '_';
         });
}

bool is_for_signatures(const Json& key) {
  const std::string use = mcp::text_in(key, "use");
  if (!use.empty() && use != "sig") return false;
  if (!key.contains("key_ops")) return true;
  const std::vector<std::string> operations = mcp::texts_in(key, "key_ops");
  return std::find(operations.begin(), operations.end(), "verify") != operations.end();
}

Json numbers_of(const Json& key, const std::string& kind, std::vector<const char*> names) {
  Json made{{"kty", kind}};
  if (kind == "EC") made["crv"] = mcp::text_in(key, "crv");
  for (const char* name : names) {
    if (!is_number(key, name)) return nullptr;
    made[name] = mcp::text_in(key, name);
  }
  return made;
}

}  // namespace

bool fits_kind(std::string_view algorithm, std::string_view kind) {
  return kind == (algorithm.starts_with("ES") ? "EC" : "RSA");
}

std::vector<KeyText> keys_in(const Json& key_set) {
  std::vector<KeyText> keys;
  const auto list = key_set.find("keys");
  if (list == key_set.end() || !list->is_array()) return keys;
  for (const Json& each : *list) {
    if (keys.size() == limits::kIssuerKeys) break;
    if (!each.is_object() || !is_for_signatures(each)) continue;
    const std::string kind = mcp::text_in(each, "kty");
    Json numbers;
    if (kind == "RSA") numbers = numbers_of(each, kind, {"n", "e"});
    if (kind == "EC") numbers = numbers_of(each, kind, {"x", "y"});
    if (!numbers.is_object()) continue;
    keys.push_back(
        {mcp::text_in(each, "kid"), mcp::text_in(each, "alg"), kind, mcp::to_json_text(numbers)});
  }
  return keys;
}

}  // namespace pyember::host
