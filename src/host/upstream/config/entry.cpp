#include "host/upstream/config/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/sha256.h"
#include "host/scripts/text_file.h"
#include "host/upstream/config/shown.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

using Texts = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// A text, or a number or truth value that somebody wrote without quotes.
std::optional<std::string> as_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return std::nullopt;
}

const Json* member(const Json& entry, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = entry.find(name);
    if (found != entry.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

// What is written in the file, before variables are filled in.
struct Written {
  std::string command;
  Texts arguments;
  Pairs environment;
  std::string working_directory;
  std::string url;
  Pairs headers;
};

bool is_header_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [=](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kMarks.find(c) != kMarks.npos;
  });
}

bool is_header_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

class EntryReader {
 public:
  EntryReader(const std::string& name, const Json& entry, const EntrySurroundings& around)
      : name_(name), entry_(entry), around_(around) {}

  ReadEntry read() {
    if (!check_name() || !entry_is_object()) return std::move(result_);
    read_switches();
    if (!read_written() || !choose_kind() || !fill_in()) {
      return std::move(result_);
    }
    warn_of_what_is_not_read();
    definition_.description = mcp::text_in(entry_, "description");
    if (definition_.description.empty()) definition_.description = around_.description;
    definition_.name = name_;
    definition_.source = around_.file;
    definition_.shown = definition_.kind == UpstreamDefinition::Kind::Http
                            ? shown_url(written_.url)
                            : shown_command(written_.command, written_.arguments);
    definition_.fingerprint = fingerprint();
    result_.definition = std::move(definition_);
    return std::move(result_);
  }

 private:
  void warn(std::string_view what) {
    result_.warnings.push_back(fmt::format("Server '{}' of {} {}", name_, around_.file, what));
  }

  bool refuse(std::string_view why, std::string_view next) {
    warn(fmt::format("is left out, because {}. {}", why, next));
    return false;
  }

  bool check_name() {
    const bool printable = std::none_of(name_.begin(), name_.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
    if (printable && !name_.empty() && name_.size() <= limits::kMaximumUpstreamNameBytes) {
      return true;
    }
    result_.warnings.push_back(fmt::format(
        "A server of {} is left out, because its name is empty, longer than {} bytes or holds "
        "control characters. Give it a name that people can type.",
        around_.file, limits::kMaximumUpstreamNameBytes));
    return false;
  }

  bool entry_is_object() {
    return entry_.is_object() ||
           refuse("its definition is no object", "Write {\"command\": …} or {\"url\": …}.");
  }

  // --- what is written ---------------------------------------------------------------------------

  bool read_written() {
    return read_command() && read_list(entry_, written_.arguments) &&
           read_pairs(member(entry_, {"env", "environment"}), "env", written_.environment) &&
           read_headers() && read_places();
  }

  bool read_command() {
    const Json* command = member(entry_, {"command"});
    if (command == nullptr) return true;
    if (command->is_string()) {
      written_.command = command->get<std::string>();
      return true;
    }
    if (command->is_object()) {  // as Zed had it: {"path": …, "args": […], "env": {…}}
      written_.command = mcp::text_in(*command, "path");
      return read_list(*command, written_.arguments) &&
             read_pairs(member(*command, {"env"}), "env", written_.environment);
    }
    Texts words;  // as OpenCode has it: program and arguments in one list
    if (!command->is_array() || !read_texts(*command, words)) {
      return refuse("its command is no text", "Write \"command\": \"npx\", \"args\": […].");
    }
    if (!words.empty()) {
      written_.command = words.front();
      written_.arguments.assign(words.begin() + 1, words.end());
    }
    return true;
  }

  bool read_texts(const Json& list, Texts& out) {
    for (const Json& each : list) {
      const std::optional<std::string> text = as_text(each);
      if (!text || out.size() >= limits::kMaximumUpstreamTexts) return false;
      out.push_back(*text);
    }
    return true;
  }

  bool read_list(const Json& object, Texts& out) {
    const Json* list = member(object, {"args"});
    if (list == nullptr) return true;
    return (list->is_array() && read_texts(*list, out)) ||
           refuse(fmt::format("its args are no list of at most {} texts",
                              limits::kMaximumUpstreamTexts),
                  "Write \"args\": [\"-y\", \"some-server\"].");
  }

  // {"NAME": "value"}, or ["NAME=value"] as OpenCode had it.
  bool read_pairs(const Json* values, std::string_view field, Pairs& out) {
    if (values == nullptr) return true;
    const bool fits = (values->is_object() || values->is_array()) &&
                      values->size() + out.size() <= limits::kMaximumUpstreamTexts;
    if (!fits) {
      return refuse(fmt::format("its {} is no object of at most {} texts", field,
                                limits::kMaximumUpstreamTexts),
                    "Write {\"NAME\": \"value\"}.");
    }
    for (const auto& [key, value] : values->items()) {
      const std::optional<std::string> text = as_text(value);
      if (value.is_null()) continue;
      std::string name = key;
      std::string content = text.value_or("");
      if (values->is_array()) {
        const std::size_t equals = content.find('=');
        name = content.substr(0, equals);
        content = equals == std::string::npos ? "" : content.substr(equals + 1);
      }
      if (!text || name.empty() || name.find('\0') != std::string::npos) {
        return refuse(fmt::format("a member of its {} has no name or is no text", field),
                      "Write {\"NAME\": \"value\"}.");
      }
      out.emplace_back(std::move(name), std::move(content));
    }
    return true;
  }

  bool read_headers() {
    if (!read_pairs(member(entry_, {"headers", "http_headers"}), "headers", written_.headers)) {
      return false;
    }
    Pairs from_variables;  // Codex: header → name of a variable
    if (!read_pairs(member(entry_, {"env_http_headers"}), "env_http_headers", from_variables)) {
      return false;
    }
    for (const auto& [header, variable] : from_variables) {
      written_.headers.emplace_back(header, "${" + variable + "}");
    }
    if (const std::string token = mcp::text_in(entry_, "bearer_token_env_var"); !token.empty()) {
      written_.headers.emplace_back("Authorization", "Bearer ${" + token + "}");
    }
    return true;
  }

  bool read_places() {
    if (const Json* url = member(entry_, {"url", "httpUrl", "serverUrl"})) {
      if (!url->is_string()) return refuse("its url is no text", "Write \"url\": \"https://…\".");
      written_.url = url->get<std::string>();
    }
    if (const Json* cwd = member(entry_, {"cwd"})) {
      if (!cwd->is_string())
        return refuse("its cwd is no text", "Write \"cwd\": \"/some/folder\".");
      written_.working_directory = cwd->get<std::string>();
    }
    return true;
  }

  // --- what it means -----------------------------------------------------------------------------

  bool choose_kind() {
    std::string type;
    for (const char* field : {"type", "transport"}) {
      if (type.empty()) type = mcp::text_in(entry_, field);
    }
    const bool wants_url =
        type == "http" || type == "sse" || type == "remote" || type.starts_with("streamable");
    const bool wants_command = type == "stdio" || type == "local";
    if (type == "ws" || type == "websocket") {
      return refuse("MCP has no transport over WebSocket",
                    "Use the server's Streamable HTTP address, with type http.");
    }
    const bool is_http = !written_.url.empty() && (wants_url || written_.command.empty());
    if (is_http && !wants_command) {
      definition_.kind = UpstreamDefinition::Kind::Http;
    } else if (written_.command.empty() || wants_url) {
      return refuse("it has neither a command nor a url", "Give it one, or remove it.");
    }
    return true;
  }

  bool fill_in() {
    if (definition_.kind == UpstreamDefinition::Kind::Http) {
      return fill_in_url() && fill_in_pairs(written_.headers, "headers", definition_.headers) &&
             check_headers() && warn_of_missing();
    }
    if (!fill_in_text(written_.command, "command", definition_.command)) return false;
    if (definition_.command.find_first_not_of(' ') == std::string::npos) {
      return refuse("its command is empty once its variables are filled in",
                    "Set them before the server starts, or write the command's name.");
    }
    if (definition_.command.starts_with("~/")) {
      definition_.command = resolved_path(definition_.command, around_.working_directory);
    }
    for (const std::string& argument : written_.arguments) {
      if (!fill_in_text(argument, "args", definition_.arguments.emplace_back())) return false;
    }
    return fill_in_pairs(written_.environment, "env", definition_.environment) &&
           fill_in_working_directory() && warn_of_missing();
  }

  bool fill_in_text(const std::string& written, std::string_view field, std::string& out) {
    ExpandedText expanded = expand_variables(written, around_.lookup);
    if (!expanded.foreign.empty()) {
      return refuse(fmt::format("its {} needs {}, which only its own client can fill in", field,
                                expanded.foreign.front()),
                    "Write ${SOME_VARIABLE} instead, and set that before the server starts.");
    }
    if (expanded.text.find('\0') != std::string::npos) {
      return refuse(fmt::format("its {} holds a NUL", field), "Remove it.");
    }
    if (expanded.text.size() >= limits::kConfigurationTextBytes) {
      return refuse(fmt::format("its {} has a text of more than {} bytes", field,
                                limits::kConfigurationTextBytes),
                    "Shorten it.");
    }
    for (std::string& variable : expanded.missing) {
      if (std::find(missing_.begin(), missing_.end(), variable) == missing_.end()) {
        missing_.push_back(std::move(variable));
      }
    }
    out = std::move(expanded.text);
    return true;
  }

  bool fill_in_pairs(const Pairs& written, std::string_view field,
                     std::map<std::string, std::string>& out) {
    for (const auto& [name, value] : written) {
      if (!fill_in_text(value, field, out[name])) return false;
    }
    return true;
  }

  bool fill_in_url() {
    if (!fill_in_text(written_.url, "url", definition_.url)) return false;
    std::string scheme = definition_.url.substr(0, definition_.url.find("://"));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const bool plain = std::none_of(definition_.url.begin(), definition_.url.end(), [](char c) {
      return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F;
    });
    return ((scheme == "http" || scheme == "https") && plain) ||
           refuse("its url is none of http or https", "Write \"url\": \"https://…\".");
  }

  bool check_headers() {
    for (const auto& [name, value] : definition_.headers) {
      if (is_header_name(name) && is_header_value(value)) continue;
      return refuse("a header's name or value holds characters that HTTP forbids",
                    "Check its headers for line breaks and names with spaces.");
    }
    return true;
  }

  bool fill_in_working_directory() {
    if (!fill_in_text(written_.working_directory, "cwd", definition_.working_directory)) {
      return false;
    }
    std::string& folder = definition_.working_directory;
    if (folder.empty()) return true;
    folder = resolved_path(folder, around_.working_directory);
    if (!is_directory(folder)) {
      warn(
          fmt::format("has the working directory {}, which is not there. Make it, or the server "
                      "will be started in this one's.",
                      folder));
    }
    return true;
  }

  bool warn_of_missing() {
    for (const std::string& variable : missing_) {
      warn(
          fmt::format("uses the variable {}, which is not set, so nothing stands in its place. "
                      "Set it before this server starts, or write ${{{}:-default}}.",
                      variable, variable));
    }
    return true;
  }

  void read_switches() {
    const Json* disabled = member(entry_, {"disabled"});
    const Json* enabled = member(entry_, {"enabled"});
    const auto says = [](const Json* value, bool wanted, std::string_view word) {
      return value != nullptr && (*value == Json(wanted) || *value == Json(word));
    };
    result_.disabled = says(disabled, true, "true") || says(enabled, false, "false");
  }

  void warn_of_what_is_not_read() {
    if (member(entry_, {"envFile"}) != nullptr) {
      warn(
          "names an envFile, which is not read, because only its own client knows that file's "
          "rules. Write its variables into env, as ${NAME} where this server has them.");
    }
  }

  // Of what is written, so that no value of a variable goes into it.
  std::string fingerprint() const {
    const bool is_http = definition_.kind == UpstreamDefinition::Kind::Http;
    const Json all =
        Json::array({name_, is_http ? "http" : "stdio", is_http ? "" : written_.command,
                     is_http ? Texts() : written_.arguments, written_.working_directory,
                     is_http ? written_.url : ""});
    return sha256_hex(mcp::to_json_text(all));
  }

  const std::string& name_;
  const Json& entry_;
  const EntrySurroundings& around_;
  Written written_;
  UpstreamDefinition definition_;
  Texts missing_;
  ReadEntry result_;
};

}  // namespace

ReadEntry read_entry(const std::string& name, const Json& entry,
                     const EntrySurroundings& surroundings) {
  return EntryReader(name, entry, surroundings).read();
}

}  // namespace pyember::host
