#include "host/upstream/policy/tool_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/limits.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "host/upstream/policy/canonical_json.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::size_t kContextCharacters = 30;  // shown before what differs
constexpr std::size_t kShownCharacters = 200;   // of a description
constexpr std::size_t kNameCharacters = 80;     // of a tool or parameter
constexpr std::size_t kShownParameters = 12;    // of one tool

const Json& member(const Json& object, std::string_view name) {
  static const Json kNone;
  const auto found = object.find(name);
  return found == object.end() ? kNone : *found;
}

std::string bounded(std::string text) {
  if (text.size() <= limits::kPinnedTextBytes) return text;
  text.resize(limits::kPinnedTextBytes);
  text.resize(utf8::valid_prefix(text));
  return text;
}

// What others wrote, made fit to stand in a sentence of ours.
std::string shown(std::string_view text, std::size_t characters) {
  const std::string_view kept = utf8::head(text, characters);
  std::string line = utf8::repaired(kept);
  std::replace_if(
      line.begin(), line.end(),
      [](char each) { return std::iscntrl(static_cast<unsigned char>(each)) != 0; }, ' ');
  return line + (kept.size() < text.size() ? "…" : "");
}

std::string cited(std::string_view text) {
  return fmt::format("\"{}\"", shown(text, kShownCharacters));
}

// The part of a text from a little before `position` on.
std::string cited_from(std::string_view text, std::size_t position) {
  const std::string_view before = utf8::tail(text.substr(0, position), kContextCharacters);
  const std::size_t begin = position - before.size();
  return fmt::format("\"{}{}\"", begin > 0 ? "…" : "", shown(text.substr(begin), kShownCharacters));
}

std::size_t common_prefix(std::string_view left, std::string_view right) {
  const std::size_t shorter = std::min(left.size(), right.size());
  const auto differs =
      std::mismatch(left.begin(), left.begin() + static_cast<long>(shorter), right.begin());
  return utf8::valid_prefix(left.substr(0, static_cast<std::size_t>(differs.first - left.begin())));
}

Json properties_of(const std::string& schema) {
  const Result<Json> parsed = mcp::parse_json(schema);
  if (!parsed || !parsed.value().is_object()) return Json::object();
  const Json& properties = member(parsed.value(), "properties");
  return properties.is_object() ? properties : Json::object();
}

class NameList {
 public:
  void add(char sign, std::string_view name) {
    if (++count_ > kShownParameters) return;
    text_ += fmt::format("{}{}{}", text_.empty() ? "" : ", ", sign, shown(name, kNameCharacters));
  }
  std::string text() const {
    if (count_ <= kShownParameters) return text_;
    return fmt::format("{} and {} more", text_, count_ - kShownParameters);
  }
  bool empty() const { return count_ == 0; }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

// "+new, -gone, ~changed"; empty: the parameters' names and schemas are the same.
std::string changed_parameters(const std::string& before, const std::string& now) {
  const Json old_ones = properties_of(before);
  const Json new_ones = properties_of(now);
  NameList list;
  for (const auto& [name, schema] : new_ones.items()) {
    const auto old = old_ones.find(name);
    if (old == old_ones.end()) {
      list.add('+', name);
    } else if (canonical_json(*old) != canonical_json(schema)) {
      list.add('~', name);
    }
  }
  for (const auto& [name, schema] : old_ones.items()) {
    if (!new_ones.contains(name)) list.add('-', name);
  }
  return list.text();
}

std::string describe_change(const PinnedTool& before, const PinnedTool& now) {
  std::string text;
  if (before.description != now.description) {
    const std::size_t same = common_prefix(before.description, now.description);
    text += fmt::format("; its description was {}, is {}", cited_from(before.description, same),
                        cited_from(now.description, same));
  }
  if (before.input_schema != now.input_schema) {
    const std::string names = changed_parameters(before.input_schema, now.input_schema);
    text += names.empty() ? "; the schema of its arguments is another one"
                          : "; its parameters: " + names;
  }
  if (before.only_reads != now.only_reads) {
    text += now.only_reads ? "; it now says that it only reads"
                           : "; it no longer says that it only reads";
  }
  return text.empty() ? "; its title, annotations, results or a long text of it" : text;
}

}  // namespace

PinnedTools pinned_tools(const Json& list) {
  PinnedTools tools;
  if (!list.is_array()) return tools;
  for (const Json& each : list) {
    const std::string name = mcp::text_in(each, "name");
    if (name.empty()) continue;
    Json counts = Json::object();
    for (const char* part :
         {"title", "description", "inputSchema", "outputSchema", "annotations"}) {
      counts[part] = member(each, part);
    }
    PinnedTool tool;
    tool.description = bounded(mcp::text_in(each, "description"));
    tool.input_schema = bounded(canonical_json(counts["inputSchema"]));
    tool.digest = sha256_hex(canonical_json(counts));
    tool.only_reads = mcp::flag_in(counts["annotations"], "readOnlyHint");
    tools.insert_or_assign(name, std::move(tool));
  }
  return tools;
}

std::string digest_of(const PinnedTools& tools) {
  std::string text;
  for (const auto& [name, tool] : tools)
    text += fmt::format("{}:{}{}", name.size(), name, tool.digest);
  return sha256_hex(text);
}

std::string describe_changes(const PinnedTools& before, const PinnedTools& now) {
  std::vector<std::string> lines;
  for (const auto& [name, tool] : now) {
    const auto old = before.find(name);
    const std::string called = shown(name, kNameCharacters);
    if (old == before.end()) {
      lines.push_back(fmt::format("added {}: {}", called, cited(tool.description)));
    } else if (old->second != tool) {
      lines.push_back(fmt::format("changed {}{}", called, describe_change(old->second, tool)));
    }
  }
  for (const auto& [name, tool] : before) {
    if (!now.contains(name)) lines.push_back("removed " + shown(name, kNameCharacters));
  }
  std::string text;
  std::size_t told = 0;
  for (const std::string& line : lines) {
    if (told > 0 && text.size() + line.size() > limits::kToolChangeBytes) break;
    text += (told++ == 0 ? "- " : "\n- ") + line;
  }
  if (told < lines.size()) text += fmt::format("\n- and {} more", lines.size() - told);
  return text;
}

Json to_json(const PinnedTools& tools) {
  Json list = Json::array();
  for (const auto& [name, tool] : tools) {
    list.push_back({{"name", name},
                    {"description", tool.description},
                    {"input_schema", tool.input_schema},
                    {"digest", tool.digest},
                    {"only_reads", tool.only_reads}});
  }
  return list;
}

PinnedTools from_json(const Json& list) {
  PinnedTools tools;
  if (!list.is_array()) return tools;
  for (const Json& each : list) {
    tools.insert_or_assign(
        mcp::text_in(each, "name"),
        PinnedTool{mcp::text_in(each, "description"), mcp::text_in(each, "input_schema"),
                   mcp::text_in(each, "digest"), mcp::flag_in(each, "only_reads")});
  }
  return tools;
}

}  // namespace pyember::host
