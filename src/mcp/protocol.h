#pragma once

#include <array>
#include <optional>
#include <string_view>

// The words of the protocol: versions and what each of them knows, keys of _meta, extensions.
namespace pyember::mcp {

// In rising order, so that "known since" is a comparison.
enum class Version { V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28 };

inline constexpr Version kNewestHandshakeVersion = Version::V2025_11_25;
inline constexpr Version kModernVersion = Version::V2026_07_28;

inline constexpr std::array<std::string_view, 5> kVersionNames = {
    "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"};

constexpr std::string_view to_string(Version version) {
  return kVersionNames[static_cast<std::size_t>(version)];
}

constexpr std::optional<Version> parse_version(std::string_view name) {
  for (std::size_t index = 0; index < kVersionNames.size(); ++index) {
    if (kVersionNames[index] == name) return static_cast<Version>(index);
  }
  return std::nullopt;
}

constexpr bool is_modern(Version version) { return version >= Version::V2026_07_28; }

// What a version's clients know (PROTOCOL: LEG-3); what they don't is left out of what we send.
constexpr bool knows_batches(Version version) { return version <= Version::V2025_03_26; }
constexpr bool knows_annotations(Version version) { return version >= Version::V2025_03_26; }
constexpr bool knows_progress_message(Version version) { return version >= Version::V2025_03_26; }
constexpr bool knows_resource_size(Version version) { return version >= Version::V2025_03_26; }
constexpr bool knows_titles(Version version) { return version >= Version::V2025_06_18; }
constexpr bool knows_structured_content(Version version) { return version >= Version::V2025_06_18; }
constexpr bool knows_resource_links(Version version) { return version >= Version::V2025_06_18; }
constexpr bool knows_elicitation(Version version) { return version >= Version::V2025_06_18; }
constexpr bool knows_url_elicitation(Version version) { return version >= Version::V2025_11_25; }
constexpr bool knows_item_meta(Version version) { return version >= Version::V2025_06_18; }
constexpr bool knows_server_description(Version version) { return version >= Version::V2025_11_25; }

namespace meta_key {
inline constexpr std::string_view kProtocolVersion = "io.modelcontextprotocol/protocolVersion";
inline constexpr std::string_view kClientCapabilities =
    "io.modelcontextprotocol/clientCapabilities";
inline constexpr std::string_view kClientInfo = "io.modelcontextprotocol/clientInfo";
inline constexpr std::string_view kLogLevel = "io.modelcontextprotocol/logLevel";
inline constexpr std::string_view kServerInfo = "io.modelcontextprotocol/serverInfo";
inline constexpr std::string_view kSubscriptionId = "io.modelcontextprotocol/subscriptionId";
inline constexpr std::string_view kProgressToken = "progressToken";
}  // namespace meta_key

namespace extension {
inline constexpr std::string_view kTasks = "io.modelcontextprotocol/tasks";
inline constexpr std::string_view kUi = "io.modelcontextprotocol/ui";
}  // namespace extension

}  // namespace pyember::mcp
